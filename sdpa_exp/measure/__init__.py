"""How calls are timed against each other in one process: clock, warm-up, interleaving, intervals, drift, memory."""
