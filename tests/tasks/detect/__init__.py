"""task=detect."""
