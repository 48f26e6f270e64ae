"""Groups runs into groups and pairs them by seed: only runs that differ in nothing but the arm are ever subtracted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.compare.load.run import UNKNOWN_GROUP, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdpa_exp.compare.statistics.paired import FloatArray

_ABSENT = "(not set)"


@dataclass(frozen=True, kw_only=True)
class GroupRuns:
    """All runs of one comparison group, in order, by arm."""

    group_id: str
    runs: tuple[Run, ...]
    settings: Mapping[str, Any]

    @property
    def arms(self) -> tuple[str, ...]:
        """Arm names in order of appearance."""
        return tuple(dict.fromkeys(run.arm for run in self.runs))

    @property
    def copies(self) -> dict[str, str]:
        """A/A copy -> the arm that it repeats."""
        return {run.arm: run.copy_of for run in self.runs if run.copy_of is not None}

    def of(self, arm: str) -> tuple[Run, ...]:
        """The runs of one arm."""
        return tuple(run for run in self.runs if run.arm == arm)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One metric of an arm and of its baseline over the same seeds, in the same order."""

    seeds: tuple[int | None, ...]
    arm: FloatArray
    baseline: FloatArray


def into_groups(runs: Sequence[Run], settings: Mapping[str, Mapping[str, Any]]) -> list[GroupRuns]:
    """Group runs by group. Runs of unknown group join the only known one, where there is just one.

    `settings` maps a comparison group id to its settings, for naming what differs.
    """
    known = list(dict.fromkeys(run.group_id for run in runs if run.group_id != UNKNOWN_GROUP))
    home = known[0] if len(known) == 1 else UNKNOWN_GROUP
    placed = [dataclasses.replace(run, group_id=home) if run.group_id == UNKNOWN_GROUP else run for run in runs]
    ids = dict.fromkeys(run.group_id for run in placed)
    return [
        GroupRuns(group_id=i, runs=tuple(run for run in placed if run.group_id == i), settings=settings.get(i, {}))
        for i in ids
    ]


def repeated_seeds(runs: Sequence[Run]) -> dict[tuple[str, int | None], tuple[Run, ...]]:
    """(arm, seed) -> its finished runs, where there is more than one in a comparison group."""
    finished = [run for run in runs if run.is_finished]
    times = Counter((run.arm, run.seed) for run in finished)
    return {key: tuple(r for r in finished if (r.arm, r.seed) == key) for key, count in times.items() if count > 1}


def usable(group: GroupRuns, arm: str) -> dict[int | None, Run]:
    """Seed -> the finished run of an arm; a seed that stands twice is left out, because neither can be preferred."""
    finished = [run for run in group.of(arm) if run.is_finished]
    times = Counter(run.seed for run in finished)
    return {run.seed: run for run in finished if times[run.seed] == 1}


def pair_metric(arm: Mapping[int | None, Run], baseline: Mapping[int | None, Run], metric: str) -> Paired:
    """Pair a metric by seed, over the seeds where both runs measured it."""
    seeds = tuple(
        seed
        for seed, run in arm.items()
        if seed in baseline and metric in run.metrics and metric in baseline[seed].metrics
    )
    return Paired(
        seeds=seeds,
        arm=np.array([arm[seed].metrics[metric] for seed in seeds], dtype=np.float64),
        baseline=np.array([baseline[seed].metrics[metric] for seed in seeds], dtype=np.float64),
    )


def differing_settings(groups: Sequence[GroupRuns]) -> dict[str, list[Any]]:
    """Setting -> its value in each comparison group, for the settings that are not the same in all."""
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    table = {key: [group.settings.get(key, _ABSENT) for group in groups] for key in keys}
    return {key: values for key, values in table.items() if any(value != values[0] for value in values)}
