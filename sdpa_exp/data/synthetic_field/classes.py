"""The rendered field for models that name the class of a whole image: cut-outs of plants, one folder a class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.dataset_digest import NO_LABEL, bytes_digest, content_digest
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.data.synthetic_field.plants import CLASS_NAMES
from sdpa_exp.data.synthetic_field.render_scene import Box, Scene

MANIFEST = "manifest.json"
_MARGIN = 1.15  # side of the cut-out over the longer side of the plant's box
_MIN_SIDE_PX = 16
_SPLITS = ("train", "val")
SceneOf = Callable[[SyntheticDataset, str, int], Scene]


def prepare_crops(folder: Path, dataset: SyntheticDataset, scene_of: SceneOf) -> PreparedDataset:
    """Cut one plant out of each picture, the classes in turn; in `folder`, unless they are there already.

    Raises:
        DatasetError: the cache can't be written.
    """
    build_once(folder, build=lambda draft: _render(draft, dataset, scene_of), fault_of=_fault)
    files: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    counts = {split: sum(name.startswith(f"{split}/") for name in files) for split in _SPLITS}
    return PreparedDataset(
        yaml_path=folder,
        digest=content_digest(CLASS_NAMES, [(n.split("/")[0], n, sha, NO_LABEL) for n, sha in files.items()]),
        class_names=tuple(sorted(CLASS_NAMES)),
        num_train_images=counts["train"],
        num_val_images=counts["val"],
        num_train_boxes=0,
        num_val_boxes=0,
        warnings=(),
    )


def _render(draft: Path, dataset: SyntheticDataset, scene_of: SceneOf) -> None:
    files = {}
    for split, count in zip(_SPLITS, (dataset.num_train_images, dataset.num_val_images), strict=True):
        for name in CLASS_NAMES:
            (draft / split / name).mkdir(parents=True)
        for index in range(count):
            scene = scene_of(dataset, split, index)
            box = _chosen(scene, index % len(CLASS_NAMES))
            if box is None:
                continue
            name = f"{split}/{CLASS_NAMES[box.class_id]}/plant_{index:05d}.jpg"
            encoded = cv2.imencode(".jpg", _cut_out(scene.bgr, box), [cv2.IMWRITE_JPEG_QUALITY, 94])[1].tobytes()
            (draft / name).write_bytes(encoded)
            files[name] = bytes_digest(encoded)
    (draft / MANIFEST).write_text(json.dumps(files), encoding="utf-8")


def _chosen(scene: Scene, class_id: int) -> Box | None:
    """The largest plant of a class; of any class where it does not grow here."""

    def side(box: Box) -> int:
        return min(box.x1 - box.x0, box.y1 - box.y0)

    wanted = [box for box in scene.boxes if box.class_id == class_id] or list(scene.boxes)
    return max((box for box in wanted if side(box) >= _MIN_SIDE_PX), key=side, default=None)


def _cut_out(bgr: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    half = max(box.x1 - box.x0, box.y1 - box.y0) * _MARGIN / 2
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    rows = slice(max(0, round(y - half)), round(y + half))
    return bgr[rows, max(0, round(x - half)) : round(x + half)]


def _fault(folder: Path) -> str | None:
    """What differs between the folder and its manifest."""
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
        if found != set(files):
            return f"its images are not those of {MANIFEST}: {min(found ^ set(files))}"
        changed = [name for name, sha in files.items() if bytes_digest((folder / name).read_bytes()) != sha]
        return f"{changed[0]} was changed" if changed else None
    except (OSError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
