"""Resolves what the hardware group left open, from the machine found; once per sweep, then frozen and recorded."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Iterable
from typing import Any

import torch

from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.devices import too_few_devices
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import AUTO_BATCH, HardwareConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.limits import default_num_threads, free_memory_bytes, usable_cores
from sdpa_exp.tasks.by_device import default_allocator, native_precisions
from sdpa_exp.tasks.image_cache import NO_CACHE

_MIB = 2**20
# What autograd keeps of one image of 640 px in a training step in fp32, by the letter of the scale: measured on a CPU
# with yolo12 and 8.4.190 at 160 px, times 16 (it grows with the area: 242 by 160 px, 247 by 320 px). yolo11n,
# yolo26n and yolov10n keep 208 to 259.
_KEPT_MIB = {"n": 242.0, "s": 470.0, "m": 930.0, "l": 1270.0, "x": 1900.0}
# A step's peak over what autograd keeps. With it yolo12n at 640 px in half precision gets 20 from 5 GiB free on and 24
# from 7 GiB on, the tiers that users ask for. A GPU has not measured it.
_PEAK_FACTOR = 2.0
_BATCHES = (1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64)
_CPU_BATCH = 16  # a larger one is no faster on a CPU, and changes the recipe
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chosen:
    """Hardware with nothing left open, and why each value that was chosen here is what it is."""

    hardware: HardwareConfig
    reasons: dict[str, str]


def image_mib(plan: Plan) -> float:
    """What a training step in fp32 keeps of one image, in MiB: by the model's scale, and by the area of an image."""
    found = re.search(r"\d+([nsmlx])\b|[-_]([nsmlx])\b", plan.model.architecture.removesuffix(".yaml"))
    kept = _KEPT_MIB[next(filter(None, found.groups()))] if found else _KEPT_MIB["l"]
    return kept * (plan.imgsz / 640) ** 2


def resolve_hardware(asked: HardwareConfig, *, images_mib: Iterable[float] = ()) -> HardwareConfig:
    """`choose_hardware` without its reasons."""
    return choose_hardware(asked, images_mib=images_mib).hardware


def choose_hardware(
    asked: HardwareConfig, *, images_mib: Iterable[float] = (), cache: tuple[str, str] = NO_CACHE
) -> Chosen:
    """Fill every `None` and `auto`, the batch by arithmetic; what was set stays. Each choice is one line of the log.

    Precision: bf16 from compute capability 8.0 on, fp16 on older GPUs, fp32 elsewhere: the fastest that the device
    computes natively, and the one that fused kernels take.

    Args:
        asked: what the plan says.
        images_mib: `image_mib` of every plan that shares the choice; the batch fits the hungriest of them.
        cache: what `choose_cache` says of these plans.

    Raises:
        ConfigError: the device asked for isn't there, or doesn't have the precision asked for.
    """
    device = find_device(asked.device)
    is_cuda = device.type == "cuda"
    precision, why_precision = (asked.precision, "set") if asked.precision else _best_precision(device)
    cores = usable_cores()
    found: dict[str, tuple[Any, str]] = {
        "batch": _batch(room_for(device, precision, max(images_mib, default=_KEPT_MIB["n"])), asked.devices),
        "workers": (
            (min(8, cores), f"one per usable core ({cores}), at most 8")
            if is_cuda
            else (0, "Ultralytics loads images in the training process where there is no CUDA device")
        ),
        "cache": cache,
        "precision": (precision, why_precision),
        "tf32": (
            is_cuda and torch.cuda.get_device_capability(device) >= (8, 0),
            "compute capability 8.0 and newer have it",
        ),
        "cudnn_benchmark": (False, "autotuning differs from run to run"),
        "channels_last": (is_cuda and os.name != "nt", "Ultralytics' own choice: on CUDA, but not under Windows"),
        "allocator": (default_allocator(device.type), "less fragmentation on CUDA, so that peaks compare"),
        "num_threads": (
            default_num_threads(),
            f"as Ultralytics: all usable cores ({cores}) but one, at most 8",
        ),
    }
    is_open = {key: getattr(asked, key) in (None, AUTO_BATCH) for key in found}
    filled = {key: pair for key, pair in found.items() if is_open[key] and pair[0] is not None}
    reasons = {key: why for key, (_, why) in filled.items()}
    if asked.device == "auto":
        reasons = {"device": "the first CUDA device, else Apple's MPS, else the CPU", **reasons}
    resolved = dataclasses.replace(asked, device=str(device), **{key: value for key, (value, _) in filled.items()})
    _check_count(resolved, device)
    _check(resolved, device)
    for key, why in reasons.items():
        if key != "batch" or asked.batch != AUTO_BATCH:  # that one is reckoned, and not yet measured
            _log.info("hardware.%s=%s: %s", key, getattr(resolved, key), why)
    return Chosen(hardware=resolved, reasons=reasons)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Room:
    """How many images a training step finds memory for, the most that are chosen however much there is, and why."""

    num_images: int
    most: int
    why: str


def room_for(device: torch.device, precision: str, kept_mib: float) -> Room:
    """The images whose training step fits into the memory that is free; `kept_mib` is `image_mib` of the plan."""
    if device.type == "cuda":
        free_mib, share, most = torch.cuda.mem_get_info(device)[0] / _MIB, 0.95, _BATCHES[-1]
        where = "free on the GPU"
    else:
        free_mib, share, most = free_memory_bytes() / _MIB, 0.5, _CPU_BATCH  # the rest is for files and other programs
        where = "free memory that this process may use"
    step_mib = kept_mib * _PEAK_FACTOR * (1.0 if precision == "fp32" else 0.5)
    why = (
        f"a step takes about {step_mib:.0f} MiB an image, and {share:.0%} of {free_mib / 1024:.1f} GiB {where} is used"
    )
    return Room(num_images=int(share * free_mib / step_mib), most=most, why=why)


def _batch(room: Room, num_devices: int) -> tuple[int, str]:
    """The largest batch of the ladder that finds room on each device, for all of them together."""
    batch = max((each for each in _BATCHES if each <= min(room.most, room.num_images)), default=1)
    each_of = "" if num_devices == 1 else f"; on each of {num_devices} devices"
    return batch * num_devices, f"{room.why}; at most {room.most}{each_of}"


def find_device(name: str) -> torch.device:
    """The torch device for `hardware.device`: auto takes the first CUDA device, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: CUDA or MPS was asked for and is not available, or has no such index.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")  # never run on MPS so far
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        index = device.index or 0
        if index >= count:
            raise ConfigError(
                f"hardware.device={name} is not there: PyTorch {torch.__version__} sees {count} CUDA device(s). "
                "Use hardware=auto or hardware=cpu, or check the driver with nvidia-smi."
            )
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("hardware.device=mps is not available on this machine; use hardware=cpu or hardware=auto.")
    return device


def _check_count(hardware: HardwareConfig, device: torch.device) -> None:
    if hardware.devices == 1 or (device.type == "cpu" and hardware.device == "cpu"):
        return
    count = torch.cuda.device_count()
    if device.type != "cuda" or (device.index or 0) + hardware.devices > count:
        raise ConfigError(too_few_devices(hardware, count))


def dtype_of(precision: str | None) -> torch.dtype:
    """The dtype that q, k and v have under a precision."""
    return DTYPES[precision or "fp32"]


def capability_of(device: torch.device) -> tuple[int, int] | None:
    """CUDA compute capability, None elsewhere."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else None


def base_setting(plan: Plan) -> Setting:
    """The plan's setting without a layer's head_dims."""
    device = torch.device(plan.hardware.device)
    return Setting(
        device_type=device.type,
        capability=capability_of(device),
        dtype=dtype_of(plan.hardware.precision),
        head_dim_qk=0,
        head_dim_v=0,
        deterministic=plan.determinism == "strict",
        compiled=bool(plan.train.compile),
    )


def _best_precision(device: torch.device) -> tuple[str, str]:
    capability = capability_of(device)
    best = native_precisions(capability)[-1]
    if capability is None:
        return best, "half precision is slow or unsupported in training without CUDA"
    return best, f"the fastest that compute capability {capability[0]}.{capability[1]} computes natively"


def _check(hardware: HardwareConfig, device: torch.device) -> None:
    if hardware.precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "hardware.precision=fp16 can't train on a CPU (no gradient scaling there): use hardware.precision=fp32."
        )
    capability = capability_of(device)
    if hardware.precision == "bf16" and capability is not None and "bf16" not in native_precisions(capability):
        major, minor = capability
        raise ConfigError(
            f"hardware.precision=bf16 is only emulated on this GPU (compute capability {major}.{minor}; native from "
            "8.0 on): use hardware.precision=fp16."
        )


def set_backends(hardware: HardwareConfig) -> None:
    """Process-wide switches of the hardware group. Ultralytics sets determinism itself, from train.deterministic."""
    torch.backends.cuda.matmul.allow_tf32 = bool(hardware.tf32)
    torch.backends.cudnn.allow_tf32 = bool(hardware.tf32)
    torch.backends.cudnn.benchmark = bool(hardware.cudnn_benchmark)


def set_up_process(plan: Plan) -> None:
    """Threads, switches and determinism of a process in which no Ultralytics trainer sets them."""
    torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
    set_backends(plan.hardware)
    if plan.determinism == "strict":  # only then: it imports the compiler, which takes seconds
        torch.use_deterministic_algorithms(True)
