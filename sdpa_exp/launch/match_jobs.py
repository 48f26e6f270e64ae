"""Which job of a sweep is which job of a command: known by its plan, not by its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.announce import short
from sdpa_exp.launch.before_sweep import known_hardware
from sdpa_exp.launch.changes import Changes, changed_settings
from sdpa_exp.runs.attempts import latest_attempt
from sdpa_exp.runs.files import PLAN_FILE
from sdpa_exp.runs.sweep import SweepJob, read_sweep


@dataclass(frozen=True, kw_only=True)
class Match:
    """A job of the command, the job of the sweep that it is, and the settings that have changed; None for a new one."""

    plan: Plan
    before: SweepJob | None = None
    changes: Changes = field(default_factory=dict)

    def with_folder(self, run_dir: Path) -> Match:
        """A new job in this folder; one that was there stays in its own."""
        if self.before is not None:
            return self
        job = dataclasses.replace(self.plan.job, run_dir=str(run_dir))
        return dataclasses.replace(self, plan=dataclasses.replace(self.plan, job=job))


def match_jobs(sweep_dir: Path, plans: Sequence[Plan]) -> list[Match]:
    """Find the sweep's own job for each job of the command, by its plan; each with the folder that it has there.

    Raises:
        ConfigError: a job of the sweep is not among those of the command, or these are not known beforehand.
        ComparisonError: sweep.json can't be read.
    """
    sweep = read_sweep(sweep_dir)
    if not plans:
        raise ConfigError(
            f"{short(sweep_dir)} can't be completed with a sweeper that chooses its jobs as it goes: expected "
            f"hydra/sweeper=basic. Choose another folder with hydra.sweep.dir=..."
        )
    left = list(sweep.jobs)
    matches: list[Match | None] = []
    for plan in plans:  # first those that are exactly there, so that a changed one can't take their place
        key = dataclasses.replace(plan, hardware=known_hardware(sweep, plan.hardware) or plan.hardware).key()
        job = next((job for job in left if job.key == key), None)
        if job is not None:
            left.remove(job)
        matches.append(None if job is None else Match(plan=_in_folder(plan, job), before=job, changes={}))
    found = [match or _nearest(plan, left) for plan, match in zip(plans, matches, strict=True)]
    if left:
        missing = ", ".join(job.title for job in left[:6]) + (f" and {len(left) - 6} more" if len(left) > 6 else "")
        raise ConfigError(
            f"this command leaves out {len(left)} of the {len(sweep.jobs)} runs that {short(sweep_dir)} holds "
            f"({missing}): expected all of them, and new ones if you like, such as attention=stock,sdpa,NEW with a "
            f"sweep of stock and sdpa. Or start a sweep of its own: another hydra.sweep.dir=..., then task=compare."
        )
    return found


def folder_numbers(sweep_dir: Path, matches: Sequence[Match]) -> list[int]:
    """The numbers that job folders are named for: new ones count on from those that are there."""
    numbers = [job.run_dir.name.partition("_")[0] for job in read_sweep(sweep_dir).jobs]
    following = max([len(numbers) - 1, *(int(number) for number in numbers if number.isdecimal())])
    found = []
    for num, match in enumerate(matches):
        following += match.before is None
        found.append(following if match.before is None else num)
    return found


def _nearest(plan: Plan, left: list[SweepJob]) -> Match:
    """The job of the same arm and seed that differs least, taken out of `left`; a new job where there is none."""
    found: list[tuple[int, SweepJob, Changes]] = []
    for job in left:
        if (job.arm, job.seed) == (plan.arm, plan.seed):
            last = job.run_dir if (job.run_dir / PLAN_FILE).exists() else latest_attempt(job.run_dir)
            changes = {} if last is None else changed_settings(read_plan(last), plan)
            found.append((len(changes), job, changes))
    if not found:
        return Match(plan=plan)
    _, job, changes = min(found, key=lambda each: each[0])
    left.remove(job)
    return Match(plan=_in_folder(plan, job), before=job, changes=changes)


def _in_folder(plan: Plan, job: SweepJob) -> Plan:
    return dataclasses.replace(plan, job=dataclasses.replace(plan.job, run_dir=str(job.run_dir)))
