"""Tests of sdpa_exp.evidence."""
