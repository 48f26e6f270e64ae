"""Reading runs: ours, plain Ultralytics folders, and what a user names."""
