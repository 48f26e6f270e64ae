"""Tests of task=predict."""
