"""Tests of sdpa_exp/compare/report."""
