"""Tests of sdpa_exp.callbacks."""
