"""The figures of a data set: images, backgrounds and boxes by split and class, and sizes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sdpa_exp.accuracy.by_size import AREAS_PX2
from sdpa_exp.tasks.data.look import SPLITS, Seen

SIZES = tuple(AREAS_PX2)


def splits_of(pictures: Iterable[Seen]) -> dict[str, list[Seen]]:
    """The pictures by split, in the order train, val, test; splits without pictures are left out."""
    found: dict[str, list[Seen]] = {split: [] for split in SPLITS}
    for picture in pictures:
        found[picture.split].append(picture)
    return {split: seen for split, seen in found.items() if seen}


def figures_of(pictures: Sequence[Seen], class_names: Sequence[str], imgsz: int) -> dict[str, Any]:
    """The figures by split, and those of all together under `all`."""
    splits = splits_of(pictures)
    return {
        split: _of_split(seen, class_names, imgsz)
        for split, seen in {**splits, **({"all": pictures} if len(splits) > 1 else {})}.items()
    }


def size_of(area_px2: float) -> str:
    """COCO's word for an area; a box at a limit counts as the larger size."""
    return next(size for size, (low, high) in reversed(AREAS_PX2.items()) if low <= area_px2 < high)


def seen_size_px(picture: Seen, imgsz: int) -> tuple[float, float]:
    """Width and height of a picture whose longer side was scaled to imgsz, as Ultralytics does."""
    width, height = picture.size_px
    scale = imgsz / max(width, height)
    return width * scale, height * scale


def _of_split(seen: Sequence[Seen], class_names: Sequence[str], imgsz: int) -> dict[str, Any]:
    if any(picture.class_id is not None for picture in seen):
        images = Counter(picture.class_id for picture in seen)
        classes = {_key(i, class_names): {"images": images[i]} for i in range(len(class_names))}
        return {"images": len(seen), "classes": classes, "image_sizes": _image_sizes(seen)}
    sizes: Counter[tuple[int, str]] = Counter()
    images = Counter()
    for picture in seen:
        width, height = seen_size_px(picture, imgsz)
        sizes.update((thing.class_id, size_of(thing.area(width, height))) for thing in picture.objects)
        images.update({thing.class_id for thing in picture.objects})
    counts = [len(picture.objects) for picture in seen]
    return {
        "images": len(seen),
        "backgrounds": counts.count(0),
        "without_label_file": sum(picture.content is None for picture in seen),
        "boxes": sum(counts),
        "boxes_an_image": {"min": min(counts), "median": statistics.median(counts), "max": max(counts)},
        "sizes": {size: sum(n for (_, each), n in sizes.items() if each == size) for size in SIZES},
        "classes": {
            _key(i, class_names): {
                "images": images[i],
                "boxes": sum(n for (each, _), n in sizes.items() if each == i),
                "sizes": {size: sizes[i, size] for size in SIZES},
            }
            for i in range(len(class_names))
        },
        "image_sizes": _image_sizes(seen),
    }


def _key(class_id: int, class_names: Sequence[str]) -> str:
    """The class's name, with its number where two have the same."""
    name = class_names[class_id]
    return name if list(class_names).count(name) == 1 else f"{name} ({class_id})"


def _image_sizes(seen: Sequence[Seen]) -> dict[str, int]:
    """Width x height in pixels -> how many images, most of them first."""
    counted = Counter("x".join(map(str, picture.size_px)) for picture in seen)
    return dict(counted.most_common())
