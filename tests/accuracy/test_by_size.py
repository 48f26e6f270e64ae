"""AP by COCO size: known answers, box counts, and reasons where there is nothing to measure."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from sdpa_exp.accuracy.by_size import ap_by_size
from tests.accuracy.made import made

SMALL, MEDIUM, LARGE = (10.0, 10.0, 30.0, 30.0), (10.0, 10.0, 60.0, 60.0), (0.0, 0.0, 200.0, 200.0)
ELSEWHERE = (300.0, 300.0, 320.0, 320.0)


def test_each_size_has_the_ap_that_can_be_counted_on_fingers() -> None:
    """One of two small boxes found before a wrong small box: precision 1 up to recall 0.5, 51 of 101 points."""
    found = ap_by_size(
        made(
            labels=[(0, 0, SMALL), (1, 0, SMALL), (2, 0, MEDIUM), (3, 0, MEDIUM)],
            found=[
                (2, 0, MEDIUM, 0.95, 1.0),
                (3, 0, MEDIUM, 0.94, 1.0),
                (0, 0, SMALL, 0.9, 1.0),
                (4, 0, ELSEWHERE, 0.8, 0.0),
            ],
            num_images=5,
        )
    )
    assert found["small"].ap50_95 == pytest.approx(51 / 101)
    assert found["medium"].ap50_95 == pytest.approx(1)
    assert found["all"].ap50 == pytest.approx(76 / 101)  # three of four boxes, all before the wrong one
    assert {size: ap.num_boxes for size, ap in found.items()} == {"all": 4, "small": 2, "medium": 2, "large": 0}


def test_a_size_without_boxes_is_none_with_its_reason() -> None:
    found = ap_by_size(made(labels=[(0, 0, LARGE)], found=[(0, 0, LARGE, 0.5, 1.0)], num_images=1))
    assert found["large"].ap50_95 == pytest.approx(1)
    assert found["small"].ap50_95 is None
    assert found["small"].reason == "the val images have no small boxes (up to 32² px)"
    assert found["medium"].reason == "the val images have no medium boxes (32² to 96² px)"


def test_localisation_counts_only_in_the_ap_over_iou() -> None:
    """IoU 0.72 passes 0.5 to 0.7: five of ten thresholds."""
    shifted = (0.0, 0.0, 144.0, 200.0)
    found = ap_by_size(made(labels=[(0, 0, LARGE)], found=[(0, 0, shifted, 0.5, 0.72)], num_images=1))
    assert found["large"].ap50 == pytest.approx(1)
    assert found["large"].ap50_95 == pytest.approx(0.5)


def test_the_mean_is_over_classes_that_have_boxes_of_the_size() -> None:
    labels = [(0, 0, SMALL), (1, 1, SMALL), (2, 2, LARGE)]
    found = ap_by_size(made(labels=labels, found=[(0, 0, SMALL, 0.5, 1.0)], num_images=3, num_classes=3))
    assert found["small"].ap50 == pytest.approx(1 / 2)
    assert found["all"].ap50 == pytest.approx(1 / 3)


def test_zero_predictions_are_an_ap_of_zero() -> None:
    found = ap_by_size(made(labels=[(0, 0, SMALL)], found=[], num_images=2))
    assert (found["small"].ap50_95, found["small"].reason) == (0, None)


def test_no_labelled_box_is_a_reason() -> None:
    found = ap_by_size(made(labels=[], found=[(0, 0, SMALL, 0.5, 0.0)], num_images=2))
    assert {ap.reason for ap in found.values()} == {"the val images have no labelled boxes"}


def test_a_prediction_without_a_finite_place_finds_nothing() -> None:
    nowhere = (float("nan"), 0.0, 9.0, 9.0)
    found = ap_by_size(
        made(labels=[(0, 0, SMALL)], found=[(0, 0, nowhere, 0.9, 0.0), (0, 0, SMALL, 0.5, 1.0)], num_images=1)
    )
    assert found["small"].ap50 == pytest.approx(1)


def test_a_package_that_cannot_be_imported_is_a_reason_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "faster_coco_eval":
            raise ImportError("libstdc++.so.6: version not found")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    found = ap_by_size(made(labels=[(0, 0, SMALL)], found=[], num_images=1))
    assert found["small"].num_boxes == 1
    assert str(found["small"].reason).startswith("faster-coco-eval can't be imported (libstdc++.so.6: version not")
    assert "requirements.lock" in str(found["small"].reason)
