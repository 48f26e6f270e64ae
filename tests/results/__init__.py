"""Tests of sdpa_exp.results."""
