"""The synthetic data set: scenes rendered from a seed, written once to the cache, verified byte by byte when found."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.data_yaml import DATA_YAML, names_folder, write_data_yaml
from sdpa_exp.data.dataset_digest import bytes_digest, content_digest
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.data.synthetic_field.classes import prepare_crops
from sdpa_exp.data.synthetic_field.labels import KEYPOINTS, label_lines
from sdpa_exp.data.synthetic_field.plants import CLASS_NAMES
from sdpa_exp.data.synthetic_field.render_scene import Box, Scene, render_scene
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import CLASSIFY, DETECT, Purpose

GENERATOR_VERSION = 1  # raise it with every change that moves a pixel or a label
MANIFEST = "manifest.json"
_JPEG_QUALITY = 94
_MIN_IMAGE_PX, _MAX_IMAGE_PX = 64, 2048
_SPLITS = ("train", "val")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Written:
    """One picture on disk."""

    split: str
    name: str
    image_sha256: str
    label_sha256: str
    num_boxes: int


def prepare_synthetic(dataset: SyntheticDataset, cache: Path, purpose: Purpose = DETECT) -> PreparedDataset:
    """Render the field into the cache with the labels that a purpose wants, or find it there.

    Raises:
        DatasetError: a setting makes no sense, or the cache can't be written.
    """
    _check(dataset)
    settings: dict[str, Any] = _settings(dataset) | ({} if purpose is DETECT else {"labels": purpose.name})
    folder = cache / "synthetic" / bytes_digest(json.dumps(settings, sort_keys=True).encode())[:16]
    if purpose is CLASSIFY:
        return prepare_crops(folder, dataset, scene_of)
    build_once(
        folder,
        build=lambda draft: _render_all(dataset, draft, folder, settings, purpose),
        fault_of=lambda f: _fault(f, settings),
    )
    written = _read_manifest(folder)
    boxes = {split: sum(w.num_boxes for w in written if w.split == split) for split in _SPLITS}
    files = [(w.split, w.name, w.image_sha256, w.label_sha256) for w in written]
    return PreparedDataset(
        yaml_path=folder / DATA_YAML,
        digest=content_digest(CLASS_NAMES, files),
        class_names=CLASS_NAMES,
        num_train_images=dataset.num_train_images,
        num_val_images=dataset.num_val_images,
        num_train_boxes=boxes["train"],
        num_val_boxes=boxes["val"],
        warnings=(),
        keypoints=tuple(KEYPOINTS["kpt_shape"]) if purpose.name == "pose" else None,
    )


def scene_of(dataset: SyntheticDataset, split: str, index: int) -> Scene:
    """One picture of the data set with its full truth; it depends on nothing but its own seed."""
    seed = np.random.SeedSequence(dataset.render_seed, spawn_key=(_SPLITS.index(split), index))
    return render_scene(np.random.Generator(np.random.PCG64(seed)), dataset.image_px)


def label_text(boxes: tuple[Box, ...], size_px: int) -> str:
    """Boxes as lines of an Ultralytics label: class, middle x and y, width, height, in fractions of the picture."""
    lines = []
    for box in boxes:
        middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        numbers = (*middle, box.x1 - box.x0, box.y1 - box.y0)
        lines.append(" ".join([str(box.class_id), *(f"{number / size_px:.8f}" for number in numbers)]) + "\n")
    return "".join(lines)


def _check(dataset: SyntheticDataset) -> None:
    for key in ("num_train_images", "num_val_images"):
        if getattr(dataset, key) < 1:
            raise DatasetError(
                f"dataset.{key}={getattr(dataset, key)} leaves nothing to work with: expected 1 or more."
            )
    if not _MIN_IMAGE_PX <= dataset.image_px <= _MAX_IMAGE_PX:
        raise DatasetError(
            f"dataset.image_px={dataset.image_px} can't be rendered: expected {_MIN_IMAGE_PX} to {_MAX_IMAGE_PX}. "
            f"It is the size on disk; train.imgsz sets the size that the model sees."
        )
    if dataset.render_seed < 0:
        raise DatasetError(f"dataset.render_seed={dataset.render_seed} is no seed: expected 0 or more.")


def _settings(dataset: SyntheticDataset) -> dict[str, int]:
    return {
        "generator_version": GENERATOR_VERSION,
        "num_train_images": dataset.num_train_images,
        "num_val_images": dataset.num_val_images,
        "image_px": dataset.image_px,
        "render_seed": dataset.render_seed,
    }


def _render_all(
    dataset: SyntheticDataset, draft: Path, folder: Path, settings: dict[str, Any], purpose: Purpose
) -> None:
    _log.info("rendering %d pictures into %s", dataset.num_train_images + dataset.num_val_images, folder)
    written: list[dict[str, Any]] = []
    for split, count in zip(_SPLITS, (dataset.num_train_images, dataset.num_val_images), strict=True):
        (draft / "images" / split).mkdir(parents=True)
        (draft / "labels" / split).mkdir(parents=True)
        for index in range(count):
            scene = scene_of(dataset, split, index)
            encoded = cv2.imencode(".jpg", scene.bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
            lines = None if purpose is DETECT else label_lines(scene, purpose.name)
            label = (label_text(scene.boxes, dataset.image_px) if lines is None else "".join(lines)).encode()
            name = f"field_{index:05d}"
            _image_path(draft, split, name).write_bytes(encoded)
            _label_path(draft, split, name).write_bytes(label)
            written.append(
                {
                    "split": split,
                    "name": name,
                    "image_sha256": bytes_digest(encoded),
                    "label_sha256": bytes_digest(label),
                    "num_boxes": len(scene.boxes if lines is None else lines),
                }
            )
    write_data_yaml(draft, folder, CLASS_NAMES, keypoints=KEYPOINTS if purpose.name == "pose" else None)
    (draft / MANIFEST).write_text(json.dumps({"settings": settings, "files": written}), encoding="utf-8")


def _fault(folder: Path, settings: dict[str, Any]) -> str | None:
    """What differs between a folder and its manifest; every byte is read, which takes milliseconds."""
    try:
        written = _read_manifest(folder)
        names = {(w.split, w.name) for w in written}
        for split, key in zip(_SPLITS, ("num_train_images", "num_val_images"), strict=True):
            if sum(1 for s, _ in names if s == split) != settings[key]:
                return f"{MANIFEST} lists another number of {split} images than {settings[key]}"
            for kind, suffix in (("images", ".jpg"), ("labels", ".txt")):
                found = {path.name for path in (folder / kind / split).iterdir() if path.suffix == suffix}
                surplus = found - {f"{name}{suffix}" for s, name in names if s == split}
                if surplus:
                    return f"{kind}/{split} holds a file that is not ours: {min(surplus)}"
        for w in written:
            for path, expected in (
                (_image_path(folder, w.split, w.name), w.image_sha256),
                (_label_path(folder, w.split, w.name), w.label_sha256),
            ):
                if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                    return f"{path.relative_to(folder)} was changed"
        if not names_folder(folder):
            return f"{DATA_YAML} names another folder"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _read_manifest(folder: Path) -> list[_Written]:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return [_Written(**entry) for entry in content["files"]]


def _image_path(folder: Path, split: str, name: str) -> Path:
    return folder / "images" / split / f"{name}.jpg"


def _label_path(folder: Path, split: str, name: str) -> Path:
    return folder / "labels" / split / f"{name}.txt"
