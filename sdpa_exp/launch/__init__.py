"""Runs: the parent that starts and watches, and the worker, a fresh process for each run."""
