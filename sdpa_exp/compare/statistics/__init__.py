"""Statistics: pure functions over arrays that know nothing of runs, arms or words."""
