"""Tests of configuration, sweep expansion and error wording."""
