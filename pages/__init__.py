"""What of README.md and docs/ is made by a command: the demo's output, its picture, and whole pages."""
