"""`hardware.devices`: several devices in one run, each with a process of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sdpa_exp.config.refusing import at_least, refuse
from sdpa_exp.config.schema import AUTO_BATCH, HardwareConfig

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan
    from sdpa_exp.config.task import Task

_AUTO = "auto"  # of attention


def devices_of(hardware: HardwareConfig) -> list[str]:
    """The devices of a run by their names in torch, rank 0's first; a CPU is one, however many processes share it."""
    kind, _, index = hardware.device.partition(":")
    if kind != "cuda":
        return [hardware.device]
    return [f"cuda:{num}" for num in range(int(index or 0), int(index or 0) + hardware.devices)]


def too_few_devices(hardware: HardwareConfig, num_seen: int) -> str:
    """The sentence where `hardware.devices` asks for more GPUs than there are."""
    first = hardware.device.partition(":")[2]
    where = f" from hardware.device={hardware.device} on" if first else ""
    return (
        f"hardware.devices={hardware.devices} asks for {hardware.devices} GPUs{where}, and {num_seen} CUDA device(s) "
        f"are seen here: expected at least as many. Set hardware.devices=1, or check the driver with nvidia-smi, and "
        f"CUDA_VISIBLE_DEVICES. On a CPU, hardware.device=cpu trains in as many processes, as a trial."
    )


def check_devices(plan: Plan, task: Task) -> None:
    """What can't be done by several processes together is refused, rather than done by each for itself.

    Raises:
        ConfigError: one sentence about the first of it.
    """
    hardware, next_step = plan.hardware, "Set hardware.devices=1."
    if re.fullmatch(r"(cuda:)?\d+(,(cuda:)?\d+)+", hardware.device):
        refuse(
            "hardware.device",
            hardware.device,
            "the first device",
            "For two in one run write cuda:0, and hardware.devices=2.",
        )
    at_least("hardware.devices", hardware.devices, 1, next_step)
    if hardware.devices == 1:
        return
    num, batch = hardware.devices, hardware.batch_size or hardware.devices
    num_val_images = getattr(plan.dataset, "num_val_images", None) or num  # of other data sets the worker counts them
    for is_wrong, key, value, expected, step in (
        (not task.trains, "hardware.devices", num, f"1 with task={plan.task.name}, which uses one", next_step),
        (hardware.device == "mps", "hardware.devices", num, "1 with hardware.device=mps", next_step),
        (hardware.batch == AUTO_BATCH, "hardware.batch", AUTO_BATCH,
         "a number with several devices, since trial steps use one", next_step),
        (batch % num, "hardware.batch", hardware.batch, f"a multiple of hardware.devices={num}, which share it",
         f"Set hardware.batch={max(1, batch // num) * num}."),
        (num_val_images < num, "dataset.num_val_images", num_val_images,
         f"{num} or more, one for each process of hardware.devices={num}", next_step),
        (plan.on_nan == "continue", "on_nan", plan.on_nan,
         "fail with several devices, which have to leave out the same batches", next_step),
        (plan.attention.backend == _AUTO, "attention", _AUTO,
         "a named one with several devices, each of which would choose", next_step),
        (plan.train.rect, "train.rect", "true", "false with several devices, for which Ultralytics turns it off",
         next_step),
    ):  # fmt: skip
        if is_wrong:
            refuse(key, value, expected, step)
