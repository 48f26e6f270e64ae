"""Every design that we offer keeps its error rate: the committed simulations, run again."""

from __future__ import annotations

import pytest

from benchmarks.statistics_sizes import orders, paired, times, with_copy


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


def test_one_percent_of_drift_a_job_looks_like_an_effect_only_where_the_order_never_turns() -> None:
    rows = list(orders())
    turning = [row for row in rows if row["order"] == "in turns"]
    assert [row for row in turning if not row["false_different"] < 0.06] == []
    assert [row for row in turning if not row["drift_per_job"] and not row["false_different"] > 0.04] == []
    fixed = [row for row in rows if row["order"] == "fixed" and row["drift_per_job"]]
    assert min(row["false_different"] for row in fixed) > 0.2


def test_drift_is_found_and_not_invented() -> None:
    rows = list(orders())
    assert [row for row in rows if not row["drift_per_job"] and not 0.04 < row["drift_found"] < 0.06] == []
    assert [row for row in rows if row["drift_per_job"] and not row["drift_found"] > 0.95] == []
