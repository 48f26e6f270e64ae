"""Tests of sdpa_exp.launch."""
