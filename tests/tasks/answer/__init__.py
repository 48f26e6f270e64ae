"""Tests of task=answer."""
