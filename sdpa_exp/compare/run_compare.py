"""The two ways in: compare a sweep folder, or compare folders that somebody names."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.compare.assemble import assemble
from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.findings.finding import Finding
from sdpa_exp.compare.load.interleaved import interleaved_of, read_interleaved
from sdpa_exp.compare.load.ours import read_plan_if_any, read_sweep
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.load.sources import read_sources
from sdpa_exp.compare.looks import looks_at
from sdpa_exp.compare.questions import from_config
from sdpa_exp.compare.report.files import write_views
from sdpa_exp.compare.report.tracking import write_headline
from sdpa_exp.config.schema import CompareConfig


def compare_sweep(sweep_dir: Path) -> Comparison:
    """Compare the runs of a sweep, as its plans declared it, and write the answer into its folder.

    Raises:
        ComparisonError: the folder has no readable sweep.json, or a declared margin makes no sense.
    """
    comparison = write_views(read_and_compare(sweep_dir))
    write_headline(comparison)
    return comparison


def read_and_compare(sweep_dir: Path) -> Comparison:
    """Compare the runs of a sweep and write nothing.

    Failed and missing runs give a partial answer that counts them.

    Raises:
        ComparisonError: the folder has no readable sweep.json, or a declared margin makes no sense.
    """
    sweep = read_sweep(sweep_dir)
    config = declared_config(sweep.runs)
    level, notes = _level([sweep_dir], config.alpha)
    return assemble(
        sweep.runs,
        name=sweep.name,
        folder=sweep_dir,
        questions=from_config(config),
        alpha=level,
        baseline=sweep.baseline,
        command=sweep.command,
        preflight=sweep.preflight,
        planned_arms=sweep.arms,
        extensions=sweep.extensions,
        interleaved=read_interleaved(sweep_dir),
        notes=notes,
    )


def _level(sweep_dirs: list[Path], alpha: float) -> tuple[float, tuple[Finding, ...]]:
    """The level of the tests, below alpha where seeds are looked at more than once, and a finding that says so."""
    looks = looks_at(sweep_dirs)
    finding = looks.finding(alpha) if looks is not None else None
    return (alpha, ()) if looks is None or finding is None else (looks.level(alpha), (finding,))


def compare_runs(
    folders: list[Path], *, baseline: str | None, config: CompareConfig, out_dir: Path, name: str | None = None
) -> Comparison:
    """Compare run folders, sweep folders, plain Ultralytics folders or results.csv files; write into `out_dir`.

    `name` is the title; None takes the names of the folders. What a sweep measured side by side counts as in its own
    comparison.

    Raises:
        ComparisonError: a folder is missing or holds nothing to compare, or `baseline` is not among the arms.
    """
    runs, sweeps = read_sources(folders)
    if baseline is None:
        arms = {run.arm for run in runs}
        baseline = next((sweep.baseline for sweep in sweeps if sweep.baseline in arms), None)
    out_dir.mkdir(parents=True, exist_ok=True)
    level, notes = _level([sweep.folder for sweep in sweeps], config.alpha)
    comparison = assemble(
        runs,
        name=name or ", ".join(dict.fromkeys(path.name or str(path) for path in folders)),
        folder=out_dir,
        questions=from_config(config),
        alpha=level,
        baseline=baseline,
        extensions=[extension for sweep in sweeps for extension in sweep.extensions],
        interleaved=None if config.speed == "trainings" else interleaved_of([sweep.folder for sweep in sweeps], runs),
        notes=notes,
    )
    return write_views(comparison)


def declared_config(runs: tuple[Run, ...]) -> CompareConfig:
    """What the runs declared about their comparison: the first plan that can be read, else the defaults."""
    for run in runs:
        plan = read_plan_if_any(run.folder)
        if plan is not None:
            return plan.compare
    return CompareConfig()
