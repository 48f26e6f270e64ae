"""Tests of sdpa_exp/compare/findings."""
