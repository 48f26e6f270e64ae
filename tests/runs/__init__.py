"""Tests of sdpa_exp.runs."""
