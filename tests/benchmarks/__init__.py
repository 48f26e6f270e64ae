"""Tests of sdpa_exp.telemetry."""
