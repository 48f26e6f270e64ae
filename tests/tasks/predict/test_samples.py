"""Percentiles, throughput and ratios from known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from sdpa_exp.tasks.predict.samples import describe_ms, images_per_s, is_steady, samples_needed, speedup


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


def test_a_speedup_is_paired_so_that_drift_common_to_both_does_not_widen_it() -> None:
    rng = np.random.default_rng(3)
    drift = np.linspace(1, 3, 60)
    reference, candidate = 2.0 * drift, drift * (1 + 0.02 * rng.standard_normal(60))
    found = speedup(reference, candidate)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.median < found.high
    assert found.low == pytest.approx(2, rel=0.03)
    assert found.high == pytest.approx(2, rel=0.03)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(150):
        found = speedup(np.ones(40), np.exp(0.1 * rng.standard_normal(40)))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1 <= found.high
    assert 0.88 <= hits / 150 <= 1.0


def test_too_few_pairs_get_no_interval() -> None:
    assert speedup(np.ones(9), np.ones(9)).low is None


def test_steady_means_that_two_passes_agree_with_the_two_before() -> None:
    assert not is_steady([1.0] * 3)
    assert is_steady([9.0, 5.0, 1.0, 1.0, 1.02, 0.99])
    assert not is_steady([3.0, 2.5, 2.0, 1.5, 1.2, 1.0])
