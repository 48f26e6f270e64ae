"""The images of task=latency, decoded beforehand: a disk or a JPEG decoder is no part of a detector's latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.config.plan import Plan
from sdpa_exp.data.image_file import check_image
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.real_batch import val_images
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One image as Ultralytics' predictor takes it: (H, W, 3), BGR, 8 bit."""

    path: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images that go through the model together."""

    paths: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What was taken from where. `num_found` is None for a video, whose frames are not counted."""

    frames: tuple[Frame, ...]
    words: str
    num_found: int | None
    num_videos_left_out: int = 0


def source_of(
    plan: Plan, outcome: Outcome, path: str | None, num_images: int, *, key: str
) -> tuple[Source, int | None]:
    """The images that an option names, else those of the data set's val split, and the number of its classes.

    Args:
        plan: names the data set.
        outcome: gets its digest.
        path: what the option says.
        num_images: how many are taken.
        key: the option.

    Raises:
        DatasetError: there is nothing to read, or it can't be read.
    """
    if path:
        return read_source(Path(path), num_images, key=key), None
    prepared = prepare(plan.dataset)
    outcome.digests["data_set"] = prepared.digest
    files = val_images(prepared.yaml_path)
    return read_images(files, num_images, words=f"{plan.dataset.name}'s val split"), len(prepared.class_names)


def read_source(path: Path, num_images: int, *, key: str = "latency.source") -> Source:
    """Images of a file or folder (not of folders in it), spread over it; or the first frames of a video.

    Raises:
        DatasetError: there is nothing to read, or it can't be read.
    """
    from ultralytics.data.loaders import LoadImagesAndVideos

    try:
        loader = LoadImagesAndVideos(str(path))
    except FileNotFoundError as error:
        if "Failed to open video" in str(error):
            raise DatasetError(
                f"{str(error).removeprefix('Failed to open video ')} can't be opened as a video: expected one whose "
                "codec OpenCV reads, such as MJPG in .avi or H.264 in .mp4. Convert it, or give its frames as images."
            ) from error
        raise DatasetError(
            f"{path} holds no image or video: expected JPEG, PNG or other images, or a video, directly in it (folders "
            f"in it are not searched). Set {key} to the folder that has them, such as images/val."
        ) from error
    images = [Path(file) for file, is_video in zip(loader.files, loader.video_flag, strict=True) if not is_video]
    num_videos = sum(loader.video_flag)
    if images:
        loader.close()
        return read_images(images, num_images, words=str(path), num_videos_left_out=num_videos)
    frames = []
    for paths, pixels, _ in islice(loader, num_images):
        frames += [Frame(path=name, pixels=image) for name, image in zip(paths, pixels, strict=True)]
    loader.close()
    if not frames:
        raise DatasetError(
            f"{path} opens as a video and gives no frame: expected one that OpenCV decodes. "
            "Convert it, or give its frames as images."
        )
    return Source(frames=tuple(frames), words=str(path), num_found=None)


def read_images(files: Sequence[Path], num_images: int, *, words: str, num_videos_left_out: int = 0) -> Source:
    """Decode images as Ultralytics does, spread over a list.

    Raises:
        DatasetError: names the first that can't be read.
    """
    from ultralytics.utils.patches import imread

    count = min(num_images, len(files))
    chosen = [files[index * len(files) // count] for index in range(count)]
    frames = []
    for file in chosen:
        fault = check_image(file).fault
        pixels = imread(str(file)) if fault is None else None
        if pixels is None:
            raise DatasetError(
                f"{file} {fault or 'is no image that OpenCV reads'}. Take it out of the folder, or set latency.source "
                "to images that can be read."
            )
        frames.append(Frame(path=str(file), pixels=pixels))
    return Source(frames=tuple(frames), words=words, num_found=len(files), num_videos_left_out=num_videos_left_out)


def to_batches(frames: Sequence[Frame], size: int) -> list[Batch]:
    """All frames in batches of one size; the first frames come again where the last batch would be smaller."""
    batches = []
    for start in range(0, math.ceil(len(frames) / size) * size, size):
        taken = [frames[index % len(frames)] for index in range(start, start + size)]
        batches.append(Batch(paths=tuple(f.path for f in taken), images=tuple(f.pixels for f in taken)))
    return batches
