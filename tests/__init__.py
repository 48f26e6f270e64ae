"""Tests, mirroring sdpa_exp/."""
