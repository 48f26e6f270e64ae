"""Tests of sdpa_exp.accuracy."""
