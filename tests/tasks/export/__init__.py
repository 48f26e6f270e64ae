"""task=export."""
