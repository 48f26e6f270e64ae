"""What training needs to know of a data set that has been checked and can be loaded from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LINE, IMAGE, BOX = "line", "image", "box"
"""`LeftOut.what`; boxes are of annotations in another format."""


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """A data set ready for Ultralytics.

    Attributes:
        yaml_path: absolute path of a data.yaml inside our cache, or of a folder with one folder a class; no working
            directory matters to it.
        digest: SHA-256 in hex over class names, relative file names, and the bytes of images and labels.
        warnings: sentences about what is odd but no reason to refuse.
        left_out: what `dataset.on_bad=drop` or a conversion left out; part of the digest.
        keypoints: (points, numbers for each) of a data set of poses that is used for poses.
        has_unused_keypoints: it is of poses, and used for boxes alone.
        bad_labels: labels of which left_out names lines, as they stand; task=data may mend them.
    """

    yaml_path: Path
    digest: str
    class_names: tuple[str, ...]
    num_train_images: int
    num_val_images: int
    num_train_boxes: int
    num_val_boxes: int
    warnings: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    keypoints: tuple[int, int] | None = None
    has_unused_keypoints: bool = False
    bad_labels: tuple[BadLabel, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A line of a label, or an image with its label, that can't be trained on.

    Attributes:
        split: train, val or test; empty where the data set doesn't say.
        image: its name in the data set.
        what: `LINE`, `IMAGE` or `BOX`.
        why: what is wrong, with the number of the line.
    """

    split: str
    image: str
    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class BadLabel:
    """A label with lines that can't be trained on, of an image that can be read.

    Attributes:
        split: train, val or test.
        index: the number of its picture in the split, with which file names of the prepared data set start.
        image: the image itself.
        name: of the image in the data set.
        content: all bytes of the label.
    """

    split: str
    index: int
    image: Path
    name: str
    content: bytes
