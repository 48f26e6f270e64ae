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
    if not task.trains:
        refuse("hardware.devices", hardware.devices, f"1 with task={plan.task.name}, which uses one", next_step)
    if hardware.device == "mps":
        refuse("hardware.devices", hardware.devices, "1 with hardware.device=mps", next_step)
    if hardware.batch == AUTO_BATCH:
        refuse("hardware.batch", AUTO_BATCH, "a number with several devices, since trial steps use one", next_step)
    if hardware.batch_size is not None and hardware.batch_size % hardware.devices:
        wanted = f"a multiple of hardware.devices={hardware.devices}, which share it"
        batch = max(1, hardware.batch_size // hardware.devices) * hardware.devices
        refuse("hardware.batch", hardware.batch, wanted, f"Set hardware.batch={batch}.")
    if plan.on_nan == "continue":
        refuse("on_nan", plan.on_nan, "fail with several devices, which have to leave out the same batches", next_step)
    if plan.attention.backend == _AUTO:
        refuse("attention", _AUTO, "a named one with several devices, each of which would choose", next_step)
    if plan.train.rect:
        refuse("train.rect", "true", "false with several devices, for which Ultralytics turns it off", next_step)
