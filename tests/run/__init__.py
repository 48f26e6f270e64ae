"""Tests of sdpa_exp.run."""
