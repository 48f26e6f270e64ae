"""The one way into this package: a typed data set setting in, a checked data set out."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.config.schema import AnyDataset, SyntheticDataset
from sdpa_exp.data.cache import cache_root
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.data.subset import rendered_part
from sdpa_exp.data.synthetic_field.write_field import prepare_synthetic
from sdpa_exp.data.yolo_dir import prepare_yolo_dir
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import DETECT, Purpose

_ahead: dict[str, PreparedDataset] = {}
"""What was prepared ahead, until it is asked for."""


def prepare_ahead(dataset: AnyDataset, *, split: str | None, purpose: Purpose) -> None:
    """Prepare a data set before slow libraries are imported; the next `prepare` that asks for the same takes it.

    Raises:
        DatasetError: as `prepare`.
    """
    _ahead[_key(dataset, split, purpose, None)] = prepare(dataset, split=split, purpose=purpose)


def prepare(
    dataset: AnyDataset,
    *,
    split: str | None = None,
    purpose: Purpose = DETECT,
    cache_dir: Path | None = None,
) -> PreparedDataset:
    """Check a data set, or render it, and say where Ultralytics finds it.

    Nothing is written outside the cache folder. Several processes may call this at the same time.

    Args:
        dataset: which.
        split: what `train.split` asks for; it is there with train and val.
        purpose: of the model that trains on it: boxes, masks, ...
        cache_dir: None takes the user's.

    Raises:
        DatasetError: the data set is missing, empty or malformed, or the cache can't be written.
    """
    ahead = _ahead.pop(_key(dataset, split, purpose, cache_dir), None)
    if ahead is not None:
        return ahead
    cache = (cache_dir or cache_root()).absolute()
    if isinstance(dataset, SyntheticDataset):
        if split == "test":
            raise DatasetError(
                "train.split=test asks for a test split, and dataset=synthetic has train and val. Leave train.split "
                "out, or use data of your own with a 'test:' line: dataset=yolo_dir."
            )
        return prepare_synthetic(rendered_part(dataset), cache, purpose)
    return prepare_yolo_dir(dataset, cache, split, purpose=purpose)


def _key(dataset: AnyDataset, split: str | None, purpose: Purpose, cache_dir: Path | None) -> str:
    return repr((dataset, split, purpose.name, cache_dir))
