"""A batch of a data set's own images, as Ultralytics validates them: resized, padded to squares, with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sdpa_exp.errors import DatasetError


def real_batch(
    data_yaml: Path, *, imgsz: int, num_images: int, device: torch.device, purpose: str = "detect"
) -> dict[str, Any]:
    """The first images of the val split, spread over it.

    Args:
        data_yaml: of a prepared data set; the folder of one with a folder for each class.
        imgsz: edge in pixels.
        num_images: fewer where the split has fewer.
        device: where tensors go.
        purpose: Ultralytics' task, which says what labels come with the images.

    Returns:
        An Ultralytics batch: "img" (B, 3, H, W) from 0 to 1 in fp32, "cls", and but for classify "bboxes", "batch_idx",
        "masks" (segment), "keypoints" (pose).

    Raises:
        DatasetError: the split can't be loaded.
    """
    dataset = _val_split(data_yaml, imgsz=imgsz, num_images=num_images, purpose=purpose)
    count = min(num_images, len(dataset))
    chosen = [index * len(dataset) // count for index in range(count)]
    collate = getattr(dataset, "collate_fn", torch.utils.data.default_collate)
    batch = collate([dataset[index] for index in chosen])
    batch = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    if batch["img"].dtype == torch.uint8:  # images to classify come normalised
        batch["img"] = batch["img"].float() / 255
    if "masks" in batch:
        batch["masks"] = batch["masks"].float()
    return batch


def val_images(data_yaml: Path, *, purpose: str = "detect") -> list[Path]:
    """The image files of the val split, as Ultralytics finds them.

    Raises:
        DatasetError: the split can't be loaded.
    """
    return _files_of(_val_split(data_yaml, imgsz=640, num_images=1, purpose=purpose))


def _files_of(dataset: Any) -> list[Path]:
    files = [sample[0] for sample in dataset.samples] if hasattr(dataset, "samples") else dataset.im_files
    return [Path(file) for file in files]


def write_example(dataset: Any, path: Path, *, imgsz: int) -> None:
    """The first image of a split as a JPEG, scaled down to what a model of this size sees.

    Args:
        dataset: Ultralytics' data set of the split.
        path: of the JPEG.
        imgsz: edge in pixels.
    """
    import cv2

    image = cv2.imread(str(_files_of(dataset)[0]))
    if image is not None:  # OpenCV has no reader for some that Ultralytics takes
        scale = min(1.0, imgsz / max(image.shape[:2]))
        cv2.imwrite(str(path), cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _val_split(data_yaml: Path, *, imgsz: int, num_images: int, purpose: str) -> Any:
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.dataset import ClassificationDataset
    from ultralytics.data.utils import check_cls_dataset, check_det_dataset

    config = get_cfg(overrides={"task": purpose, "imgsz": imgsz, "data": str(data_yaml)})
    try:
        if purpose == "classify":
            data = check_cls_dataset(data_yaml)
            return ClassificationDataset(data["val"], config, names=data["names"])
        data = check_det_dataset(str(data_yaml), autodownload=False)
        return build_yolo_dataset(config, data["val"], num_images, data, mode="val")
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"the val split of {data_yaml} can't be loaded: {error}.") from error
