"""Tests of sdpa_exp.tasks."""
