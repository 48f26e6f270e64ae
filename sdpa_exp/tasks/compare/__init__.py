"""task=compare: compares runs that are there already."""
