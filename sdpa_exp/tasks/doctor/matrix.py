"""What a plan meets on this box: the facts that its hardware group is measured by, and which backend runs where."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from typing import Any

import torch

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.pytorch_kernels import expected_kernel
from sdpa_exp.attention.registry import BACKENDS, check, get_backend
from sdpa_exp.attention.requirements import Package, Setting, reasons_against
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import BackendUnavailable, ConfigError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.inject import no_layers
from sdpa_exp.injection.layers import find_layers, settings_of
from sdpa_exp.runs.limits import usable_cores
from sdpa_exp.tasks.by_device import native_precisions
from sdpa_exp.tasks.hardware import (
    base_setting,
    capability_of,
    choose_hardware,
    find_device,
    image_mib,
    resolve_hardware,
    room_for,
)
from sdpa_exp.tasks.image_cache import asks_for_determinism

_PRECISIONS = ("fp32", "bf16", "fp16")
# GPUs in the order of how likely someone has one: the first whose capability suffices is the answer.
_GPUS = (((7, 5), "a T4 or RTX 20"), ((8, 0), "an A100, RTX 30 or newer"), ((9, 0), "an H100 or newer"))


def availability(plan: Plan) -> dict[str, Any]:
    """The matrix for the plan's model on the plan's device, as plain values.

    Returns:
        device, precision, batch (resolved), shapes ([heads, head_dim of q and k, of v]), backends: name -> {caveat,
        step, precisions: name -> {kernel, reasons}}, and chosen: the reasons against the plan's own arm.

    Raises:
        ConfigError: the device isn't there, or doesn't have the precision.
        InjectionError: the model has no layers.
        BackendUnavailable: there is no such backend.
    """
    hardware = resolve_hardware(plan.hardware, images_mib=[image_mib(plan)])
    device = torch.device(hardware.device)
    network = build_network(plan.model.architecture)
    layers = find_layers(network)
    if not layers:
        raise no_layers(network, f"model={plan.model.name}")
    shapes = list(dict.fromkeys((layer.num_heads, layer.head_dim_qk, layer.head_dim_v) for layer in layers))
    base = base_setting(dataclasses.replace(plan, hardware=hardware))
    settings = list(dict.fromkeys(settings_of(layers, dataclasses.replace(base, dtype=torch.float32))))
    chosen = get_backend(plan.attention.backend)
    row = plan.attention.backend if plan.attention.backend in BACKENDS else plan.arm
    table = {name: _row(name, settings) for name in BACKENDS}
    table |= {name: _row(backend, settings) for name, backend in plan.attentions.items()}
    table |= {row: _row(plan.attention.backend, settings)}
    precision = hardware.precision or "fp32"
    return {
        "device": str(device),
        "precision": precision,
        "batch": hardware.batch,
        "model": plan.model.name,
        "num_layers": len(layers),
        "shapes": [list(shape) for shape in shapes],
        "untrainable": _untrainable(device.type, capability_of(device)),
        "backends": table,
        "chosen": {
            "arm": plan.arm,
            "backend": row,
            "reasons": table[row]["precisions"][precision]["reasons"],
            "step": step_for(chosen, [_in(setting, precision) for setting in settings]),
        },
    }


def step_for(backend: Backend, settings: list[Setting]) -> str | None:
    """The one step that would make a backend run: a package, another precision, a GPU; None where it runs already."""
    if not check(backend, *settings):
        return None
    packages = _missing_packages(backend)
    if packages and settings[0].device_type in backend.requirements.dtypes:
        return packages[0].install
    hopeless = _untrainable(settings[0].device_type, settings[0].capability)
    for name in DTYPES:
        if name not in hopeless and not check(backend, *(_in(setting, name) for setting in settings)):
            return f"hardware.precision={name}"
    for capability, words in _GPUS:
        for name, in_words in (("fp32", ""), ("bf16", " in bf16 or fp16"), ("fp16", " in fp16")):
            there = [dataclasses.replace(_in(s, name), device_type="cuda", capability=capability) for s in settings]
            left = {reason for setting in there for reason in reasons_against(backend.requirements, setting)}
            if all(any(package.name in reason for package in packages) for reason in left):
                then = f", then {packages[0].install}" if packages else ""
                return f"a CUDA GPU{in_words}: {words} (compute capability {capability[0]}.{capability[1]}){then}"
    return None


def _missing_packages(backend: Backend) -> list[Package]:
    """What a backend is made of and is not installed, or is too old."""
    ideal = Setting(
        device_type="cuda", capability=(9, 0), dtype=torch.bfloat16, head_dim_qk=64, head_dim_v=64, needs_grad=False
    )
    reasons = reasons_against(backend.requirements, ideal)
    return [package for package in backend.requirements.packages if any(package.name in reason for reason in reasons)]


def _row(name: str, settings: list[Setting]) -> dict[str, Any]:
    """One backend by its name or reference; one that can't be imported has the reason in every precision."""
    device_type = settings[0].device_type
    try:
        backend = get_backend(name)
    except BackendUnavailable:
        entry = {"reasons": check(name), "kernel": None}
        return {
            "summary": "",
            "caveat": None,
            "step": None,
            "precisions": dict.fromkeys(("fp32", "bf16", "fp16"), entry),
        }
    precisions: dict[str, Any] = {}
    for precision in _PRECISIONS:
        here = [_in(setting, precision) for setting in settings]
        reasons = check(backend, *here)
        kernels = sorted({str(k) for k in (expected_kernel(backend, setting) for setting in here) if k})
        precisions[precision] = {"reasons": reasons, "kernel": None if reasons else " and ".join(kernels) or None}
    runs = any(not entry["reasons"] for entry in precisions.values())  # even where no training has that precision
    return {
        "summary": backend.summary,
        "caveat": backend.caveat(device_type) if runs and name in BACKENDS else None,
        "step": None if runs else step_for(backend, [_in(setting, "fp32") for setting in settings]),
        "precisions": precisions,
    }


def _untrainable(device_type: str, capability: tuple[int, int] | None) -> dict[str, str]:
    """Precisions that no training has on such a device, whatever the backend: hardware.py refuses them."""
    if device_type == "cpu":
        return {"fp16": "fp16 can't train on a CPU (no gradient scaling there)"}
    if capability is not None and "bf16" not in native_precisions(capability):
        return {"bf16": "bf16 is only emulated before compute capability 8.0"}
    return {}


def _in(setting: Setting, precision: str) -> Setting:
    return dataclasses.replace(setting, dtype=DTYPES[precision])


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
