"""Tests of sdpa_exp."""
