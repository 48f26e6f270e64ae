"""Decisions from planted samples, where the right answer is known; and the growth of planted power laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdpa_exp.tasks.bench.conclude import exponent, fastest, fit_scaling
from sdpa_exp.tasks.bench.decide import decide, render_decisions


def content_of(means_s: dict[str, float], *, rounds: int = 20, noise: float = 0.003, **facts: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    seconds = {label: list(mean * np.exp(noise * rng.standard_normal(rounds))) for label, mean in means_s.items()}
    arms = {label: {"median_ms": float(np.median(values)) * 1e3} for label, values in seconds.items()}
    row = {
        "id": 7,
        "level": "module",
        "what": "forward",
        "model": "yolo12n",
        "name": "P4",
        "precision": "fp32",
        "heads": 2,
        "tokens": 400,
        "head_dim": 32,
        "batch": 8,
        "baseline": next(iter(means_s)),
        "rounds": rounds,
        "is_drifted": False,
        "reference_drift": 0.0,
        "arms": arms,
        "seconds": seconds,
        **facts,
    }
    return {"machine": {"device": "a box"}, "cases": [row]}


def decision(means_s: dict[str, float], **more: Any) -> dict[str, Any]:
    (found,) = decide(content_of(means_s, **more), source="b.json", margin=0.02)
    return found


def test_the_fastest_wins_and_what_is_as_fast_stands_beside_it() -> None:
    found = decision({"stock": 2.0, "eager": 1.5, "flash": 1.0, "sdpa": 1.001, "identity": 0.2})
    assert {found["choice"], *found["equal"]} == {"flash", "sdpa"}
    assert found["reason"] is None
    assert found["gain"][0] == pytest.approx(2.0, rel=0.01)
    assert found["source"] == "b.json #7"


def test_the_fastest_is_the_arm_whose_gain_is_printed_though_medians_name_another() -> None:
    seconds = {"stock": [4.0, 2.0, 3.0], "flash": [2.0, 1.9, 2.1], "math": [1.9, 1.95, 2.5]}
    arms = {label: {"median_ms": float(np.median(values)) * 1e3} for label, values in seconds.items()}
    assert arms["math"]["median_ms"] < arms["flash"]["median_ms"]
    row = {"arms": arms, "seconds": seconds, "baseline": "stock"}
    assert fastest(row) == "flash"  # 1.43 times in its median round, against 1.2
    assert fastest({**row, "baseline": None}) == "math"


def test_a_gain_inside_the_margin_is_no_difference_and_keeps_the_baseline() -> None:
    found = decision({"stock": 1.0, "sdpa": 0.995})
    assert (found["choice"], found["reason"]) == ("stock", "no difference of stock from sdpa")


def test_an_interval_that_spans_the_margin_is_not_called_equality() -> None:
    found = decision({"stock": 1.0, "sdpa": 0.97}, noise=0.2, rounds=6)
    assert (found["choice"], found["reason"]) == ("stock", "inconclusive between stock and sdpa")


def test_a_baseline_that_wins_is_said_to() -> None:
    assert decision({"stock": 1.0, "math": 1.3})["reason"] == "stock is the fastest"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"rounds": 4}, "undecided: 4 rounds, 6 are needed for an interval"),
        (
            {"is_drifted": True, "reference_drift": 0.31},
            "undecided: the machine changed by +31% meanwhile",
        ),
    ],
)
def test_a_case_that_cannot_carry_a_decision_gets_none(facts: dict[str, Any], reason: str) -> None:
    found = decision({"stock": 2.0, "sdpa": 1.0}, **facts)
    assert (found["choice"], found["reason"]) == (None, reason)


def test_the_table_has_device_shape_choice_and_source() -> None:
    found = decision({"stock": 2.0, "flash": 1.0, "sdpa": 1.0})
    text = render_decisions([found], margin=0.02)
    assert "## a box" in text
    assert "| yolo12n P4 | fp32 | forward | 400 | 32 | 2 | 8 |" in text
    assert "| b.json #7 |" in text


def test_a_planted_power_law_is_found_with_an_interval_around_it() -> None:
    tokens = [100.0, 200.0, 400.0, 800.0, 1600.0]
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(5))
    found = exponent(tokens, [3 * n**1.8 * e for n, e in zip(tokens, noise, strict=True)])
    assert found is not None
    assert found[1] < 1.8 < found[2]
    assert found[0] == pytest.approx(1.8, abs=0.05)


def test_two_sizes_are_too_few_for_an_exponent() -> None:
    assert exponent([1.0, 2.0, 4.0], [1.0, None, 3.0]) is None
    rows = content_of({"stock": 1.0})["cases"] * 2
    assert fit_scaling(rows) == []
