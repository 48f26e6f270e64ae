"""What a command names is looked for before anything starts: weights, data set, device; in seconds, without torch."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdpa_exp.config.architectures import is_downloadable
from sdpa_exp.config.devices import too_few_devices
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import AnyDataset, HardwareConfig, SyntheticDataset
from sdpa_exp.config.task import load_task
from sdpa_exp.data.cache import cache_root
from sdpa_exp.data.sources import require_data
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.cuda_devices import visible_gpus

_PICKLE = b"\x80"  # first byte of a checkpoint before PyTorch 1.6


def require_named(plans: Sequence[Plan], *, is_here: bool = True) -> None:
    """Look for the files, data sets and devices that these plans name, each once.

    Args:
        plans: of a run or a sweep.
        is_here: they run on this machine; else its devices are not theirs.

    Raises:
        ConfigError: weights that are no checkpoint or not there, or a device that this machine has not.
        DatasetError: a data set that is not there and can't be fetched, or names what is not there.
    """
    plans = [plan for plan in plans if not ((task := load_task(plan)).in_parent or task.examines)]
    for key, weights in dict.fromkeys(pair for plan in plans for pair in _weights_of(plan)):
        _require_checkpoint(key, weights)
    asked = {
        json.dumps([dataclasses.asdict(plan.dataset), plan.train.split, plan.purpose.name]): plan for plan in plans
    }
    for plan in asked.values():
        with _progress_of_data():
            require_data(_data_of(plan), plan.train.split, plan.purpose, cache_root())
    for device in dict.fromkeys(plan.hardware.device for plan in plans if is_here):
        _require_device(device)
    for hardware in (plan.hardware for plan in plans if is_here and plan.hardware.devices > 1):
        _require_devices(hardware)


def _data_of(plan: Plan) -> AnyDataset:
    """The data set; what is bad in it is no reason to refuse task=data, which is there to show it."""
    if plan.task.name != "data" or isinstance(plan.dataset, SyntheticDataset):
        return plan.dataset
    return dataclasses.replace(plan.dataset, on_bad="drop")


def _weights_of(plan: Plan) -> list[tuple[str, str]]:
    named = {"model.weights": plan.model.weights}
    named |= {f"{plan.task.name}.{key}": value for key, value in plan.options.items() if key.endswith("weights")}
    return [(key, value) for key, value in named.items() if value]


def _require_checkpoint(key: str, weights: str) -> None:
    if "://" in weights or (not Path(weights).exists() and is_downloadable(weights)):
        return
    step = f"Set {key} to the train/weights/best.pt of a run folder"
    if not Path(weights).is_file():
        raise ConfigError(
            f"{key}={weights} is no file: expected a checkpoint, or a name that Ultralytics downloads, such as "
            f"yolo12n.pt. {step}; a relative path starts in the current folder."
        )
    if not _is_checkpoint(Path(weights)):
        raise ConfigError(
            f"{key}={weights} is no checkpoint of PyTorch: expected one such as best.pt. {step}; if it is one, it is "
            "empty or was cut off, and has to be copied again."
        )


def _is_checkpoint(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        with path.open("rb") as file:
            return file.read(1) == _PICKLE


@contextmanager
def _progress_of_data() -> Iterator[None]:
    """What may take long, a conversion or a download, is said on the screen: this process shows no log else."""
    logger, handler = logging.getLogger("sdpa_exp.data"), logging.StreamHandler(sys.stdout)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _require_device(device: str) -> None:
    """The worker's PyTorch has the last word; here is what can be said without it."""
    if device == "mps" and sys.platform != "darwin":
        raise ConfigError("hardware.device=mps is Apple's, and this is no Mac: use hardware=auto or hardware=cpu.")
    seen = visible_gpus() if device.startswith("cuda") else None
    if seen is not None and int(device.partition(":")[2] or 0) >= len(seen):
        raise ConfigError(
            f"hardware.device={device} is not there: the NVIDIA driver shows {len(seen)} CUDA device(s) here. "
            "Use hardware=auto or hardware=cpu, or check the driver with nvidia-smi, and CUDA_VISIBLE_DEVICES."
        )


def _require_devices(hardware: HardwareConfig) -> None:
    seen = None if hardware.device == "cpu" else visible_gpus()
    if seen is not None and int(hardware.device.partition(":")[2] or 0) + hardware.devices > len(seen):
        raise ConfigError(too_few_devices(hardware, len(seen)))
