"""Every design that we offer keeps its error rate: the committed simulations, run again."""

from __future__ import annotations

import pytest

from benchmarks.statistics_sizes import (
    Row,
    best_of_five,
    extended,
    orders,
    paired,
    questions,
    settling,
    times,
    with_copy,
)


@pytest.mark.parametrize("design", [paired, with_copy])
def test_arms_without_an_effect_are_called_different_in_4_to_6_percent(design: object) -> None:
    assert callable(design)
    assert [row for row in design() if not 0.04 < row["false_different"] < 0.06] == []


def test_stragglers_in_one_arm_do_not_decide_although_they_did() -> None:
    rows = list(times())
    assert [row for row in rows if not row["stragglers"] and not 0.04 < row["false_different"] < 0.06] == []
    assert [row for row in rows if row["n"] <= 10 and not row["false_different"] < 0.06] == []
    assert [row for row in rows if not row["false_different"] < 0.08] == []
    assert max(row["plain_differences"] for row in rows if row["n"] == 10) > 0.1


@pytest.fixture(scope="module")
def in_orders() -> list[Row]:
    return list(orders())


def test_one_percent_of_drift_a_job_looks_like_an_effect_only_where_the_order_never_turns(in_orders: list[Row]) -> None:
    rows = in_orders
    turning = [row for row in rows if row["order"] == "in turns"]
    assert [row for row in turning if not row["false_different"] < 0.06] == []
    assert [row for row in turning if not row["drift_per_job"] and not row["false_different"] > 0.04] == []
    fixed = [row for row in rows if row["order"] == "fixed" and row["drift_per_job"]]
    assert min(row["false_different"] for row in fixed) > 0.2


def test_drift_is_found_and_not_invented(in_orders: list[Row]) -> None:
    rows = in_orders
    assert [row for row in rows if not row["drift_per_job"] and not 0.04 < row["drift_found"] < 0.06] == []
    assert [row for row in rows if row["drift_per_job"] and not row["drift_found"] > 0.95] == []


def test_three_questions_about_five_arms_are_wrong_in_at_most_5_percent_together() -> None:
    rows = list(questions())
    assert [row for row in rows if not row["false_different"] < 0.06] == []
    assert [row for row in rows if row["arms"] == 1 and not row["false_different"] > 0.04] == []
    assert min(row["unadjusted"] for row in rows) > 0.13


def test_the_gain_of_the_best_of_five_arms_has_an_interval_that_allows_for_the_choice() -> None:
    rows = list(best_of_five())
    assert [row for row in rows if not 0.95 < row["covered"] < 0.99] == []
    assert max(row["covered_without"] for row in rows) < 0.93


def test_a_comparison_that_was_extended_keeps_its_level_whether_declared_or_not() -> None:
    rows = list(extended())
    assert [row for row in rows if not 0.04 < row["false_different"] < 0.06] == []
    assert min(row["at_full_level"] for row in rows) > 0.08


@pytest.mark.slow
def test_the_seeds_that_would_settle_it_do_so_in_70_to_90_percent() -> None:
    rows = list(settling())
    assert [row for row in rows if not 0.7 < row["settled"] < 0.9] == []
    assert min(row["settled_without"] for row in rows) < 0.7  # the SD of the pilot, as if it were the true one
