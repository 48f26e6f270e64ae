"""Where runs to compare may come from, besides folders."""

from __future__ import annotations

MLFLOW_SOURCE = "mlflow:"
"""Before the name of an experiment, or the id of a run, among the paths of compare.runs."""
