"""task=doctor: what this machine can run, and what is wrong with it. Works where torch itself is broken."""
