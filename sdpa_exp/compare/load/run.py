"""A run as a comparison sees it, whoever wrote its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

RunStatus = Literal["FINISHED", "FAILED", "KILLED", "MISSING"]
Precision = Literal["bits", "printed digits"]
UNKNOWN_GROUP = "unknown"
ENERGY = "energy_j"
COST = "cost"
LARGEST = 1e100  # beyond, squares overflow; nothing that we measure comes near
CSV_TIME = "csv_time_s"  # Ultralytics' own `time` column at the last epoch: every epoch, validation included
WHOLE_RUN = frozenset({"train_s", "total_s", CSV_TIME, ENERGY, COST})  # what grows with the epochs of a run
RATIOS = WHOLE_RUN | {"images_per_s"}  # compared as ratios, so that a straggler or two don't decide


def is_number(value: float) -> bool:
    """Whether a value can be calculated with: finite, and not so large that its square is not."""
    return abs(value) < LARGEST


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Metrics by epoch. `columns` maps a metric to one value per epoch, aligned with `epochs` (from 1).

    `precision` says what equality of two curves means: the floats of the event log (Ultralytics rounds most of them to
    five decimals itself), or the six digits that results.csv prints.
    """

    epochs: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    precision: Precision


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        folder: its run folder (for a plain run, the folder of its results.csv).
        copy_of: the arm that this one repeats from weights moved by one ulp, for an A/A copy.
        is_plain: an Ultralytics folder that we did not write.
        num: place in the order of the sweep, None if unknown.
        reason: why the status is not FINISHED.
        metrics: measured and finite values only.
        unmeasured: metric -> why it has no value.
        settings: flattened settings that define the comparison group; empty if unknown.
        labels: flattened settings that can't touch a figure, as names and places are.
        attempts: how earlier attempts at it ended, see runs/attempts.py.
        continued_from_epoch: of the checkpoint that it went on from; None where it began from scratch.
        accuracy: the content of accuracy.json, see accuracy/summary.py.
        notes: [code, sentence] of what reading the folder brought up.
    """

    arm: str
    seed: int | None
    folder: Path
    status: RunStatus
    copy_of: str | None = None
    is_plain: bool = False
    group_id: str = UNKNOWN_GROUP
    num: int | None = None
    reason: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    curves: Curves | None = None
    phases_s: dict[str, float] = field(default_factory=dict)
    attestation: dict[str, Any] | None = None
    digests: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    settings_changed: dict[str, list[Any]] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    telemetry: dict[str, Any] | None = None
    prices: dict[str, Any] | None = None
    attempts: tuple[dict[str, Any], ...] = ()
    continued_from_epoch: int | None = None
    accuracy: dict[str, Any] | None = None
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """How tables and sentences name the run."""
        return self.arm if self.seed is None else f"{self.arm} seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """Whether its figures count."""
        return self.status == "FINISHED"
