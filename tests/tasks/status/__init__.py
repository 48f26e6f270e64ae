"""Tests of task=latency."""
