"""task=compare compares runs that are there already: in the parent, without a worker and without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sdpa_exp.config.mlflow_source import MLFLOW_SOURCE
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import REPORT_HTML_FILE

if TYPE_CHECKING:
    from sdpa_exp.tracking.recall import Recalled


def compare(plan: Plan) -> int:
    """Compare what `compare.runs` names, folders or runs in MLflow, write the answer into the run folder, and print it.

    Returns 0, or the exit code of a ComparisonError where nothing could be compared.

    Raises:
        ComparisonError: a folder is missing or holds nothing to compare, or the baseline is not among the arms.
        TrackingError: an `mlflow:` source can't be found or read.
    """
    folders: list[Path] = []
    baseline = plan.baseline
    for source in plan.compare.runs:
        if source.startswith(MLFLOW_SOURCE):
            recalled = _recall(plan, source.removeprefix(MLFLOW_SOURCE))
            folders.extend(recalled.folders)
            baseline = baseline or recalled.baseline
        else:
            folders.append(Path(source))

    from sdpa_exp.compare.report.terminal import render_terminal  # scipy and matplotlib are slow to import
    from sdpa_exp.compare.run_compare import compare_runs

    name = ", ".join(s if s.startswith(MLFLOW_SOURCE) else Path(s).name or s for s in dict.fromkeys(plan.compare.runs))
    comparison = compare_runs(folders, name=name, baseline=baseline, config=plan.compare, out_dir=plan.run_dir)
    console = Console()
    console.print(render_terminal(comparison))
    console.print(f"with pictures and all tables: {plan.run_dir / REPORT_HTML_FILE}", highlight=False, soft_wrap=True)
    return 0 if comparison.has_answer else ComparisonError.exit_code


def _recall(plan: Plan, name: str) -> Recalled:
    from sdpa_exp.tracking.recall import recall  # MLflow is slow to import

    return recall(plan.tracking, name, plan.run_dir / "mlflow")
