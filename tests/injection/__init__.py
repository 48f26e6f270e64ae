"""Tests of sdpa_exp.injection."""
