"""The figures of the overhead benchmark from seconds written by hand; nothing is timed here."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.overhead_figures import figures, table


def run(train_s: float, first_s: float, wall_s: float, **more: float) -> dict[str, float]:
    return {"train_s": train_s, "start_to_first_batch_s": first_s, "wall_s": wall_s, **more}


def content(ours_s: tuple[float, ...]) -> dict[str, Any]:
    rounds = [
        {
            "plain": run(100.0, 8.0, 150.0),
            "ours": run(train_s, 9.5, 156.0, attestation_s=3.0),
            "no_telemetry": run(100.0, 9.4, 155.0),
            "no_tracking": run(100.5, 9.0, 154.0),
        }
        for train_s in ours_s
    ]
    return {
        "rounds": rounds,
        "sample": {"cpu_s_per_sample": [0.001, 0.002, 0.003], "period_s": 1.0},
        "sweeps": [
            {"num_runs": 1, "wall_s": 21.0, "worker_s": 12.0},
            {"num_runs": 4, "wall_s": 63.0, "worker_s": 48.0},
        ],
    }


def test_figures_are_paired_within_a_round_and_stand_beside_their_aims() -> None:
    found = figures(content((100.2, 100.4, 101.0)))
    assert found["framework"]["median"] == pytest.approx(0.4)
    assert found["framework"]["range"] == pytest.approx([0.2, 1.0])
    assert found["framework"]["range_covers_median"] == pytest.approx(0.75)
    assert found["start_to_first_batch"]["median"] == pytest.approx(1.5)
    assert found["whole_run"]["median"] == pytest.approx(6.0)
    assert found["telemetry_sample"]["median"] == pytest.approx(0.2)


def test_one_more_run_is_what_the_longer_sweep_spent_outside_its_workers() -> None:
    found = figures(content((100.0, 100.0)))
    assert found["one_more_run"]["median"] == pytest.approx((15 - 9) / 3)
    assert found["sweep_fixed"]["median"] == pytest.approx(9 - 2)


@pytest.mark.parametrize(
    ("ours_s", "verdict"), [((101.0, 101.9), "met"), ((102.1, 104.0), "missed"), ((101.0, 103.0), "inconclusive")]
)
def test_an_aim_is_met_only_when_every_pair_meets_it(ours_s: tuple[float, ...], verdict: str) -> None:
    assert figures(content(ours_s))["framework"]["verdict"] == verdict


def test_one_pair_alone_gets_no_verdict_and_the_table_shows_no_range() -> None:
    found = figures(content((100.2,)))
    assert found["framework"]["verdict"] == ""
    row = next(line for line in table(found).splitlines() if "plain Ultralytics" in line)
    assert row == "| ours over plain Ultralytics, train phase | 0.20 % | - | 1 | ≤ 2 % |  |"
