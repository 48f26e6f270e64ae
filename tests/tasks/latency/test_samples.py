"""Percentiles and throughput from known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from sdpa_exp.tasks.latency.measure import describe_ms, images_per_s, samples_needed


def test_percentiles_are_those_of_numpy_in_milliseconds() -> None:
    seconds = np.arange(1, 201) / 1000
    found = describe_ms(seconds)
    assert found["p50"] == pytest.approx(100.5)
    assert found["p95"] == pytest.approx(1e3 * np.percentile(seconds, 95))
    assert found["p99"] == pytest.approx(198.01)
    assert (found["min"], found["max"], found["mean"]) == pytest.approx((1, 200, 100.5))


@pytest.mark.parametrize(
    ("count", "known"), [(1, {50}), (19, {50}), (20, {50, 95}), (99, {50, 95}), (100, {50, 95, 99})]
)
def test_a_percentile_that_the_samples_cannot_carry_is_none(count: int, known: set[int]) -> None:
    found = describe_ms(np.ones(count))
    assert {percentile for percentile in (50, 95, 99) if found[f"p{percentile}"] is not None} == known
    assert all(samples_needed(percentile) <= count for percentile in known)


def test_fps_is_images_over_the_sum_of_the_three_stages() -> None:
    stages_s = np.array([[0.1, 0.2, 0.1], [0.1, 0.4, 0.1]])
    assert images_per_s(stages_s, batch=8) == pytest.approx(16.0)
