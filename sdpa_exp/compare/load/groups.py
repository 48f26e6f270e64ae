"""Comparison groups, and pairs by seed: only runs that differ in nothing but the arm are ever subtracted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.statistics.trim import FloatArray

Seed = int | str | None  # a string where one seed ran on several machines
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

    seeds: tuple[Seed, ...]
    arm: FloatArray
    baseline: FloatArray


def into_groups(runs: Sequence[Run]) -> list[GroupRuns]:
    """Group runs by their group id, in order of appearance."""
    by_id: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_id[run.group_id].append(run)
    return [
        GroupRuns(
            group_id=group_id,
            runs=tuple(found),
            settings=next(({**run.settings, **run.labels} for run in found if run.settings), {}),
        )
        for group_id, found in by_id.items()
    ]


def without_made_good(runs: Sequence[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """The runs without those that another sweep finished, and each of these with the one that stands for it.

    A job that a killed sweep did not come to, or did not finish, may have been run as part of a second sweep.
    """
    finished = {(run.arm, run.seed, run.group_id): run for run in reversed(runs) if run.is_finished}
    replaced = []
    for run in runs:
        other = finished.get((run.arm, run.seed, run.group_id))
        if run.status in ("MISSING", "KILLED") and other is not None and other.folder.parent != run.folder.parent:
            replaced.append((run, other))
    gone = {id(run) for run, _ in replaced}
    return [run for run in runs if id(run) not in gone], replaced


def repeated_seeds(group: GroupRuns) -> dict[tuple[str, Seed], tuple[Run, ...]]:
    """(arm, seed) -> its finished runs, where there is more than one on one machine."""
    found = {(arm, seed): runs for arm in group.arms for seed, runs in _by_seed(group, arm).items()}
    return {key: runs for key, runs in found.items() if len(runs) > 1}


def usable(group: GroupRuns, arm: str) -> dict[Seed, Run]:
    """Seed -> the finished run of an arm; a seed that stands twice is left out, because neither can be preferred.

    Where an arm has a seed on two machines, each machine's runs are pairs of their own: `0 on laptop`.
    """
    return {seed: runs[0] for seed, runs in _by_seed(group, arm).items() if len(runs) == 1}


def _by_seed(group: GroupRuns, arm: str) -> dict[Seed, tuple[Run, ...]]:
    finished = [run for run in group.runs if run.is_finished]
    times = Counter((run.arm, run.seed) for run in finished)
    twice = {seed for (_, seed), count in times.items() if count > 1}
    found: dict[Seed, tuple[Run, ...]] = {}
    for run in finished:
        if run.arm == arm:
            host = run.environment.get("host")
            seed = f"{run.seed} on {host}" if run.seed in twice and host else run.seed
            found[seed] = (*found.get(seed, ()), run)
    return found


def pair_metric(arm: Mapping[Seed, Run], baseline: Mapping[Seed, Run], metric: str) -> Paired:
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


_FIRST = ("model.name", "dataset.name", "train.imgsz", "train.epochs", "hardware.batch")
_MAX_NAMED = 3


def labels_of(groups: Sequence[GroupRuns]) -> list[str]:
    """What sets each comparison group apart, in words: `imgsz=160`; nothing for a single one.

    A name stands for the facts that it names. Groups that no setting tells apart get numbers.
    """
    if len(groups) < 2:
        return [""] * len(groups)
    table = differing_settings(groups)
    named = {key.partition(".")[0] for key in table if key.endswith(".name")}
    kept = [key for key in table if key.partition(".")[0] not in named or key.endswith(".name")]
    kept = sorted(kept, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    while len(kept) > 1 and _are_apart([[table[key][place] for key in kept[:-1]] for place in range(len(groups))]):
        kept.pop()
    labels = [
        ", ".join(f"{_short_key(key)}={table[key][place]}" for key in kept[:_MAX_NAMED]) for place in range(len(groups))
    ]
    return labels if _are_apart(labels) else [f"group {number}" for number in range(1, len(groups) + 1)]


def _are_apart(things: Sequence[object]) -> bool:
    return len({str(thing) for thing in things}) == len(things)


def _short_key(key: str) -> str:
    block, _, name = key.rpartition(".")
    return block if name == "name" and block else name


def differing_settings(groups: Sequence[GroupRuns]) -> dict[str, list[Any]]:
    """Setting -> its value in each comparison group, for the settings that are not the same in all that name any."""
    groups = [group for group in groups if group.settings]
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    table = {key: [group.settings.get(key, _ABSENT) for group in groups] for key in keys}
    return {key: values for key, values in table.items() if any(value != values[0] for value in values)}
