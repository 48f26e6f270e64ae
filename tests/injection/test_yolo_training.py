"""An injected YOLO object trains with its backend, without the framework: in training, validation and best.pt."""

from __future__ import annotations

from pathlib import Path

from ultralytics import YOLO

from sdpa_exp import inject
from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.layers import find_layers
from tests.injection.test_inject import CALLS, NOTED_NAME


def test_a_yolo_object_trains_validates_and_reloads_with_its_backend(tmp_path: Path, no_trackers: None) -> None:
    data = prepare(SyntheticDataset(name="tiny", num_train_images=8, num_val_images=4, image_px=96))
    yolo = YOLO("yolo12n.yaml")
    inject(yolo, NOTED_NAME)
    CALLS.clear()
    yolo.train(data=str(data.yaml_path), epochs=1, imgsz=96, batch=4, device="cpu", project=str(tmp_path), plots=False)
    num_steps, num_val_batches, num_layers = 2, 1, 8
    # training steps, the validation of the EMA, and best.pt's own (with a warm-up image of the backend)
    assert len(CALLS) >= num_layers * (num_steps + 2 * num_val_batches)
    reloaded = YOLO(str(yolo.trainer.best)).model
    assert {getattr(layer.module, ATTRIBUTE) for layer in find_layers(reloaded)} == {NOTED_NAME}
