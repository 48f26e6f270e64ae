"""Data sets: the rendered field, folders in Ultralytics' format, their checks, and the cache they share."""
