"""Tests of sdpa_exp.attention."""
