"""Comparison: run folders in; pairs, tests, verdicts and findings out. Start at run_compare.py."""
