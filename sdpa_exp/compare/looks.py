"""Looks at a comparison before this one: seeds that were tested once are not tested again at the full level.

A sweep counts as a look where its comparison was written, it had the same arms and settings, and its seeds are among
those of this one: an earlier sweep in the folder beside, or one that was named with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.ours import read_plan_if_any
from sdpa_exp.compare.statistics.spending import level_of_last_look
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import COMPARISON_FILE, SWEEP_FILE
from sdpa_exp.runs.sweep import Sweep, read_sweep


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Numbers of seeds at each look, this one last, and the number declared beforehand."""

    seeds: tuple[int, ...]
    planned: int

    def level(self, alpha: float) -> float:
        """Of the tests at this look."""
        return level_of_last_look(self.seeds, self.planned, alpha)

    def finding(self, alpha: float) -> Finding | None:
        """What a reader must know of it; None where one look has all seeds that were planned."""
        if self.seeds[0] >= self.planned and len(self.seeds) == 1:
            return None
        is_beyond = len(self.seeds) > 1 and self.seeds[-2] >= self.planned
        at = f"{self.seeds[-1]} seeds, after looks at {listed(self.seeds[:-1], 6)}" if len(self.seeds) > 1 else (
            f"{self.seeds[0]} of {self.planned} declared seeds"
        )  # fmt: skip
        keeps = (
            f"the first {self.planned} seeds had spent the whole {100 * alpha:g} %. False differences come to less "
            f"than {120 * alpha:g} % over all looks. Declare compare.max_seeds before the first sweep, and it is "
            f"{100 * alpha:g} %"
            if is_beyond
            else f"all looks together keep {100 * alpha:g} %"
        )
        level = f"{100 * self.level(alpha):.2g} %"
        return Finding(
            code="extended" if is_beyond else "interim-look",
            severity="warning" if is_beyond else "info",
            sentence=f"The comparison is tested at {level}: it is at {at}, and {keeps}.",
            evidence={"looks": list(self.seeds), "planned": self.planned, "level": self.level(alpha)},
        )


def looks_at(folders: Sequence[Path]) -> Looks | None:
    """The looks that sweeps make up together, and the earlier ones beside a single one; None without sweeps.

    Args:
        folders: of the sweeps in one comparison.

    Raises:
        ComparisonError: a folder has no sweep.json.
    """
    sweeps = sorted((read_sweep(folder) for folder in folders), key=_begun)
    if not sweeps:
        return None
    last = sweeps[-1]
    before = _earlier(last) if len(sweeps) == 1 else []
    together: set[int] = set()
    looks: dict[int, None] = {}
    planned = 0
    for sweep in (*before, *sweeps):
        if sweep is last or _asks_the_same(sweep, last):
            for seeds in _seeds_at_looks(sweep):
                together |= seeds
                looks[len(together)] = None
                planned = planned or max(sweep.max_seeds or 0, len(seeds))
    return Looks(seeds=tuple(looks), planned=planned) if planned else None


def _seeds_at_looks(sweep: Sweep) -> list[set[int]]:
    """The seeds that a sweep had at each of its comparisons: it may have been extended with seeds after one."""
    added: set[int] = set()
    found = [set(sweep.seeds)]
    for extension in reversed(sweep.extensions):
        added |= set(extension["seeds_added"])
        if extension["was_compared"] and extension["seeds_added"]:
            found.insert(0, set(sweep.seeds) - added)
    return [seeds for seeds in found if len(seeds) > 1 or seeds is found[-1]]  # one seed gives no test


def _earlier(sweep: Sweep) -> list[Sweep]:
    """Compared sweeps in the folder beside that began before, as far as they say when, with some of the seeds."""
    found = []
    for path in sweep.folder.resolve().parent.glob(f"*/{SWEEP_FILE}"):
        try:
            other = read_sweep(path.parent)
        except ComparisonError:
            continue
        is_earlier = "" < other.begun_at < sweep.begun_at and (path.parent / COMPARISON_FILE).exists()
        if is_earlier and set(other.seeds) < set(sweep.seeds) and len(other.seeds) > 1:  # one seed gives no test
            found.append(other)
    return sorted(found, key=_begun)


def _begun(sweep: Sweep) -> tuple[str, str]:
    return sweep.begun_at, sweep.folder.name


def _asks_the_same(sweep: Sweep, last: Sweep) -> bool:
    """Whether both have a pair of arms in a comparison group that they share."""
    return len(set(sweep.arms) & set(last.arms)) > 1 and bool(_groups(sweep) & _groups(last))


def _groups(sweep: Sweep) -> set[str]:
    """The comparison groups of the first seed, of the plans that can be read."""
    plans = [read_plan_if_any(job.run_dir) for job in sweep.jobs if job.seed == sweep.seeds[0]]
    return {plan.group_id() for plan in plans if plan is not None}
