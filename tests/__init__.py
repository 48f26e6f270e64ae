"""Tests; the folders mirror sdpa_exp/."""
