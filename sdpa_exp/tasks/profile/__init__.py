"""task=profile: where a training step goes, in time and in memory, and what attention could save at most."""
