"""Intervals over images: Ultralytics' own AP on every resample, only faster; and coverage as promised."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ultralytics.utils.metrics import ap_per_class

from sdpa_exp.accuracy import bootstrap
from sdpa_exp.accuracy.bootstrap import interval_of_difference, intervals, resampled_ap
from tests.accuracy.made import at_random, drawn, made

if TYPE_CHECKING:
    from sdpa_exp.accuracy.predictions import Predictions

AP, CLASSES = 5, 6  # places in what ap_per_class returns


def test_the_ap_of_all_images_is_that_of_ultralytics() -> None:
    for seed in range(5):
        one = at_random(seed=seed)
        reference = ap_per_class(one.pred_is_hit, one.pred_confidence, one.pred_class, one.label_class)
        (ours,) = resampled_ap(one, np.ones((1, one.num_images), dtype=np.int64))
        assert ours == pytest.approx(reference[AP], abs=1e-12)


def test_the_ap_of_a_resample_is_that_of_ultralytics_on_the_drawn_images() -> None:
    predictions = at_random(num_images=12)
    times = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), size=20)
    resampled = resampled_ap(predictions, times)
    assert resampled.std(axis=0).min() > 0
    for ours, times_I in zip(resampled, times, strict=True):
        preds, labels = drawn(predictions, times_I)
        reference = ap_per_class(
            predictions.pred_is_hit[preds],
            predictions.pred_confidence[preds],
            predictions.pred_class[preds],
            predictions.label_class[labels],
        )
        assert reference[CLASSES].tolist() == [0, 1, 2]
        assert ours == pytest.approx(reference[AP], abs=1e-12)


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = at_random()
    whole = intervals(predictions, num_resamples=50)
    monkeypatch.setattr(bootstrap, "_CHUNK", 3 * predictions.pred_image.size)
    assert intervals(predictions, num_resamples=50) == whole


def test_draws_are_repeatable_and_leave_the_global_generator_alone() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    assert intervals(at_random()) == intervals(at_random())
    assert intervals(at_random(), seed=1) != intervals(at_random())
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_more_images_give_a_narrower_interval_around_the_estimate() -> None:
    widths = []
    for num_images in (20, 320):
        predictions = at_random(num_images=num_images)
        (estimate,) = resampled_ap(predictions, np.ones((1, num_images), dtype=np.int64))
        low, high = intervals(predictions).mean["mAP50-95"]
        assert low < estimate.mean() < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.4)  # the root of 16


def test_the_interval_covers_what_many_other_images_give() -> None:
    """95 % asked for; with 60 repeats the count of misses is binomial, and 10 or more have p < 0.001."""
    truth = resampled_ap(at_random(num_images=2000, seed=999), np.ones((1, 2000), dtype=np.int64)).mean()
    misses = 0
    for seed in range(60):
        low, high = intervals(at_random(num_images=60, seed=seed), num_resamples=200).mean["mAP50-95"]
        misses += not low <= truth <= high
    assert misses < 10


def test_too_few_images_give_no_interval_but_a_reason() -> None:
    found = intervals(at_random(num_images=9))
    assert (found.mean, found.num_resamples) == ({}, 0)
    assert found.reason == "9 val images are too few to resample: 10 or more are needed"


def test_no_labelled_box_gives_a_reason() -> None:
    nothing = made(labels=[], found=[(0, 0, (0, 0, 9, 9), 0.5, 0.0)], num_images=12)
    assert intervals(nothing).reason == "the val images have no labelled boxes"


def test_zero_predictions_are_an_ap_of_zero_and_not_an_error() -> None:
    silent = made(labels=[(i, 0, (0, 0, 9, 9)) for i in range(12)], found=[], num_images=12)
    assert intervals(silent).mean == {"mAP50": (0, 0), "mAP50-95": (0, 0)}


def test_a_class_on_one_image_is_skipped_by_the_resamples_without_it() -> None:
    """About a third of the resamples miss the image; where it is drawn, the class is always found."""
    labels = [(i, 0, (0.0, 0.0, 9.0, 9.0)) for i in range(12)] + [(3, 1, (0.0, 0.0, 9.0, 9.0))]
    rare = made(labels=labels, found=[(3, 1, (0, 0, 9, 9), 0.9, 1.0)], num_images=12, num_classes=2)
    found = intervals(rare)
    assert found.by_class[1] == pytest.approx((0.995, 0.995))  # Ultralytics' AP of a perfect detector
    assert list(found.by_class[0]) == [0, 0]
    assert found.mean["mAP50"] == pytest.approx((0, 0.4975))


def test_large_splits_are_resampled_less_often_and_say_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = at_random()
    assert intervals(predictions).num_resamples == 1000
    monkeypatch.setattr(bootstrap, "_MAX_WORK", 300 * predictions.pred_image.size)
    assert intervals(predictions).num_resamples == 300
    monkeypatch.setattr(bootstrap, "_MAX_WORK", 1)
    assert intervals(predictions).num_resamples == bootstrap.MIN_RESAMPLES


def test_a_class_that_is_only_predicted_has_no_ap() -> None:
    predictions = at_random(num_classes=2)
    stray = dataclasses.replace(predictions, pred_class=predictions.pred_class + 1)
    ap_BCT = resampled_ap(stray, np.ones((1, 40), dtype=np.int64))
    assert ap_BCT.shape == (1, 2, 10)
    assert ap_BCT[0, 0].tolist() == [0] * 10


def _two_networks(num_images: int, seed: int) -> tuple[Predictions, Predictions]:
    """A detector, and one that misses some of its boxes: on the same images, so that the two share what is hard."""
    better = at_random(num_images=num_images, seed=seed)
    is_kept = np.random.default_rng([seed, 1]).random(better.pred_image.size) < 0.9
    names = ("pred_image", "pred_class", "pred_boxes", "pred_confidence", "pred_is_hit")
    return better, dataclasses.replace(better, **{name: getattr(better, name)[is_kept] for name in names})


def test_the_interval_of_a_difference_covers_what_many_other_images_give_and_is_the_narrower_for_the_pairing() -> None:
    """95 % asked for; with 60 repeats the count of misses is binomial, and 10 or more have p < 0.001."""
    every = np.ones((1, 2000), dtype=np.int64)
    truth = -np.diff([resampled_ap(each, every).mean() for each in _two_networks(2000, 999)])[0]
    assert truth > 0.02
    misses, ratios = 0, []
    for seed in range(60):
        found = [intervals(each, num_resamples=200) for each in _two_networks(60, seed)]
        bounds = interval_of_difference([(found[0].resampled, found[1].resampled)])
        assert bounds is not None
        misses += not bounds[0] <= truth <= bounds[1]
        apart = np.hypot(*(np.diff(each.mean["mAP50-95"])[0] for each in found))
        ratios.append((bounds[1] - bounds[0]) / apart)
    assert misses < 10
    assert np.mean(ratios) < 0.7


def test_resamples_of_different_numbers_are_paired_by_their_first_draws() -> None:
    one, other = _two_networks(40, 0)
    many, few = intervals(one, num_resamples=300), intervals(other, num_resamples=200)
    same = intervals(one, num_resamples=200)
    assert many.resampled[:200] == same.resampled
    expected = interval_of_difference([(same.resampled, few.resampled)])
    assert interval_of_difference([(many.resampled, few.resampled)]) == expected
    assert interval_of_difference([(many.resampled, ())]) is None
    assert interval_of_difference([]) is None
