"""Tests of hydra/sweeper=search. Those of Optuna itself skip where the extra `search` is not installed."""
