"""Where the frames come from: Ultralytics' own loaders, with broken files left out and named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ultralytics.data.loaders import LoadImagesAndVideos, LoadStreams

from sdpa_exp.data.image_file import check_image
from sdpa_exp.errors import DatasetError, first_line
from sdpa_exp.tasks.detect import Detect
from sdpa_exp.tasks.latency.source import Batch

_STREAM_FPS = 30.0  # where a camera does not say


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Images that go through the model together, and what they are part of.

    Attributes:
        batch: the images, and for each the file or stream that it is from.
        numbers: of the frames in their video or stream, from 1; None for an image of its own.
        fps: of the video.
    """

    batch: Batch
    numbers: tuple[int | None, ...]
    fps: float


@dataclass(kw_only=True)
class Source:
    """An open source; iterate over it once.

    Attributes:
        words: what it is, for people.
        skipped: file -> why it was left out; grows while it is read.
        num_files: images and videos; None for a stream.
    """

    words: str
    loader: Any
    num_files: int | None
    skipped: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Frames]:
        """Batches until the end of the source."""
        number_of: dict[str, int] = {}
        for paths, images, _ in self.loader:
            mode = getattr(self.loader, "mode", "image")
            if mode == "stream" and number_of and not any(image.any() for image in images):
                self.skipped[paths[0]] = "sent no picture for a while"  # Ultralytics puts black ones in their place
                continue
            is_moving = mode != "image"
            numbers: list[int | None] = []
            for path in paths:
                number_of[path] = number_of.get(path, 0) + 1
                numbers.append(number_of[path] if is_moving else None)
            fps = getattr(self.loader, "fps", _STREAM_FPS) or _STREAM_FPS
            yield Frames(
                batch=Batch(paths=tuple(paths), images=tuple(images)),
                numbers=tuple(numbers),
                fps=float(fps[0] if isinstance(fps, list) else fps),
            )

    def close(self) -> None:
        """End the threads of a stream and release a video."""
        self.loader.close()


def open_source(options: Detect, val_images: list[Path]) -> Source:
    """The source that was asked for, or the val split.

    Raises:
        DatasetError: there is nothing in it, or a camera or stream does not answer.
    """
    if options.is_live:
        try:
            loader: Any = LoadStreams(str(options.source), vid_stride=options.every, buffer=True)
        except (ConnectionError, NotImplementedError, FileNotFoundError) as error:
            raise DatasetError(
                f"detect.source={options.source} gives no pictures: {first_line(error)}. Expected a camera or "
                "stream that OpenCV opens. Try it with another player, or give a file."
            ) from error
        return Source(words=str(options.source), loader=loader, num_files=None)
    path: Any = options.source or [str(path) for path in val_images]
    skipped: dict[str, str] = {}
    try:
        loader = _Files(path, options, skipped)
    except FileNotFoundError as error:
        raise DatasetError(
            f"detect.source={options.source} holds no image or video: expected JPEG, PNG or other images, or a video, "
            "directly in it (folders in it are not searched). Name the folder that has them, such as images/val."
        ) from error
    words = options.source or "the val split"
    return Source(words=words, loader=loader, num_files=loader.nf, skipped=skipped)


class _Files(LoadImagesAndVideos):  # type: ignore[misc]
    """Ultralytics' loader, which stops at a video that can't be opened and takes a cut-off JPEG for a grey one."""

    def __init__(self, path: Any, options: Detect, skipped: dict[str, str]) -> None:
        self._skipped = skipped
        if isinstance(path, str) and "://" in path:
            from ultralytics.utils.checks import check_file

            path = check_file(path)  # downloads it
        super().__init__(path, batch=options.batch, vid_stride=options.every)

    def _new_video(self, path: str) -> None:
        try:
            super()._new_video(path)
        except FileNotFoundError:
            self._skipped[path] = "can't be opened as a video"

    def _append_image(self, *args: Any) -> None:
        *_, path, im0, _ = args
        fault = check_image(Path(path)).fault or ("is no image that OpenCV reads" if im0 is None else None)
        if fault is not None:
            self._skipped[path] = fault
            return
        super()._append_image(*args)
