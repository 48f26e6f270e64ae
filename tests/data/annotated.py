"""Small data sets with COCO's and Pascal VOC's annotations, written for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Corners = tuple[float, float, float, float]
WIDTH, HEIGHT = 64, 48


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=90)


def write_xml(path: Path, objects: Sequence[tuple[str, Corners]], size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    boxes = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, (x0, y0, x1, y1) in objects
    )
    path.write_text(
        f"<annotation><filename>{path.stem}.jpg</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
        f"<depth>3</depth></size>{boxes}</annotation>"
    )


def make_blood_cells(root: Path, num_images: int = 6) -> Path:
    """As the blood cell data set comes: XML files, lists of splits, and two boxes of zero size in one image."""
    for i in range(num_images):
        write_image(root / f"JPEGImages/Blood_{i}.jpg", i)
        objects: list[tuple[str, Corners]] = [("RBC", (11, 11, 31, 31)), ("WBC", (33, 13, 65, 49))]
        if i == 1:
            objects += [("RBC", (20, 20, 20, 40)), ("Platelets", (30, 9, 50, 9))]
        write_xml(root / f"Annotations/Blood_{i}.xml", objects)
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    names = [f"Blood_{i}" for i in range(num_images)]
    for split, members in (("train", names[:-2]), ("val", names[-2:]), ("trainval", names)):
        (lists / f"{split}.txt").write_text("\n".join(members) + "\n")
    return root


def write_coco(path: Path, images: Sequence[str], **changed: object) -> None:
    """One JSON: a box of 16 x 12 px at (8, 6) in each image, its classes weed (id 7) and crop (id 3) in turns."""
    content: dict[str, object] = {
        "images": [{"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT} for i, name in enumerate(images)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": (7, 3)[i % 2], "bbox": [8, 6, 16, 12], "iscrowd": 0}
            for i in range(len(images))
        ],
        "categories": [
            {"id": 0, "name": "plants", "supercategory": "none"},
            {"id": 7, "name": "weed", "supercategory": "plants"},
            {"id": 3, "name": "crop", "supercategory": "plants"},
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changed))


def make_plants(root: Path) -> Path:
    """As Roboflow exports COCO: a JSON beside the images of each split."""
    for split, count in (("train", 4), ("valid", 2)):
        names = [f"{split}_{i}.jpg" for i in range(count)]
        for i, name in enumerate(names):
            write_image(root / split / name, (200 if split == "valid" else 100) + i)
        write_coco(root / split / "_annotations.coco.json", names)
    return root
