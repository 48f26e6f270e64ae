"""What `hardware=X` is measured by on this box: facts of its device, and what `hardware=auto` would choose there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.limits import usable_cores
from sdpa_exp.tasks.hardware import capability_of, choose_hardware, find_device, image_mib, room_for
from sdpa_exp.tasks.image_cache import asks_for_determinism


def fit_of(plan: Plan) -> dict[str, Any]:
    """The facts as plain values.

    Returns:
        num_cores (usable), deterministic (whether training shall repeat itself); with the device there also device,
        capability, auto (all that hardware=auto would choose on it), num_images (the largest batch that finds memory in
        the precision asked for, by the arithmetic of hardware=auto) and why.
    """
    facts = {"num_cores": usable_cores(), "deterministic": asks_for_determinism(plan), "device": None}
    try:
        device = find_device(plan.hardware.device)
    except ConfigError:
        return facts
    kept_mib = image_mib(plan)
    auto = choose_hardware(HardwareConfig(name="auto", device=str(device)), images_mib=[kept_mib]).hardware
    room = room_for(device, plan.hardware.precision or auto.precision or "fp32", kept_mib)
    return facts | {
        "device": str(device),
        "capability": capability_of(device),
        "auto": asdict(auto),
        "num_images": room.num_images,
        "why": room.why,
    }
