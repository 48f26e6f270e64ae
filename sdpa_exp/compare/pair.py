"""Groups runs into cells and pairs them by seed: only runs that differ in nothing but the arm are ever subtracted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.compare.runs import UNKNOWN_CELL, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdpa_exp.compare.stats import FloatArray

_ABSENT = "(not set)"


@dataclass(frozen=True, kw_only=True)
class CellRuns:
    """All runs of one cell, in order, by arm."""

    cell_id: str
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
    """One quantity of an arm and of its baseline over the same seeds, in the same order."""

    seeds: tuple[int | None, ...]
    arm: FloatArray
    baseline: FloatArray


def into_cells(runs: Sequence[Run], settings: Mapping[str, Mapping[str, Any]]) -> list[CellRuns]:
    """Group runs by cell. Runs of unknown cell join the only known one, where there is just one.

    `settings` maps a cell id to its settings, for naming what differs.
    """
    known = list(dict.fromkeys(run.cell_id for run in runs if run.cell_id != UNKNOWN_CELL))
    home = known[0] if len(known) == 1 else UNKNOWN_CELL
    placed = [dataclasses.replace(run, cell_id=home) if run.cell_id == UNKNOWN_CELL else run for run in runs]
    ids = dict.fromkeys(run.cell_id for run in placed)
    return [
        CellRuns(cell_id=i, runs=tuple(run for run in placed if run.cell_id == i), settings=settings.get(i, {}))
        for i in ids
    ]


def repeated_seeds(runs: Sequence[Run]) -> dict[tuple[str, int | None], tuple[Run, ...]]:
    """(arm, seed) -> its finished runs, where there is more than one in a cell."""
    finished = [run for run in runs if run.is_finished]
    times = Counter((run.arm, run.seed) for run in finished)
    return {key: tuple(r for r in finished if (r.arm, r.seed) == key) for key, count in times.items() if count > 1}


def usable(cell: CellRuns, arm: str) -> dict[int | None, Run]:
    """Seed -> the finished run of an arm; a seed that stands twice is left out, because neither can be preferred."""
    finished = [run for run in cell.of(arm) if run.is_finished]
    times = Counter(run.seed for run in finished)
    return {run.seed: run for run in finished if times[run.seed] == 1}


def pair_quantity(arm: Mapping[int | None, Run], baseline: Mapping[int | None, Run], quantity: str) -> Paired:
    """Pair a quantity by seed, over the seeds where both runs measured it."""
    seeds = tuple(
        seed
        for seed, run in arm.items()
        if seed in baseline and quantity in run.quantities and quantity in baseline[seed].quantities
    )
    return Paired(
        seeds=seeds,
        arm=np.array([arm[seed].quantities[quantity] for seed in seeds], dtype=np.float64),
        baseline=np.array([baseline[seed].quantities[quantity] for seed in seeds], dtype=np.float64),
    )


def differing_settings(cells: Sequence[CellRuns]) -> dict[str, list[Any]]:
    """Setting -> its value in each cell, for the settings that are not the same in all."""
    keys = dict.fromkeys(key for cell in cells for key in cell.settings)
    table = {key: [cell.settings.get(key, _ABSENT) for cell in cells] for key in keys}
    return {key: values for key, values in table.items() if any(value != values[0] for value in values)}
