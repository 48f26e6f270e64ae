"""Showing runs in MLflow: a view of run folders, sent beside the run, that can be rebuilt from them at any time."""
