"""Tests of sdpa_exp.tracking."""
