"""on_oom: a training that runs out of memory brings the whole sweep down to a smaller batch, never one arm alone.

The batch is part of the comparison group. `sweep.json` says which one all jobs get, beside the hardware that was found
before the first; runs that had finished with a larger one are repeated after the last job, or are not compared.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.errors import OutOfMemory, SdpaExpError
from sdpa_exp.launch.announce import say
from sdpa_exp.launch.progress import RunProgress, said_in
from sdpa_exp.launch.supervise import show_end, supervise
from sdpa_exp.launch.sweep_table import SweepTable
from sdpa_exp.runs.attempts import set_aside
from sdpa_exp.runs.files import SWEEP_FILE, TRACKING_FILE
from sdpa_exp.runs.folder import own_folder
from sdpa_exp.runs.record import Record, read_record
from sdpa_exp.runs.sweep import Sweep, SweepJob, read_sweep, write_sweep
from sdpa_exp.tracking.tracker import Tracker

REPEAT, FAIL = "repeat", "fail"
# Source: ultralytics/cfg/default.yaml, 8.4.190.
_NBS, _WEIGHT_DECAY = 64, 0.0005


def train_until_it_fits(plan: Plan, sweep_dir: Path, tracker: Tracker, title: str) -> None:
    """Do a job of a sweep, again with a smaller batch where memory ran out and the plan's on_oom says so.

    Args:
        plan: with the hardware that was found before the first job; the sweep may have come down from its batch.
        sweep_dir: its sweep.json is written again where the batch has to shrink.
        tracker: shows the run.
        title: of the job, for the screen.
    """
    plan = as_decided(plan, read_sweep(sweep_dir))
    while True:
        table = SweepTable(sweep_dir, plan.run_dir)
        record = supervise(plan, tracker, RunProgress(Console(), title, table, said_in(sweep_dir)))
        show_end(plan, tracker)
        smaller = come_down(sweep_dir, read_plan(plan.run_dir), record)
        if smaller is None:
            return
        say(Console(), f"{title}: out of memory: the whole sweep goes on with batch {smaller.hardware.batch}")
        set_attempt_aside(plan, tracker, why=str(record.reason))
        plan = smaller


def settle(sweep_dir: Path, tracker: Tracker) -> None:
    """After the last job: repeat the runs that had finished with a larger batch, or leave them out of comparisons."""
    console = Console()
    while found := outgrown(read_sweep(sweep_dir)):
        job, plan = found[0]
        if plan.on_oom != REPEAT:
            jobs = [job for job, _ in found]
            titles = ", ".join(job.title for job in jobs)
            say(console, f"on_oom={plan.on_oom}: left out, since its batch is larger: {titles}")
            write_sweep(_without(read_sweep(sweep_dir), jobs))
            return
        why = f"the sweep came down to batch {plan.hardware.batch}"
        say(console, f"on_oom=repeat: {job.title} again, since {why}")
        with own_folder(plan.run_dir, key="hydra.sweep.dir", resumes=True):
            set_attempt_aside(plan, tracker, why=why)
            train_until_it_fits(plan, sweep_dir, tracker, job.title)


def as_decided(plan: Plan, sweep: Sweep) -> Plan:
    """The plan with the batch that the sweep has come down to, and steps of as many images as before."""
    entry = next((each for each in _entries(sweep, plan.hardware) if "smaller_batch" in each), None)
    if entry is None:
        return plan
    hardware = dataclasses.replace(plan.hardware, batch=entry["smaller_batch"])
    train = with_equal_steps(plan.train, entry["resolved"]["batch"])
    return dataclasses.replace(plan, hardware=hardware, train=train)


def with_equal_steps(train: TrainConfig, first_batch: int) -> TrainConfig:
    """The recipe whose optimiser steps see as many images, and decay as much, as with the first batch.

    Ultralytics gathers round(nbs / batch) batches for a step, at least one, and scales the decay by their images over
    nbs. So `nbs` becomes the images of a step, and the decay what was applied; a batch that divides these does the
    rest. Batch norm sees the smaller batch whatever is done.
    """
    nbs, images = train.nbs or _NBS, images_a_step(train, first_batch)
    if images == nbs:
        return train
    decay = (_WEIGHT_DECAY if train.weight_decay is None else train.weight_decay) * images / nbs
    return dataclasses.replace(train, nbs=images, weight_decay=decay)


def images_a_step(train: TrainConfig, batch: int) -> int:
    """The images of one step of the optimiser."""
    return batch * max(round((train.nbs or _NBS) / batch), 1)


def half_of(train: TrainConfig, batch: int, num_devices: int = 1) -> int:
    """The largest batch of at most half the size that divides the images of a step, and that the devices can share."""
    shared = range(num_devices, batch // 2 + 1, num_devices)
    return max(each for each in shared if images_a_step(train, batch) % each == 0)


def come_down(sweep_dir: Path, plan: Plan, record: Record) -> Plan | None:
    """The plan with half the batch, where its run ran out of memory: all jobs of the sweep get it from now on.

    Args:
        sweep_dir: its sweep.json is written again.
        plan: as it ran, with nothing left open.
        record: of the run.

    Returns:
        None where the policy, the sweep or a batch of one image a device leaves nothing to try.
    """
    batch, num_devices = plan.hardware.batch_size, plan.hardware.devices
    if plan.on_oom == FAIL or record.error != OutOfMemory.__name__ or batch is None or batch < 2 * num_devices:
        return None
    with FileLock(sweep_dir / f"{SWEEP_FILE}.lock"):
        sweep = read_sweep(sweep_dir)
        entries = _entries(sweep, plan.hardware)
        if len({entry["resolved"]["batch"] for entry in entries}) != 1:  # the sweeper chooses, or the batch is swept
            return None
        if entries[0].get("smaller_batch", batch) >= batch:  # else another job has brought it down meanwhile
            smaller = half_of(plan.train, batch, num_devices)
            for entry in entries:
                entry["smaller_batch"] = smaller
            sweep.preflight.setdefault("warnings", []).append(_sentence(plan, batch, smaller))
            jobs = tuple(dataclasses.replace(job, group_id=None) for job in sweep.jobs)
            sweep = dataclasses.replace(sweep, jobs=jobs)
            write_sweep(sweep)
    return as_decided(plan, sweep)


def outgrown(sweep: Sweep) -> list[tuple[SweepJob, Plan]]:
    """The jobs that finished with a larger batch than the sweep has now, and their plans with that one."""
    found = []
    for job in sweep.jobs:
        try:
            plan, record = read_plan(job.run_dir), read_record(job.run_dir)
        except SdpaExpError:
            continue
        now = as_decided(plan, sweep)
        is_larger = (plan.hardware.batch_size or 0) > (now.hardware.batch_size or 0)
        if is_larger and record.status == "FINISHED" and not job.is_excluded:
            found.append((job, now))
    return found


def _without(sweep: Sweep, jobs: list[SweepJob]) -> Sweep:
    left_out = [job.run_dir for job in jobs]
    marked = (dataclasses.replace(job, is_excluded=job.is_excluded or job.run_dir in left_out) for job in sweep.jobs)
    return dataclasses.replace(sweep, jobs=tuple(marked))


def set_attempt_aside(plan: Plan, tracker: Tracker, *, why: str) -> None:
    """Make room in the run folder for another attempt; the store gets the rest of this one from where it is then."""
    tracker.forget(plan.run_dir)
    attempt = set_aside(plan.run_dir, why=why)
    if attempt is not None and (attempt / TRACKING_FILE).exists():
        tracker.follow(attempt)
        tracker.finish(attempt, 0.0)


def _entries(sweep: Sweep, hardware: HardwareConfig) -> list[dict[str, Any]]:
    """What was found of this hardware before the first job, whatever its batch."""
    wanted = {**dataclasses.asdict(hardware), "batch": None}
    return [entry for entry in sweep.preflight.get("hardware", []) if {**entry["resolved"], "batch": None} == wanted]


def _sentence(plan: Plan, batch: int, smaller: int) -> str:
    larger = "are repeated" if plan.on_oom == REPEAT else "stay out of the comparison"
    return (
        f"{plan.title} ran out of memory with batch {batch}: all runs of the sweep get batch {smaller} from then on, "
        f"and as before {images_a_step(plan.train, batch)} images a step of the optimiser. Runs that had finished with "
        f"a larger batch {larger} (on_oom={plan.on_oom})."
    )
