"""A search for the best setting: a sweep whose jobs are chosen one after another, by what the runs before came to."""
