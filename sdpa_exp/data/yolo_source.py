"""Finds the pictures of a data.yaml or a folder in Ultralytics' format; nothing is opened yet but the yaml and lists.

Unlike Ultralytics, nothing depends on the working directory or on a settings file: relative paths start at the yaml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdpa_exp.data.class_names import read_class_names
from sdpa_exp.data.find_images import SPLIT_NAMES, Found, absolute, find_pictures
from sdpa_exp.data.prepared_dataset import LeftOut
from sdpa_exp.data.yaml_mapping import is_given, read_mapping
from sdpa_exp.errors import DatasetError

_MAKE_VAL = "; or dataset.val_share=0.2, which makes train and val of one set"


@dataclass(frozen=True, kw_only=True)
class YoloSource:
    """What was found.

    Attributes:
        class_names: None for a folder without a data.yaml.
        splits: train, val, and the one that was asked for.
        keypoints: what data.yaml says about keypoints (`kpt_shape`, `flip_idx`, ...); empty for other data sets.
        left_out: what a conversion from another format left out.
        notes: sentences about what is odd in it.
    """

    origin: Path
    class_names: tuple[str, ...] | None
    splits: dict[str, Found]
    keypoints: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def keypoint_shape(self) -> tuple[int, int]:
        """(points, numbers for each) behind the box in a label; (0, 0) without."""
        points, numbers = self.keypoints.get("kpt_shape", (0, 0))
        return int(points), int(numbers)


def find_source(
    path: Path, split: str | None = None, root: Path | None = None, *, makes_val: bool = False
) -> YoloSource:
    """Find the pictures of a data.yaml, or of a folder with or without one.

    Args:
        path: of the data.yaml or folder.
        split: one that must be there too, such as test.
        root: the folder of the images, where it isn't the one that the yaml says.
        makes_val: a data set without val is a whole one: val is made of train afterwards.

    Raises:
        DatasetError: something that is named does not exist, or holds no images.
    """
    wanted = list(dict.fromkeys(["train", "val", split or "val"]))
    if path.is_dir():
        yamls = sorted(p for pattern in ("*.yaml", "*.yml") for p in path.glob(pattern))
        named = [p for p in yamls if p.stem == "data"]
        if len(named or yamls) > 1:
            raise DatasetError(
                f"{path} holds several yaml files ({', '.join(p.name for p in yamls)}) and none is clearly the one: "
                f"set dataset.path to the one to use."
            )
        if yamls:
            return _from_yaml((named or yamls)[0], wanted, root, makes_val)
        return _from_folder(path, wanted, makes_val)
    if path.suffix not in {".yaml", ".yml"}:
        raise DatasetError(f"{path} is no data set: expected a data.yaml, or a folder with images/ and labels/.")
    return _from_yaml(path, wanted, root, makes_val)


def _from_yaml(path: Path, wanted: list[str], given_root: Path | None, makes_val: bool) -> YoloSource:
    content = read_mapping(path)
    channels = content.get("channels", "3")
    if channels != "3":
        raise DatasetError(f"{path} says channels: {channels}: expected pictures with 3 channels, no others are read.")
    root = given_root or path.parent
    if given_root is None and is_given(content.get("path")):
        root = absolute(path.parent / str(content["path"]))
        if not root.is_dir():
            raise DatasetError(
                f"{path} says path: {content['path']}, and there is no folder {root}. "
                f"A relative path starts at the yaml file; remove the line if the images are beside it."
            )
    splits = {}
    for split in wanted:
        value: Any = next((content[key] for key in SPLIT_NAMES[split] if is_given(content.get(key))), None)
        if value is None and split == "val" and makes_val:
            continue
        if value is None:
            asked = _MAKE_VAL if split == "val" else ""
            asked = " and train.split=test asks for it; add it, or leave train.split out" if split == "test" else asked
            raise DatasetError(
                f"{path} has no '{split}:' line: expected a folder, a list of folders or a .txt list{asked}."
            )
        splits[split] = find_pictures(value if isinstance(value, list) else [value], root, origin=path, split=split)
    return YoloSource(
        origin=path,
        class_names=read_class_names(content, path),
        splits=splits,
        keypoints=_keypoints(content, path),
    )


def _keypoints(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """What is said about the keypoints of a label, `kpt_shape: [points, numbers for each]` first of all."""
    shape = content.get("kpt_shape")
    if not is_given(shape):
        return {}
    if not isinstance(shape, list) or len(shape) != 2 or not all(str(n).isdecimal() for n in shape):
        raise DatasetError(f"{path} says kpt_shape: {shape}: expected two whole numbers, such as [17, 3].")
    found: dict[str, Any] = {"kpt_shape": [int(number) for number in shape]}
    for key, number in (("flip_idx", int), ("kpt_oks_sigmas", float)):
        if is_given(content.get(key)):
            try:
                found[key] = [number(value) for value in content[key]]
            except (TypeError, ValueError) as error:
                raise DatasetError(f"{path} says {key}: {content[key]}: expected a list of numbers.") from error
    return found


def _from_folder(root: Path, wanted: list[str], makes_val: bool) -> YoloSource:
    splits = {}
    for split in wanted:
        options = [p for name in SPLIT_NAMES[split] for p in (root / "images" / name, root / name / "images")]
        whole = [root / "images", root] if makes_val and split == "train" else []
        found = next((p for p in (*options, *whole) if p.is_dir()), None)
        if found is None and split == "val" and makes_val:
            continue
        if found is None:
            raise DatasetError(
                f"{root} has no data.yaml and no {split} images: expected {options[0]} or {options[1]}, "
                f"with the labels under labels/ in the same way{_MAKE_VAL}."
            )
        splits[split] = find_pictures([str(found)], root, origin=root, split=split)
    return YoloSource(origin=root, class_names=None, splits=splits)
