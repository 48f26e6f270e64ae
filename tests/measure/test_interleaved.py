"""Interleaved rounds, their ratios and intervals: with planted times, so that the answer is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.interleaved import Contestant, Timing, time_interleaved
from sdpa_exp.measure.interval import MIN_ROUNDS, ratio_of
from sdpa_exp.measure.warmup import WarmUp
from tests.measure.clocks import ScriptedClock

WARM = WarmUp(num_calls=2, is_steady=True, call_s=1.0)


def run(names: str, seconds: Iterator[float], *, rounds: int, log: list[str] | None = None) -> Timing:
    calls = log if log is not None else []

    def note(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    return time_interleaved(
        {name: Contestant(call=note(name), prepare=note(f"prepare {name}")) for name in names},
        clock=ScriptedClock(script=seconds),
        warm_ups=dict.fromkeys(names, WARM),
        rounds=rounds,
    )


def test_rounds_come_in_pairs_of_an_order_and_its_reverse() -> None:
    timing = run("abcd", itertools.repeat(1.0), rounds=8)
    assert timing.num_rounds == 8
    for first, second in zip(timing.orders[::2], timing.orders[1::2], strict=True):
        assert first == second[::-1]
    assert len(set(timing.orders)) > 2  # the order is drawn anew for each pair


def test_another_seed_lets_another_arm_come_first() -> None:
    first = {
        time_interleaved(
            {name: Contestant(call=lambda: None) for name in "abcd"},
            clock=ScriptedClock(script=itertools.repeat(1.0)),
            warm_ups=dict.fromkeys("abcd", WARM),
            rounds=2,
            seed=(0, number),
        ).orders[0][0]
        for number in range(20)
    }
    assert first == set("abcd")


def test_an_odd_number_of_rounds_is_rounded_up_so_that_each_order_has_its_reverse() -> None:
    assert run("ab", itertools.repeat(1.0), rounds=5).num_rounds == 6


def test_an_arm_is_prepared_before_each_of_its_samples_and_outside_of_it() -> None:
    log: list[str] = []
    run("ab", itertools.repeat(1.0), rounds=2, log=log)
    assert log[::2] == [f"prepare {name}" for name in log[1::2]]
    assert len(log) == 2 * 2 * 2


def test_a_drift_that_would_fool_separate_measurements_leaves_the_ratio_alone() -> None:
    machine_s = (1.0 + 0.05 * number for number in itertools.count())  # slower and slower: 3 times after 40 samples
    timing = run("ab", machine_s, rounds=20)
    assert timing.seconds["a"][-1] > 2 * timing.seconds["a"][0]
    ratio = timing.speedup("a", "b")
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 1.0 < ratio.high
    assert ratio.value == pytest.approx(1.0, abs=0.03)
    in_time = np.sort(np.concatenate([timing.seconds["a"], timing.seconds["b"]]))
    first, second = in_time.reshape(2, -1)
    assert np.median(second) / np.median(first) > 1.4  # one arm after the other would have "differed" by this much


def test_time_that_is_over_stops_after_a_whole_pair_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(step=10.0)
    monkeypatch.setattr("sdpa_exp.measure.interleaved.time.perf_counter", lambda: next(now))
    timing = time_interleaved(
        {name: Contestant(call=lambda: None) for name in "ab"},
        clock=ScriptedClock(script=itertools.repeat(1.0)),
        warm_ups=dict.fromkeys("ab", WARM),
        rounds=10,
        max_s=1.0,
    )
    assert timing.num_rounds == 2
    assert timing.stopped == "2 of 10 rounds: another two would not fit into 1 s"


def test_calls_too_short_for_the_clock_are_repeated_within_a_sample() -> None:
    log: list[str] = []
    timing = time_interleaved(
        {"a": Contestant(call=lambda: log.append("a"))},
        clock=ScriptedClock(script=itertools.repeat(1e-4)),
        warm_ups={"a": WarmUp(num_calls=2, is_steady=True, call_s=1e-4)},
        rounds=2,
    )
    assert timing.calls_per_sample == 100
    assert len(log) == 200


def test_fewer_rounds_than_six_get_no_interval() -> None:
    few = ratio_of(np.full(MIN_ROUNDS - 1, 2.0), np.ones(MIN_ROUNDS - 1))
    assert few.to_list() == [2.0, None, None]
    enough = ratio_of(np.full(MIN_ROUNDS, 2.0), np.ones(MIN_ROUNDS))
    assert enough.to_list() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("rounds", [MIN_ROUNDS, 10, 20])
def test_the_interval_covers_a_planted_ratio_about_as_often_as_it_promises(rounds: int) -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        baseline, candidate = 1.5 * np.exp(0.1 * rng.standard_normal((2, rounds))) / [[1.0], [1.5]]
        ratio = ratio_of(baseline, candidate)
        assert ratio.low is not None
        assert ratio.high is not None
        covered += ratio.low <= 1.5 <= ratio.high
    assert covered / 300 > 0.88


def test_a_cpu_is_timed_by_a_monotonic_clock() -> None:
    clock = DeviceClock(device=torch.device("cpu"))
    calls: list[int] = []
    assert clock.seconds(lambda: calls.append(1), num_calls=3) > 0
    assert len(calls) == 3
    assert clock.source == "time.perf_counter"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: times with its events")
def test_cuda_events_see_the_device_finish_its_work() -> None:
    clock = DeviceClock(device=torch.device("cuda"))
    x = torch.rand(4096, 4096, device="cuda")
    one = min(clock.seconds(lambda: x @ x) for _ in range(10))
    two = min(clock.seconds(lambda: (x @ x, x @ x)) for _ in range(10))
    assert 1.6 < two / one < 2.4
