"""The order of a sweep's jobs: the arms turn round at every other seed (A B, B A, ...).

A machine that warms up makes each job a little slower than the one before. Were the baseline always first, that would
look like an effect of the arm: at 1 % a job, 5 seeds give a false difference in a quarter of sweeps, 10 seeds in half.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from hydra.core.override_parser.types import Override
from hydra.plugins.sweeper import Sweeper

ARM_AXIS = "attention"
SEED_AXIS = "seed"


def in_turns(jobs: Sequence[list[str]]) -> list[list[str]]:
    """Jobs that differ in their arm alone stand together, and every other such block of a comparison is turned round.

    Args:
        jobs: their overrides, `key=value`, in the order in which Hydra combines them.
    """
    blocks: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for job in jobs:
        blocks[tuple(line for line in job if not _is_of(line, ARM_AXIS))].append(job)
    turn: Counter[tuple[str, ...]] = Counter()
    ordered: list[list[str]] = []
    for shared, block in blocks.items():
        comparison = tuple(line for line in shared if not _is_of(line, SEED_AXIS))
        ordered += block[::-1] if turn[comparison] % 2 else block
        turn[comparison] += 1
    return ordered


def _is_of(line: str, axis: str) -> bool:
    key = line.partition("=")[0].lstrip("+")
    return key == axis or key.startswith((f"{axis}.", f"{axis}@"))


def take_turns() -> None:
    """Let Hydra's basic sweeper make this process's jobs in turns, for whatever launcher, and compose none twice.

    It would compose each job once more before the first, to see whether it can: all were composed and checked by then.
    A sweeper of our own would have to be installed as a top-level package `hydra_plugins`, since Hydra makes no other.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra reads its plugins again as it starts

    combine = BasicSweeper.split_arguments

    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        (jobs,) = combine(overrides, None)
        return list(BasicSweeper.split_overrides_to_chunks(in_turns(jobs), max_batch_size))

    BasicSweeper.split_arguments = staticmethod(split_arguments)  # type: ignore[method-assign]
    BasicSweeper.validate_batch_is_legal = _was_composed  # type: ignore[method-assign]


def _was_composed(self: Sweeper, batch: Sequence[Sequence[str]]) -> None:
    """Takes the place of Hydra's own look at every job."""
