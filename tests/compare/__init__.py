"""Tests of the comparison, over run folders in the real formats."""
