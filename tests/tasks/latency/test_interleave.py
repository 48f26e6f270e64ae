"""The order in which arms are timed, on arms that say what time they took and note when they ran."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from sdpa_exp.measure.interval import MIN_ROUNDS, ratio_of
from sdpa_exp.tasks.latency.arm import Stages
from sdpa_exp.tasks.latency.interleave import Samples, time_interleaved
from sdpa_exp.tasks.latency.source import Batch

BATCHES = [Batch(paths=(name,), images=()) for name in "abc"]


@dataclass
class Scripted:
    """Takes longer at first, then `model_s`; `log` is shared by all arms."""

    name: str
    model_s: float
    log: list[tuple[str, str]]
    num_cold: int = 0
    ran: int = field(default=0)

    def run(self, batch: Batch) -> Stages:
        self.log.append((self.name, batch.paths[0]))
        self.ran += 1
        cold = max(0, self.num_cold - self.ran)
        return Stages(pre_s=0.001, model_s=self.model_s * (1 + cold), post_s=0.002)


def timed(
    num_batches: int = 40, num_cold: int = 0, time_limit_s: float = 60.0
) -> tuple[Samples, list[tuple[str, str]]]:
    log: list[tuple[str, str]] = []
    arms = {
        name: Scripted(name=name, model_s=model_s, log=log, num_cold=num_cold)
        for name, model_s in {"stock": 0.02, "eager": 0.02, "fast": 0.01}.items()
    }
    samples = time_interleaved(
        arms, BATCHES, other_shapes=[BATCHES[1]], num_batches=num_batches, time_limit_s=time_limit_s, seed=7
    )
    return samples, log


def test_every_round_gives_each_arm_the_same_batch_in_a_random_order_or_its_reverse() -> None:
    samples, log = timed()
    rounds = [log[i : i + 3] for i in range(0, len(log), 3)][-40:]
    for number, calls in enumerate(rounds):
        assert {batch for _, batch in calls} == {"abc"[number % 3]}
        assert tuple(name for name, _ in calls) == samples.orders[number]
        assert sorted(samples.orders[number]) == ["eager", "fast", "stock"]
        assert samples.orders[number] == samples.orders[number ^ 1][::-1]
    assert len(set(samples.orders)) == 6
    first = [order[0] for order in samples.orders]
    assert all(first.count(name) >= 5 for name in ("stock", "eager", "fast"))


def test_a_planted_difference_is_found_and_none_where_there_is_none() -> None:
    samples, _ = timed()
    assert ratio_of(samples.model_s("stock"), samples.model_s("fast")).value == pytest.approx(2)
    assert ratio_of(samples.latency_s("stock"), samples.latency_s("fast")).value == pytest.approx(23 / 13)
    assert ratio_of(samples.latency_s("stock"), samples.latency_s("eager")).value == pytest.approx(1)


def test_the_warm_up_lasts_until_every_arm_is_steady() -> None:
    samples, log = timed(num_cold=12)
    assert samples.is_steady
    assert samples.num_warmup >= 12
    assert np.ptp(samples.model_s("stock")) == 0
    assert log[:3] == [("stock", "b"), ("eager", "b"), ("fast", "b")]  # other shapes come before anything else


def test_a_warm_up_that_never_ends_is_said_not_hidden() -> None:
    log: list[tuple[str, str]] = []
    arm = Scripted(name="stock", model_s=1.0, log=log, num_cold=36)
    found = time_interleaved({"stock": arm}, BATCHES, other_shapes=[], num_batches=6, time_limit_s=60, seed=0)
    assert found.num_warmup == 30
    assert not found.is_steady


def test_the_time_limit_ends_the_rounds_but_not_those_an_interval_needs() -> None:
    samples, _ = timed(time_limit_s=0.0)
    assert len(samples.orders) == MIN_ROUNDS
