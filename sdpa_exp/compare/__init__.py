"""Comparison: run folders in; pairs, tests, verdicts and findings out."""

from __future__ import annotations

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.report.terminal import render_terminal
from sdpa_exp.compare.run_compare import compare_runs, compare_sweep

__all__ = ["Comparison", "compare_runs", "compare_sweep", "render_terminal"]
