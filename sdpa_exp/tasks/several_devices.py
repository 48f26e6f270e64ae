"""A training in several processes: the device of each, and what its first one records of the others."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from sdpa_exp.config.devices import devices_of
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.ranks import hear, num_ranks, rank, tell


def own_device(hardware: HardwareConfig) -> torch.device:
    """This process's, which is the current one from here on."""
    devices = devices_of(hardware)
    device = torch.device(devices[rank() % len(devices)])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def require_val_images(hardware: HardwareConfig, num_val_images: int) -> None:
    """Refuse a data set of which a process would have no image to validate, and so nothing to attest.

    Raises:
        DatasetError: there are fewer val images than processes.
    """
    if num_val_images < hardware.devices:
        raise DatasetError(
            f"the data set has {num_val_images} val image(s), and hardware.devices={hardware.devices} has as many "
            f"processes validate: expected {hardware.devices} or more. Set hardware.devices=1, or take more val images."
        )


def meet(outcome: Outcome) -> None:
    """At the end of a training: the first process takes attestation, memory and warnings of the others into its own.

    `memory` gets `<phase> (process 2)`, `peak_memory_mib` is the largest of any; `attestation["ranks"]` has the
    summaries of the others, each of which has refused a wrong one before it came here.
    """
    if rank() > 0:
        tell(
            f"end/{rank()}", {"attestation": outcome.attestation, "memory": outcome.memory, "metrics": outcome.metrics}
        )
    else:
        others: list[dict[str, Any]] = [hear(f"end/{number}") for number in range(1, num_ranks())]
        for number, other in enumerate(others, start=2):
            outcome.memory.update({f"{phase} (process {number})": peaks for phase, peaks in other["memory"].items()})
        peaks = [outcome.metrics.get("peak_memory_mib"), *(other["metrics"].get("peak_memory_mib") for other in others)]
        outcome.metrics["peak_memory_mib"] = None if None in peaks else max(peak for peak in peaks if peak is not None)
        if outcome.attestation is not None:
            outcome.attestation["ranks"] = [other["attestation"] for other in others]
    if dist.is_initialized():
        dist.destroy_process_group()
