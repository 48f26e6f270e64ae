"""Made-up input for everything that reads what others wrote: a right result or a clear error, never a traceback."""
