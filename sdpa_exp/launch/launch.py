"""What the entry point calls: a single run, and the beginning and jobs of a sweep; its end is in end_sweep.py."""

from __future__ import annotations

import dataclasses
import logging
import math
import platform
from pathlib import Path

from rich.console import Console

from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.objectives import objective_metrics
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import AUTO_BATCH
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import BackendUnavailable, ConfigError, SdpaExpError
from sdpa_exp.launch.announce import (
    say,
    say_ignored_server,
    say_preflight,
    say_report,
    say_unfinished,
    say_unsent,
    say_where,
    short,
)
from sdpa_exp.launch.before_sweep import (
    NODES,
    describe_sweep,
    frozen_hardware,
    lasting,
    refusal_of,
    register_job,
    with_keys,
)
from sdpa_exp.launch.make_record import record_unstarted
from sdpa_exp.launch.next_step import say_weights
from sdpa_exp.launch.on_node import RESULTS_GO_THERE, look_at_node, look_before_jobs, node_class
from sdpa_exp.launch.parallel_jobs import gpus_of_job
from sdpa_exp.launch.progress import RunProgress, closing_line
from sdpa_exp.launch.queued_job import (
    end_in_order,
    is_queued_job,
    may_run_again,
    stay_to_the_end,
    wait_for_predecessor,
    why_again,
)
from sdpa_exp.launch.shared_tracker import checked_tracker, tracker_of
from sdpa_exp.launch.smaller_batch import set_attempt_aside, train_until_it_fits
from sdpa_exp.launch.supervise import show_end, supervise
from sdpa_exp.runs.attempts import why_unfinished
from sdpa_exp.runs.files import RESULT_FILE, SWEEP_FILE
from sdpa_exp.runs.folder import WORKER_ENDS_S, is_used, own_folder, remove_unused, wait_for_worker
from sdpa_exp.runs.record import Record, read_record_if_any
from sdpa_exp.runs.sweep import Sweep, read_sweep, write_sweep
from sdpa_exp.tracking.tracker import Tracker

logger = logging.getLogger(__name__)


def run_single(plan: Plan) -> int:
    """One run outside a sweep; returns its exit code.

    Raises:
        TrackingError: the store refuses us; nothing was started.
        ComparisonError: task=compare has nothing it can compare.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the run was ended in order.
    """
    task = load_task(plan)
    if task.in_parent:
        try:
            return task.run_in_parent(plan)
        except SdpaExpError:
            remove_unused(plan.run_dir)
            raise
    console = Console()
    tracker = checked_tracker(plan)
    say_ignored_server(console, plan)
    try:
        record = supervise(plan, tracker, RunProgress(console, plan.title))
    except KeyboardInterrupt:
        show_end(plan, tracker)
        raise
    num_unsent = 0 if show_end(plan, tracker) else 1
    say_report(console, plan.run_dir)
    say(console, f"run folder: {short(plan.run_dir)}")
    if record.status == "FINISHED":
        say_weights(console, plan, record.metrics)
    say_unsent(console, plan, plan.run_dir, num_unsent)
    say_where(console, tracker)
    if record.exit_code not in (ConfigError.exit_code, BackendUnavailable.exit_code):  # those would end the same way
        say_unfinished(console, plan.run_dir, [record])
    return record.exit_code


def begin_sweep(plans: list[Plan], sweep_dir: Path, command: str, launcher: Launcher) -> None:
    """Look at the machine once, freeze what was left open, and say what is coming; nothing was started if it raises.

    Args:
        plans: every job in order; empty where the sweeper can't say beforehand.
        sweep_dir: the sweep's folder.
        command: the command line.
        launcher: of the sweep; where its jobs run elsewhere, the first of them looks at the machine.

    Raises:
        SdpaExpError: the sweep can't be run, for a reason that concerns all of it.
    """
    console = Console()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    arms = list(dict.fromkeys(plan.arm for plan in plans))
    baseline = resolve_baseline(arms, plans[0].baseline) if plans else None
    sweep = describe_sweep(plans, sweep_dir, command, baseline)
    if not plans:
        write_sweep(sweep)
        return
    tracker = checked_tracker(plans[0])
    say_ignored_server(console, plans[0])
    say(
        console,
        f"{len(plans)} runs: {', '.join(arms)} x seeds {', '.join(str(seed) for seed in sweep.seeds)}, "
        f"baseline {baseline}, in {short(sweep_dir)}",
    )
    for copy, original in sweep.copies.items():
        say(
            console,
            f"A/A control: {copy} is {original} again, from weights 1 ulp apart; their spread is the noise floor",
        )
    if any(plan.hardware.batch == AUTO_BATCH and load_task(plan).needs_arm for plan in plans):
        say(console, "hardware.batch=auto: every arm trains a few steps first, to find the largest batch that all take")
    write_sweep(sweep)  # so that a command that is interrupted from here on can be resumed
    try:
        preflight = look_before_jobs(plans, sweep_dir, launcher)
    except SdpaExpError:
        (sweep_dir / SWEEP_FILE).unlink()
        raise
    if preflight:
        sweep = dataclasses.replace(sweep, preflight=lasting(preflight))
    write_sweep(with_keys(sweep, plans))
    tracker.open_sweep(sweep_dir)
    if preflight:
        say_preflight(console, sweep.preflight)


def run_job(plan: Plan, num_objectives: int | None = None) -> float | tuple[float, ...]:
    """One job of a sweep: records whatever happens, raises nothing but KeyboardInterrupt.

    Returns:
        The first primary metric, or the first `num_objectives` of them; NaN for what was not measured.
    """
    console = Console()
    total = f"/{plan.job.num_jobs}" if plan.job.num < plan.job.num_jobs else ""
    title = f"job {plan.job.num + 1}{total}  {plan.title}"
    sweep_dir = Path(plan.job.sweep_dir or plan.run_dir.parent)
    tracker = tracker_of(plan)
    if _is_kept(sweep_dir, plan):
        record = read_record_if_any(plan.run_dir)
        say(console, f"{title}: kept: {'no result' if record is None else closing_line(record)}")
        return objectives(plan, record, num_objectives)
    if not (sweep_dir / SWEEP_FILE).exists():  # another disk, where a record would be lost
        say(console, f"{title}: not started: node {platform.node()} does not see {sweep_dir}, {RESULTS_GO_THERE}.")
        return objectives(plan, None, num_objectives)
    end_in_order()
    wait_for_predecessor(plan.run_dir)
    try:
        with own_folder(plan.run_dir, key="hydra.sweep.dir", resumes=is_queued_job()):
            if _begins_anew(plan, tracker, title):
                _do_job(plan, sweep_dir, tracker, title)
    except (SdpaExpError, OSError) as error:  # not our folder: what is in it is another process's
        say(console, f"{title}: not started: {error}")
    except KeyboardInterrupt as error:
        if not is_queued_job():
            tracker.close_sweep(sweep_dir, "KILLED")
        elif may_run_again(error):
            tracker.finish(plan.run_dir, plan.tracking.timeout_s)
            stay_to_the_end()
        else:  # its record says what ended it, and the sweep has other jobs
            return objectives(plan, read_record_if_any(plan.run_dir), num_objectives)
        raise
    return objectives(plan, read_record_if_any(plan.run_dir), num_objectives)


def _begins_anew(plan: Plan, tracker: Tracker, title: str) -> bool:
    """Whether a job has a run to do: one that its queue ran again, as after preemption, sets aside what it had left."""
    if not is_used(plan.run_dir):
        return True
    wait_for_worker(plan.run_dir, WORKER_ENDS_S)
    if why_unfinished(plan.run_dir) is None:
        say(Console(), f"{title}: had finished when its job was run again, and is kept")
        return False
    why = f"{why_again()}; before that: {why_unfinished(plan.run_dir)}"
    say(Console(), f"{title}: again, since {why}")
    set_attempt_aside(plan, tracker, why=why)
    return True


def objectives(plan: Plan, record: Record | None, number: int | None) -> float | tuple[float, ...]:
    """A run's first primary metric, or with a number as many; NaN where it failed or did not measure one."""
    metrics = record.metrics if record is not None and record.exit_code == 0 else {}
    measured = [metrics.get(name) for name in objective_metrics(plan)]
    values = tuple(math.nan if value is None else float(value) for value in measured)
    return values[:number] if number is not None else values[0] if values else math.nan


def _do_job(plan: Plan, sweep_dir: Path, tracker: Tracker, title: str) -> None:
    """One job in a folder that is ours."""
    console = Console()
    try:
        sweep = look_at_node(register_job(sweep_dir, plan), plan.tracking)
        plan = _as_decided(plan, sweep)
        sentence = refusal_of(sweep, plan)
        if sentence is None:
            train_until_it_fits(plan, sweep_dir, tracker, title)
            say_report(console, plan.run_dir)
            return
        record_unstarted(plan, BackendUnavailable(sentence))
        tracker.follow(plan.run_dir)
        show_end(plan, tracker)
        say(console, f"{title}: not started: {sentence}")
    except (SdpaExpError, OSError) as error:
        say(console, f"{title}: failed: {error}")
        if not (plan.run_dir / RESULT_FILE).exists():
            record_unstarted(plan, error)


def _as_decided(plan: Plan, sweep: Sweep) -> Plan:
    """The plan with what was found out before the first job: its hardware, and a checkpoint to go on from."""
    known = next(job for job in sweep.jobs if job.num == plan.job.num)
    seeds = () if sweep.search else sweep.seeds  # trials have one seed, and are not compared in pairs by it
    job = dataclasses.replace(plan.job, continue_from=known.continue_from, gpus=gpus_of_job(plan, seeds))
    node = node_class() if NODES in sweep.preflight else None  # only there was it found out by class
    return dataclasses.replace(plan, hardware=frozen_hardware(sweep, plan.hardware, node), job=job)


def _is_kept(sweep_dir: Path, plan: Plan) -> bool:
    """Whether the sweep was resumed, and this run of it had finished before."""
    try:
        jobs = read_sweep(sweep_dir).jobs
    except SdpaExpError:
        return False
    return any(job.is_kept and job.num == plan.job.num for job in jobs)
