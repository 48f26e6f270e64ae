"""accuracy.json of a real training beside `yolo val` of its best.pt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ultralytics import YOLO

from sdpa_exp.data.prepare import prepare
from sdpa_exp.tasks.train.work import train
from tests.tasks.in_process import run_task


@pytest.mark.slow
def test_recorded_accuracy_is_that_of_yolo_val_on_best_pt(tmp_path: Path, no_trackers: None) -> None:
    """The same images, weights and settings on one machine: equal to 1e-6 (fp32 sums may differ in their order)."""
    overrides = ("hardware=cpu", "hardware.num_threads=1", "train.epochs=4", "train.plots=false", "attention=sdpa")
    outcome, plan = run_task(train, tmp_path, *overrides)
    best = tmp_path / "train" / "weights" / "best.pt"
    yolo = YOLO(str(best))
    validators: list[Any] = []
    yolo.add_callback("on_val_end", validators.append)
    found = yolo.val(
        data=str(prepare(plan.dataset).yaml_path),
        imgsz=plan.train.imgsz,
        batch=2 * (plan.hardware.batch or 1),  # as the trainer validates
        device="cpu",
        plots=False,
        save_json=True,
        project=str(tmp_path),
        name="val",
    )
    content = json.loads((tmp_path / "accuracy.json").read_text(encoding="utf-8"))
    assert found.box.map50 > 0.2  # 0.54 when this was written
    for name, value in (("mAP50", found.box.map50), ("mAP50-95", found.box.map)):
        assert content["overall"][name] == pytest.approx(value, abs=1e-6)
        assert outcome.metrics[name] == pytest.approx(value, abs=1e-6)
    assert outcome.metrics["F1"] == pytest.approx(float(found.box.f1.mean()), abs=1e-6)
    by_class = {row["name"]: row["AP50-95"] for row in content["classes"] if row["num_boxes"]}
    expected = {found.names[label]: ap for label, ap in zip(found.box.ap_class_index, found.box.ap, strict=True)}
    assert by_class == pytest.approx(expected, abs=1e-6)
    coco = validators[0].eval_json({})
    for size in ("small", "medium"):
        assert content["sizes"][size]["AP50-95"] == pytest.approx(coco[f"metrics/mAP_{size}(B)"], abs=0.002)
    assert content["sizes"]["large"] == {
        "num_boxes": 0,
        "AP50": None,
        "AP50-95": None,
        "reason": "the val images have no large boxes (from 96² px)",
    }
    low, high = content["intervals"]["mAP50-95"]
    assert low < found.box.map < high


def test_a_fault_in_the_analysis_costs_its_figures_but_neither_the_training_nor_its_attestation(
    tmp_path: Path, no_trackers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr("sdpa_exp.callbacks.accuracy.ops.scale_boxes", fail)
    small = ("dataset.num_train_images=4", "dataset.num_val_images=4", "train.imgsz=64")
    outcome, _ = run_task(train, tmp_path, "experiment=smoke", "hardware=cpu", "hardware.num_threads=1", *small)
    assert outcome.attestation is not None
    assert outcome.attestation["ok"]
    assert outcome.metrics["mAP50"] is not None
    assert outcome.metrics["F1"] is None
    assert "planted" in outcome.unmeasured["F1"]
    assert [warning["code"] for warning in outcome.warnings] == ["accuracy_not_analysed"]
    assert json.loads((tmp_path / "accuracy.json").read_text())["weights"] is None
