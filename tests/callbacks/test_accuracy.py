"""What is recorded beside a validation of Ultralytics is what that validation saw, in pixels of the original images."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ultralytics.utils.metrics import ap_per_class, box_iou

from sdpa_exp.accuracy.by_size import ap_by_size
from sdpa_exp.accuracy.predictions import Predictions
from sdpa_exp.accuracy.summary import Summary, count_by_class, summarise
from sdpa_exp.callbacks.accuracy import PredictionRecorder, best_confidence, class_figures
from tests.callbacks.planted import NAMES, PlantedRtdetr, PlantedYolo, validate, write_field

SIZES = ("small", "medium", "large")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_field(tmp_path_factory.mktemp("field") / "data")


@pytest.fixture(scope="module")
def seen(field: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A validation with Ultralytics' own COCO evaluation beside it."""
    validator, recorder, results = validate(PlantedYolo, field[0], tmp_path_factory.mktemp("yolo"), save_json=True)
    return validator, recorder.predictions(dict(enumerate(NAMES))), results


def summary_of(validator: Any, predictions: Predictions) -> Summary:
    return summarise(
        predictions,
        figures=class_figures(validator.metrics),
        best=best_confidence(validator.metrics),
        epochs=[1, 2, 3],
        curves={"mAP50-95": [0.1, 0.2, 0.3], "mAP50": [0.2, 0.4, 0.6]},
        why_not="",
    )


@pytest.mark.parametrize("kind", [PlantedYolo, PlantedRtdetr])
def test_labels_come_back_in_original_pixels_however_the_image_was_resized(
    kind: Any, field: Any, tmp_path: Path
) -> None:
    data_yaml, expected = field
    validator, recorder, _ = validate(kind, data_yaml, tmp_path)
    predictions = recorder.predictions({})
    assert predictions.num_images == len(expected)
    names = [Path(path).stem for path in validator.dataloader.dataset.im_files]
    for image, rows in enumerate(expected):
        boxes = predictions.label_boxes[predictions.label_image == names.index(f"{image:03}")]
        told = np.array(sorted(box for _, box in rows)).reshape(-1, 4)
        assert np.array(sorted(boxes.tolist())).reshape(-1, 4) == pytest.approx(told, abs=0.01)
    assert predictions.pred_boxes.max() <= 310  # predictions too: nothing outside of the largest image


def test_sizes_agree_with_ultralytics_own_coco_evaluation(seen: Any) -> None:
    """To 0.002: Ultralytics hands boxes on with three decimals and confidences with five."""
    _, predictions, results = seen
    ours = ap_by_size(predictions)
    for size in SIZES:
        assert ours[size].num_boxes > 0
        assert ours[size].ap50_95 == pytest.approx(results[f"metrics/mAP_{size}(B)"], abs=0.002)
    assert len({round(ours[size].ap50_95 or 0, 3) for size in SIZES}) == 3
    assert sum(ours[size].num_boxes for size in SIZES) == ours["all"].num_boxes == 55


def test_coco_and_ultralytics_agree_within_a_point_on_boxes_that_are_cut_at_the_edge(seen: Any) -> None:
    """Ultralytics' matching and AP, on the cut boxes: what is left is its trapezoid and COCO's mean of 101 points."""
    validator, predictions, _ = seen
    hits = np.zeros_like(predictions.pred_is_hit)
    for image in range(predictions.num_images):
        preds = np.flatnonzero(predictions.pred_image == image)
        preds = preds[np.argsort(-predictions.pred_confidence[preds])]
        labels = np.flatnonzero(predictions.label_image == image)
        if preds.size and labels.size:
            boxes = [torch.from_numpy(b) for b in (predictions.label_boxes[labels], predictions.pred_boxes[preds])]
            classes = [torch.from_numpy(c) for c in (predictions.pred_class[preds], predictions.label_class[labels])]
            hits[preds] = validator.match_predictions(*classes, box_iou(*boxes)).numpy()
    ap = ap_per_class(hits, predictions.pred_confidence, predictions.pred_class, predictions.label_class)[5]
    found = ap_by_size(predictions)["all"]
    assert 0.2 < ap.mean() < 0.9
    assert found.ap50 == pytest.approx(ap[:, 0].mean(), abs=0.01)
    assert found.ap50_95 == pytest.approx(ap.mean(), abs=0.01)


def test_the_summary_repeats_ultralytics_figures_to_the_last_digit(seen: Any) -> None:
    validator, predictions, results = seen
    summary = summary_of(validator, predictions)
    overall = summary.content["overall"]
    assert overall["mAP50"] == pytest.approx(results["metrics/mAP50(B)"], abs=1e-12)
    assert overall["mAP50-95"] == pytest.approx(results["metrics/mAP50-95(B)"], abs=1e-12)
    with_boxes = [row for row in summary.content["classes"] if row["num_boxes"]]
    for name in ("precision", "recall"):
        told = sum(row[name] for row in with_boxes) / len(with_boxes)
        assert told == pytest.approx(results[f"metrics/{name}(B)"], abs=1e-12)
    low, high = summary.content["intervals"]["mAP50-95"]
    assert low < overall["mAP50-95"] < high


def test_the_confidence_is_where_ultralytics_read_its_precision(seen: Any) -> None:
    validator, _, _ = seen
    box = validator.metrics.box
    best = best_confidence(validator.metrics)
    assert best is not None
    at = int(np.flatnonzero(np.asarray(box.px) == best.confidence)[0])
    assert box.p_curve[:, at].tolist() == list(box.p)
    assert box.r_curve[:, at].tolist() == list(box.r)


def test_counts_add_up_to_boxes_and_predictions(seen: Any) -> None:
    validator, predictions, _ = seen
    best = best_confidence(validator.metrics)
    assert best is not None
    counts = count_by_class(predictions, best.confidence)
    assert sum(count.num_tp + count.num_fn for count in counts.values()) == predictions.label_class.size
    kept = int((predictions.pred_confidence >= best.confidence).sum())
    assert sum(count.num_tp + count.num_fp for count in counts.values()) == kept
    for label in (0, 1):
        recall = counts[label].num_tp / (counts[label].num_tp + counts[label].num_fn)
        assert recall == pytest.approx(validator.metrics.box.r[label], abs=0.1)  # that one is interpolated


def test_a_class_without_boxes_has_false_positives_and_no_ap(seen: Any) -> None:
    validator, predictions, _ = seen
    (row,) = [row for row in summary_of(validator, predictions).content["classes"] if row["name"] == "never seen"]
    assert (row["num_boxes"], row["AP50"], row["F1"], row["AP50-95_interval"]) == (0, None, None, None)
    assert row["num_tp"] == row["num_fn"] == 0
    assert row["num_fp"] > 0


def test_a_network_that_predicts_nothing_has_an_ap_of_zero_and_no_confidence(field: Any, tmp_path: Path) -> None:
    validator, recorder, results = validate(PlantedYolo, field[0], tmp_path, share_found=0.0)
    summary = summary_of(validator, recorder.predictions(dict(enumerate(NAMES))))
    assert results["metrics/mAP50(B)"] == summary.content["overall"]["mAP50"] == 0
    assert summary.metrics["mAP50-95_small"] == 0
    assert summary.metrics["F1"] == 0
    assert summary.metrics["F1_confidence"] is None
    assert summary.unmeasured["num_tp"] == "the network predicts nothing"
    assert {row["num_fp"] for row in summary.content["classes"]} == {None}


def test_a_val_split_without_any_label_gives_reasons_instead_of_zeros(tmp_path: Path) -> None:
    data_yaml, _ = write_field(tmp_path / "data", num_images=3)
    for file in (tmp_path / "data" / "labels").iterdir():
        file.unlink()
    validator, recorder, _ = validate(PlantedYolo, data_yaml, tmp_path / "out")
    summary = summary_of(validator, recorder.predictions(dict(enumerate(NAMES))))
    reason = "the val images have no labelled boxes"
    assert summary.content["overall"]["mAP50"] is None
    assert {name: summary.unmeasured[name] for name in ("F1", "num_fn", "mAP50-95_large")} == {
        "F1": reason,
        "num_fn": reason,
        "mAP50-95_large": reason,
    }


def test_the_validator_gets_its_own_method_back(seen: Any) -> None:
    validator, predictions, _ = seen
    before = predictions.num_images
    assert "update_metrics" not in vars(validator)
    assert before == 12


@pytest.mark.parametrize("failure", [None, "ValueError('planted')"])
def test_what_each_process_of_a_run_has_seen_comes_together_in_the_order_of_one(
    field: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str | None
) -> None:
    _, whole, _ = validate(PlantedYolo, field[0], tmp_path)
    first, second = PredictionRecorder(), {name: values[2:] for name, values in whole._parts.items()}
    first._parts = {name: values[:2] for name, values in whole._parts.items()}

    def gather_object(mine: Any, of_all: list[Any]) -> None:  # as gloo does in tests/scale/test_several_devices.py
        of_all[:] = [mine, (second, failure)]

    world = SimpleNamespace(get_world_size=lambda: 2, get_rank=lambda: 0, gather_object=gather_object)
    monkeypatch.setattr("sdpa_exp.callbacks.accuracy.dist", world)
    first._gather()
    if failure is not None:
        with pytest.raises(RuntimeError, match=r"in process 2: ValueError\('planted'\)"):
            first.predictions({})
        return
    found, expected = (vars(each.predictions(dict(enumerate(NAMES)))) for each in (first, whole))
    assert found["num_images"] > 2
    assert all(np.array_equal(found[name], expected[name]) for name in expected if name != "class_names")
