"""What is kept of the detections: pictures and videos with boxes, one CSV table, YOLO labels, a COCO JSON."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.runs.files import write_json_atomic
from sdpa_exp.runs.result_rows import columns_of

PICTURES, LABELS = "pictures", "labels"
CSV_FILE, COCO_FILE = "detections.csv", "detections_coco.json"
_SEEN = 0.25  # the score from which Ultralytics draws a keypoint
_VIDEO_KINDS = ((".mp4", "mp4v"), (".avi", "MJPG"))  # the second where the first can't be written


class Keeper:
    """Writes as frames come, so that an end at any time leaves whole files; `close` writes the JSON.

    Args:
        folder: the run folder.
        kinds: of `detect.save`.
        class_names: of the first model, by number.
        purpose: what the models are for, which decides about columns and formats.
    """

    def __init__(self, folder: Path, kinds: list[str], class_names: dict[int, str], purpose: str) -> None:
        self._folder, self._kinds, self._names = folder, frozenset(kinds), class_names
        self._columns = ("file", "frame", "model", *columns_of(purpose), "only_here")
        self._video: cv2.VideoWriter | None = None
        self._video_of = ""
        self.lacks_codec = False
        self._taken: Counter[str] = Counter()
        self._stems: dict[str, str] = {}
        self._csv: TextIO | None = None
        self._coco: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}

    @property
    def draws(self) -> bool:
        """Whether pictures are wanted."""
        return "images" in self._kinds

    def keep(self, path: str, number: int | None, result: Any, rows: list[dict[str, Any]]) -> None:
        """The finds of all models in one frame; labels and COCO get those of the first model.

        Args:
            path: of the file or stream.
            number: of the frame in it, None for an image.
            result: Ultralytics' Results of the first model.
            rows: with the columns of the table, but for file and frame.
        """
        if "csv" in self._kinds:
            if self._csv is None:
                self._csv = (self._folder / CSV_FILE).open("w", encoding="utf-8", newline="")
                csv.writer(self._csv).writerow(self._columns)
            place = {"file": path, "frame": "" if number is None else number}
            csv.DictWriter(self._csv, self._columns).writerows([{**place, **row} for row in rows])
        if "txt" in self._kinds:
            self._write_labels(path, number, result)
        if "coco" in self._kinds:
            first = [row for row in rows if row["model"] == rows[0]["model"]] if rows else []
            self._add_coco(path, number, first, *result.orig_shape)

    def keep_picture(self, path: str, number: int | None, fps: float, picture: NDArray[np.uint8]) -> None:
        """A frame with its boxes: an image, or the next frame of its video."""
        folder = self._folder / PICTURES
        folder.mkdir(exist_ok=True)
        if number is None:
            cv2.imwrite(str(folder / f"{self._stem(path)}.jpg"), picture)
            return
        if self._video_of != path:
            self._end_video()
            self._video, self._video_of = _open_video(folder / self._stem(path), fps, picture), path
            self.lacks_codec |= self._video is None
        if self._video is not None:
            self._video.write(picture)
        else:
            cv2.imwrite(str(folder / f"{self._stem(path)}_{number:06d}.jpg"), picture)

    def close(self) -> None:
        """End the video and the table, and write what is one file in the end."""
        self._end_video()
        if self._csv is not None:
            self._csv.close()
        if "coco" in self._kinds:
            categories = [{"id": number, "name": name} for number, name in self._names.items()]
            write_json_atomic(self._folder / COCO_FILE, {**self._coco, "categories": categories})

    def _end_video(self) -> None:
        if self._video is not None:
            self._video.release()
        self._video, self._video_of = None, ""

    def _stem(self, path: str) -> str:
        """A name for a file's picture; two files of one name in two folders get a number."""
        if path not in self._stems:
            stem = Path(path).stem or "stream"
            self._taken[stem] += 1
            self._stems[path] = stem if self._taken[stem] == 1 else f"{stem}_{self._taken[stem]}"
        return self._stems[path]

    def _write_labels(self, path: str, number: int | None, result: Any) -> None:
        """As `yolo predict save_txt save_conf` has it for this purpose; a frame without finds has an empty file."""
        folder = self._folder / LABELS
        folder.mkdir(exist_ok=True)
        labels = folder / f"{self._stem(path)}{'' if number is None else f'_{number}'}.txt"
        labels.write_text("", encoding="utf-8")
        result.save_txt(labels, save_conf=True)

    def _add_coco(self, path: str, number: int | None, rows: list[dict[str, Any]], height: int, width: int) -> None:
        image_id = len(self._coco["images"]) + 1
        image = {"id": image_id, "file_name": path, "width": width, "height": height}
        self._coco["images"].append(image | ({} if number is None else {"frame": number}))
        for row in rows:
            box = [row["x1"], row["y1"], row["x2"] - row["x1"], row["y2"] - row["y1"]]
            self._coco["annotations"].append(
                {
                    "id": len(self._coco["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": row["class"],
                    "bbox": [round(side, 2) for side in box],
                    "area": round(box[2] * box[3], 2),
                    "iscrowd": 0,
                    "score": row["score"],
                    **_coco_shape(row),
                }
            )


def _coco_shape(row: dict[str, Any]) -> dict[str, Any]:
    """Masks and rotated boxes as COCO's polygons; keypoints as x, y and 2 (visible), or zeros for one hardly seen."""
    if "keypoints" in row:
        values = row["keypoints"]
        points = [(*values[n : n + 2], 2) if values[n + 2] >= _SEEN else (0, 0, 0) for n in range(0, len(values), 3)]
        num_seen = sum(point[2] > 0 for point in points)
        return {"keypoints": [each for point in points for each in point], "num_keypoints": num_seen}
    polygon = row.get("polygon") or row.get("corners")
    return {} if polygon is None else {"segmentation": [polygon]}


def _open_video(stem: Path, fps: float, picture: NDArray[np.uint8]) -> cv2.VideoWriter | None:
    """None where this OpenCV has no codec that it can write with."""
    size = (picture.shape[1], picture.shape[0])
    for suffix, codec in _VIDEO_KINDS:
        writer = cv2.VideoWriter(f"{stem}{suffix}", cv2.VideoWriter.fourcc(*codec), fps, size)
        if writer.isOpened():
            return writer
    return None
