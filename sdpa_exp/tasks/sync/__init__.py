"""task=sync: sends what the tracking store lacks of all runs below a folder."""
