"""The end of a sweep, whether all its jobs came to theirs or not: measure, compare, show, close."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.console import Console

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import ComparisonError, RunError, SdpaExpError
from sdpa_exp.launch.announce import say, say_outcomes, say_unfinished, say_unsent, say_where, short
from sdpa_exp.launch.broken_sweep import record_the_dead
from sdpa_exp.launch.measure_side_by_side import measure_beside
from sdpa_exp.launch.next_step import say_weights_of
from sdpa_exp.launch.shared_tracker import tracker_of
from sdpa_exp.launch.smaller_batch import settle
from sdpa_exp.runs.files import REPORT_HTML_FILE
from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import Sweep, read_sweep
from sdpa_exp.search.report import end_search


def end_sweep(sweep_dir: Path, *, broken_by: BaseException | None = None) -> int:
    """Compare trainings, show the result, and return the sweep's exit code: 0 when every run finished.

    Args:
        sweep_dir: of the sweep.
        broken_by: what ended it before its time; then nothing more is run or measured.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM while speed and memory were measured; the trainings are compared.
    """
    console = Console()
    if broken_by is None:
        _settle_batch(sweep_dir, console)
    else:
        record_the_dead([job.run_dir for job in read_sweep(sweep_dir).jobs], broken_by, console)
    sweep = read_sweep(sweep_dir)
    sweep = dataclasses.replace(sweep, jobs=tuple(job for job in sweep.jobs if not job.is_excluded))
    records = [read_record_if_any(job.run_dir) for job in sweep.jobs]
    exit_code = next((record.exit_code for record in records if record and record.exit_code), 0)
    if any(record is None for record in records):
        exit_code = exit_code or RunError.exit_code
    plan = _any_plan(sweep)
    interrupted = None
    if sweep.search:
        exit_code = end_search(sweep, console)
    elif plan is not None and not load_task(plan).is_compared:
        say_outcomes(console, sweep, records)
    elif (plan is None or plan.compare.after_sweep) and (broken_by is None or any(records)):
        interrupted = measure_beside(sweep, records, console) if broken_by is None else None
        compared = _compare(sweep, console)
        exit_code = exit_code or compared
    if plan is not None:
        tracker = tracker_of(plan)
        is_killed = interrupted is not None or isinstance(broken_by, KeyboardInterrupt)
        status = "KILLED" if is_killed else "FINISHED" if exit_code == 0 else "FAILED"
        num_unsent = tracker.close_sweep(sweep_dir, status)
        say_unsent(console, plan, sweep_dir, num_unsent)
        say_where(console, tracker)
    if not isinstance(broken_by, KeyboardInterrupt) and not (
        sweep.search and exit_code == 0
    ):  # its last words are the line that goes on
        say_unfinished(console, sweep_dir, records)
    if interrupted is not None:
        raise interrupted
    return exit_code


def _compare(sweep: Sweep, console: Console) -> int:
    """Write and show the comparison; returns what it adds to the exit code."""
    from sdpa_exp.compare.report.terminal import render_terminal  # scipy and matplotlib are slow to import
    from sdpa_exp.compare.run_compare import compare_sweep

    try:
        comparison = compare_sweep(sweep.folder)
    except SdpaExpError as error:
        say(console, f"no comparison: {error}")
        return error.exit_code
    console.print(render_terminal(comparison))
    say(console, f"with pictures and all tables: {short(sweep.folder / REPORT_HTML_FILE)}")
    say_weights_of(console, comparison)
    return ComparisonError.exit_code if len(sweep.arms) > 1 and not comparison.has_answer else 0


def _settle_batch(sweep_dir: Path, console: Console) -> None:
    """Repeat, or leave out, what had finished before the sweep came down to a smaller batch."""
    plan = _any_plan(read_sweep(sweep_dir))
    if plan is None:
        return
    try:
        settle(sweep_dir, tracker_of(plan))
    except SdpaExpError as error:
        say(console, f"not repeated: {error}")
    except KeyboardInterrupt:
        tracker_of(plan).close_sweep(sweep_dir, "KILLED")
        raise


def _any_plan(sweep: Sweep) -> Plan | None:
    for job in sweep.jobs:
        try:
            return read_plan(job.run_dir)
        except SdpaExpError:
            continue
    return None
