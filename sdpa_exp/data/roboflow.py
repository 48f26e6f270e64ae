"""A data set of Roboflow: fetched once with a key from the environment, counted, and kept in the cache.

Source of the API: docs.roboflow.com, and roboflow-python's version.py: GET /workspace/project/version/format answers
200 with a link to a zip file, 202 while that is being made.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdpa_exp.config.credentials import redact
from sdpa_exp.config.schema import RoboflowDataset
from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.dataset_digest import NO_LABEL, content_digest, file_digest
from sdpa_exp.data.fetch import UnreachableError, ask, fetch
from sdpa_exp.data.yolo_source import YoloSource, find_source
from sdpa_exp.data.zip_file import fault_of, inner_folder, unpack
from sdpa_exp.errors import DatasetError

KEY_VARIABLE = "ROBOFLOW_API_KEY"
_DIGEST_FILE = ".digest"
_FORMAT = "yolov8"  # Ultralytics' format, in Roboflow's words
_MAX_WAIT_S, _PERIOD_S = 600.0, 2.0  # while Roboflow makes the zip file
_log = logging.getLogger(__name__)


def roboflow_folder(dataset: RoboflowDataset, cache: Path) -> Path:
    """The folder in the cache that has the data set, fetched first where it isn't there.

    Raises:
        DatasetError: there is no key, or Roboflow refuses it; the project isn't there; other data came.
    """
    folder = cache / "roboflow" / f"{dataset.workspace}-{dataset.project}-{dataset.version}"
    build_once(folder, build=lambda draft: _fetch(dataset, draft), fault_of=fault_of)
    came = (folder / _DIGEST_FILE).read_text(encoding="utf-8")
    if dataset.digest not in (None, came):
        raise DatasetError(
            f"{folder} has the digest {came}: expected dataset.digest={dataset.digest}. Remove the folder to fetch it "
            "again, or set dataset.digest=null to accept it."
        )
    return inner_folder(folder)


def _fetch(dataset: RoboflowDataset, draft: Path) -> None:
    name = f"{dataset.workspace}/{dataset.project}, version {dataset.version}"
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise DatasetError(
            f"{KEY_VARIABLE} is not set, and {name} of Roboflow is not in the cache {draft.parent}: expected the API "
            f"key of your Roboflow account in the environment (export {KEY_VARIABLE}=...). {_by_hand(dataset)}"
        )
    _log.info("fetching %s from Roboflow", name)
    archive = draft / ".roboflow.zip"
    try:
        fetch(_link(dataset, key), archive)
    except UnreachableError as error:
        step = "" if str(error).endswith(".") else f". {_by_hand(dataset)}"
        raise DatasetError(redact(f"{name} of Roboflow wasn't fetched: {error}{step}", key)) from None
    try:
        unpack(archive, draft)
    except DatasetError as error:
        cause = str(error).replace(str(archive), "what came")
        raise DatasetError(f"{name} of Roboflow wasn't fetched: {cause} Nothing was kept.") from None
    archive.unlink()
    digest = _verified(dataset, name, find_source(inner_folder(draft)))
    (draft / _DIGEST_FILE).write_text(digest, encoding="utf-8")


def _link(dataset: RoboflowDataset, key: str) -> str:
    """Where the zip file is, when Roboflow has made it.

    Raises:
        UnreachableError: without an answer in time.
        DatasetError: the key, the project or the version isn't known.
    """
    parts = (dataset.workspace, dataset.project, str(dataset.version), _FORMAT)
    address = f"{dataset.api.rstrip('/')}/{'/'.join(quote(part, safe='') for part in parts)}"
    began_s = time.monotonic()
    while True:
        try:
            status, body = ask(f"{address}?api_key={quote(key, safe='')}")
        except UnreachableError as error:
            raise _refused(dataset, error, key) or error from None
        content = _object(body)
        link = content.get("export", {}).get("link") if isinstance(content.get("export"), dict) else None
        if link:
            return str(link)
        if status != 202:
            raise UnreachableError(f"{dataset.api} answered HTTP {status} without a link to a zip file")
        if time.monotonic() - began_s > _MAX_WAIT_S:
            raise UnreachableError(
                f"Roboflow is still making its zip file after {_MAX_WAIT_S:.0f} s: run the command later."
            )
        time.sleep(_PERIOD_S)


def _refused(dataset: RoboflowDataset, error: UnreachableError, key: str) -> DatasetError | None:
    """What an error of the API means, with its own words."""
    content = _object(error.body).get("error") or _object(error.body).get("message") or ""
    message = content.get("message", "") if isinstance(content, dict) else content
    said = f" (it says: {redact(' '.join(str(message).split()), key)[:200]})" if message else ""
    if error.status in (401, 403):
        return DatasetError(
            f"Roboflow refuses the key in {KEY_VARIABLE}{said}: expected the private API key of an account that may "
            f"see {dataset.workspace}/{dataset.project}. Copy it again from the settings of your workspace."
        )
    if error.status == 404:
        return DatasetError(
            f"Roboflow has no {dataset.workspace}/{dataset.project}, version {dataset.version}, for this key{said}: "
            "check dataset.workspace, dataset.project and dataset.version against the address of its page."
        )
    return None


def _verified(dataset: RoboflowDataset, name: str, source: YoloSource) -> str:
    """The digest of what came, when that and the counts are as the setting has them.

    Raises:
        DatasetError: they aren't.
    """
    counts = {split: len(found.pictures) for split, found in source.splits.items()}
    for split, expected in (("train", dataset.num_train_images), ("val", dataset.num_val_images)):
        if expected is not None and counts[split] != expected:
            raise DatasetError(
                f"{name} of Roboflow came with {counts[split]:,} {split} images: expected {expected:,}. Nothing was "
                f"kept; if its owner has changed it, set dataset.num_{split}_images={counts[split]}."
            )
    lines = [
        (split, each.name, file_digest(each.image), file_digest(each.label) if each.label.is_file() else NO_LABEL)
        for split, found in source.splits.items()
        for each in found.pictures
    ]
    digest = content_digest(source.class_names or (), lines)
    if dataset.digest is not None and digest != dataset.digest:
        raise DatasetError(
            f"{name} of Roboflow came with the digest {digest}: expected {dataset.digest}. Nothing was kept; set "
            "dataset.digest=null to accept it."
        )
    known = "as asked for" if dataset.digest else f"dataset.digest={digest} makes sure of the same elsewhere"
    _log.info("%s: %d train and %d val images; %s", name, counts["train"], counts["val"], known)
    return digest


def _by_hand(dataset: RoboflowDataset) -> str:
    return (
        "Or fetch it elsewhere, as a zip file in the format YOLOv8, from universe.roboflow.com/"
        f"{dataset.workspace}/{dataset.project}/dataset/{dataset.version}, and use dataset=yolo_dir "
        "dataset.path=THE_ZIP_FILE."
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
