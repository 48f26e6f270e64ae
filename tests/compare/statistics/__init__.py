"""Tests of sdpa_exp/compare/statistics."""
