"""The time limit is divided so that cheap cases get their rounds and no level starves."""

from __future__ import annotations

import pytest

from sdpa_exp.tasks.bench import Bench
from sdpa_exp.tasks.bench.budget import Budget, CaseDropped, raise_if_too_long, refuse_too_long
from sdpa_exp.tasks.bench.case import Case


class Watch:
    now_s = 0.0


def case(level: str, work: float = 1.0) -> Case:
    return Case(level=level, what="forward", name="x", precision="fp32", facts={}, work=work, build=lambda arms: {})


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr("sdpa_exp.tasks.bench.budget.time.perf_counter", lambda: found.now_s)
    return found


def test_a_level_gets_its_share_and_what_it_leaves_goes_on(watch: Watch) -> None:
    cases = [case("step"), *(case("op") for _ in range(10))]
    found = Budget(cases, limit_s=110.0)
    assert found.share_s(cases[0]) == pytest.approx(56.0)  # 8 of 11 parts of the 70 % that proofs leave
    watch.now_s = 27.0
    assert found.share_s(cases[1]) == pytest.approx(10.0)  # a fifth of what is left


def test_the_last_case_of_a_level_may_use_all_that_is_left_of_it(watch: Watch) -> None:
    cases = [case("module"), case("module")]
    found = Budget(cases, limit_s=20.0)
    assert found.share_s(cases[0]) == pytest.approx(7.0)
    watch.now_s = 4.0
    assert found.share_s(cases[1]) == pytest.approx(10.0)
    assert found.used_s == 4.0


def test_a_case_is_proven_only_where_that_fits_into_the_limit(watch: Watch) -> None:
    found = Budget([case("step")], limit_s=100.0)
    row = {"arms": {"stock": {"median_ms": 5000.0}, "sdpa": {"median_ms": 5000.0}}}
    watch.now_s = 70.0
    assert found.has_room_to_prove(row, energy_s=0.0)
    assert not found.has_room_to_prove(row, energy_s=1.0)


def test_the_whole_step_comes_first_and_the_product_alone_is_asked_for() -> None:
    assert Bench().all_levels == ["step", "inference", "module"]
    assert Bench(op_shapes=[[8, 8, 256, 64]]).all_levels == ["step", "inference", "module", "op"]
    assert Bench(levels=["op", "step"]).all_levels == ["step", "op"]


def test_a_case_that_by_the_one_before_it_would_not_fit_is_refused_beforehand() -> None:
    before = (case("op", work=1.0), {"arms": {"eager": {"median_ms": 100.0}, "sdpa": {"median_ms": 100.0}}})
    refuse_too_long(case("op", work=10.0), [before], share_s=8.0)
    with pytest.raises(CaseDropped, match=r"would take about 8\.0 s, and its share of bench\.time_limit_s is 1\.0 s"):
        refuse_too_long(case("op", work=10.0), [before], share_s=1.0)


def test_calls_that_are_all_overhead_predict_nothing() -> None:
    before = (case("op", work=1.0), {"arms": {"eager": {"median_ms": 0.02}}})
    refuse_too_long(case("op", work=1e9), [before], share_s=1.0)


def test_something_over_the_share_is_still_measured() -> None:
    raise_if_too_long(1.4, share_s=1.0)
    with pytest.raises(CaseDropped):
        raise_if_too_long(1.6, share_s=1.0)
