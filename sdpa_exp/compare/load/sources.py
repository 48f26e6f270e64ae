"""Turns the paths a user names into runs: sweeps, run folders, plain Ultralytics folders, results files."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from sdpa_exp.compare.load.ours import Sweep, read_plan_if_any, read_run, read_sweep
from sdpa_exp.compare.load.plain import is_plain_folder, read_plain_run, read_plain_runs
from sdpa_exp.compare.load.run import Run
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import SWEEP_FILE, is_run_folder


def read_sources(paths: list[Path]) -> tuple[list[Run], list[Sweep]]:
    """All runs below the paths, in the order given, and the sweeps among them.

    A path that holds several plain runs is one arm when other paths are given too, named after the path; given alone,
    each of its runs is an arm. Arms of different paths that would share a name get the name of the folder above.

    Raises:
        ComparisonError: no path is given, or one is missing or holds nothing to compare.
    """
    if not paths:
        raise ComparisonError("there is nothing to compare: name two folders or more with compare.runs=[a,b].")
    runs: list[Run] = []
    sweeps: list[Sweep] = []
    for path in {path.resolve(): path for path in paths}.values():  # a folder that is named twice counts once
        if not path.exists():
            raise ComparisonError(f"{path} does not exist: expected a run folder, a sweep folder or a results.csv.")
        found, sweep = _read_one(path, is_alone=len(paths) == 1)
        runs.extend(found)
        if sweep is not None:
            sweeps.append(sweep)
    return _with_distinct_arms(runs), sweeps


def _read_one(path: Path, *, is_alone: bool) -> tuple[list[Run], Sweep | None]:
    """The runs of one path."""
    if path.is_file():
        return [read_plain_run(path)], None
    if (path / SWEEP_FILE).is_file():
        sweep = read_sweep(path)
        return list(sweep.runs), sweep
    if is_run_folder(path):
        if (task := _task_without_arms(path)) is not None:
            raise ComparisonError(
                f"{path} is a run of task={task}, in which no attention ran: expected trainings, sweeps of them or "
                "Ultralytics folders. Name those in compare.runs."
            )
        return [read_run(path)], None
    if is_plain_folder(path):
        return read_plain_runs(path), None
    runs: list[Run] = []
    for folder in _run_folders_below(path):
        runs.extend([read_run(folder)] if is_run_folder(folder) else read_plain_runs(folder))
    if not runs:
        raise ComparisonError(
            f"{path} holds nothing to compare: expected result.json (a run), sweep.json (a sweep) "
            f"or results.csv (an Ultralytics folder), in it or up to two folders below."
        )
    plain = [run for run in runs if run.is_plain]
    if not is_alone and len(plain) == len(runs) > 1:
        runs = [dataclasses.replace(run, arm=path.name) for run in runs]
    return runs, None


def _run_folders_below(path: Path) -> list[Path]:
    """Run folders one or two levels down; what lies inside a run folder is part of it."""
    found: list[Path] = []
    for folder in sorted(p for p in path.iterdir() if p.is_dir()):
        if is_run_folder(folder) or is_plain_folder(folder):
            found.append(folder)
        else:
            found.extend(p for p in sorted(folder.iterdir()) if p.is_dir() and (is_run_folder(p) or is_plain_folder(p)))
    return [folder for folder in found if _task_without_arms(folder) is None]


def _task_without_arms(folder: Path) -> str | None:
    """The task of a run folder of ours in which no attention runs, such as doctor; None for any other folder."""
    plan = read_plan_if_any(folder)
    if plan is None:
        return None
    task = load_task(plan)
    return plan.task.name if task.examines or not task.uses_device else None


def _with_distinct_arms(runs: list[Run]) -> list[Run]:
    """Tell plain runs apart that have the same arm name and seed but lie in different parent folders."""
    times = Counter((run.arm, run.seed) for run in runs if run.is_plain)
    return [
        dataclasses.replace(run, arm=f"{run.folder.parent.name}/{run.arm}")
        if run.is_plain and times[(run.arm, run.seed)] > 1 and run.folder.name == run.arm
        else run
        for run in runs
    ]
