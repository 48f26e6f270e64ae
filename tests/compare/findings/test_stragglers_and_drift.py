"""Findings about times: stragglers, drift with the place in the sweep, an order that never turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import read_and_compare
from tests.compare.findings.provoke import found, only
from tests.compare.folders import RunSpec, turning, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = [0, 1, 2, 3, 4, 5, 6]


def timed(specs: list[RunSpec], *, drift: float = 0.0) -> list[RunSpec]:
    """Runs of about 60 s whatever the arm, each slower than the one before by a share."""
    for place, spec in enumerate(specs):
        noise = ((7 * spec.seed + 3 * len(spec.arm)) % 5 - 2) / 500
        spec.metrics = {"mAP50-95": 0.5 + spec.seed / 99, "train_s": 60 * (1 + noise) * (1 + drift) ** place}
    return specs


def test_a_straggler_is_named_and_does_not_decide(tmp_path: Path) -> None:
    specs = timed(turning(["stock", "sdpa"], SEEDS))
    slow = next(spec for spec in specs if (spec.arm, spec.seed) == ("sdpa", 3))
    assert slow.metrics is not None
    slow.metrics["train_s"] = 90.0
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    sentence = only(comparison, "outlying-time", "warning")
    assert "train_s is far from the median of its arm in sdpa seed 3 by +50.0 %" in sentence
    speed = next(verdict for verdict in comparison.verdicts if verdict.question.name == "speed")
    assert speed.test is not None
    assert (speed.test.is_ratio, speed.test.num_trimmed) == (True, 1)
    assert speed.test.mean == pytest.approx(0, abs=0.5)  # the mean of the differences is 4 s
    assert speed.kind != "different"


def test_drift_over_the_sweep_is_a_finding_with_its_size(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, timed(turning(["stock", "sdpa"], SEEDS), drift=0.01)))
    sentence = only(comparison, "time-drifts", "warning")
    assert "train_s changes by +1.0 % from one run of the sweep to the next, whatever the arm" in sentence
    assert "makes that 0.14 % between stock and sdpa at most" in sentence  # 4 of 7 seeds one way, 3 the other


def test_drift_under_an_order_that_never_turns_is_said_to_look_like_an_effect(tmp_path: Path) -> None:
    specs = timed([RunSpec(arm=arm, seed=seed) for seed in SEEDS for arm in ("stock", "sdpa")], drift=0.01)
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "order-fixed")
    assert severity == "info"
    assert sentence.startswith("stock ran before sdpa at all 7 seeds, so that drift of the machine looks like an")
    ((_, drifts),) = found(comparison, "time-drifts")
    assert "makes that 1.0 % between stock and sdpa" in drifts


def test_times_without_drift_give_no_finding(tmp_path: Path) -> None:
    assert read_and_compare(write_sweep(tmp_path, timed(turning(["stock", "sdpa"], SEEDS)))).findings == ()
