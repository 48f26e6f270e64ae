"""The one way into this package: a typed data set setting in, a checked data set out."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.config.schema import SyntheticDataset, YoloDirDataset
from sdpa_exp.data.cache import cache_root
from sdpa_exp.data.prepared import PreparedDataset
from sdpa_exp.data.synthetic import prepare_synthetic
from sdpa_exp.data.yolo_dir import prepare_yolo_dir


def prepare(dataset: SyntheticDataset | YoloDirDataset, *, cache_dir: Path | None = None) -> PreparedDataset:
    """Check a data set, or render it, and say where Ultralytics finds it.

    Nothing is written outside the cache folder. Several processes may call this at the same time.

    Raises:
        DatasetError: the data set is missing, empty or malformed, or the cache can't be written.
    """
    cache = (cache_dir or cache_root()).absolute()
    if isinstance(dataset, SyntheticDataset):
        return prepare_synthetic(dataset, cache)
    return prepare_yolo_dir(dataset.path, cache)
