"""Chooses a backend for every layer of a model by timing the layers themselves, before a training.

A kind of layer is timed as a whole module (convolutions, copies and product), since layouts cost time too: with each
backend that can run there, stock included, forward and forward+backward, interleaved round by round after a
warm-up, and the medians compared. `sdpa` is left out where the kernel it would pick is timed pinned: two names for
one kernel would only let noise choose.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import autocast_to, dtype_name
from sdpa_exp.attention.pytorch_kernels import expected_kernel
from sdpa_exp.attention.registry import BACKENDS, check
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.auto_choice import AutoChoice, KeyChoice, Timing, read_choice, write_choice
from sdpa_exp.injection.dispatch import ATTRIBUTE, install_dispatcher
from sdpa_exp.injection.inject import describe
from sdpa_exp.injection.layers import Layer, family_of, find_layers, settings_of
from sdpa_exp.injection.seen_call import SeenCall, note_call
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.interleaved import Rounds

MIN_ROUNDS, MAX_ROUNDS = 4, 30
BUDGET_S = 2.0
"""Per kind of layer, all its backends together: decides the number of rounds."""


def choose(
    network: nn.Module,
    setting: Setting,
    *,
    device: torch.device,
    batch: int,
    imgsz: int,
    channels_last: bool = False,
    driver: str | None = None,
    folder: Path | None = None,
) -> AutoChoice:
    """The fastest backend for every layer of a network, with the timings that say so.

    Args:
        network: not changed; a copy of it is timed.
        setting: device, precision, gradient, determinism and torch.compile; its head_dims are replaced by each layer's.
        device: where the model will run.
        batch: number of images.
        imgsz: their side in pixels.
        channels_last: the images' and weights' memory format.
        driver: version of the GPU driver, a part of what a kept choice is valid for.
        folder: where choices are kept; None keeps and reads none.

    Raises:
        InjectionError: the network has no layers.
    """
    if not find_layers(network):
        raise InjectionError(f"{describe(network)} has no attention layers, so auto has nothing to choose.")
    trial = copy.deepcopy(network).to(device).train(setting.needs_grad)
    if channels_last:
        trial = trial.to(memory_format=torch.channels_last)
    kinds = _kinds(trial, setting, device, batch=batch, imgsz=imgsz, channels_last=channels_last)
    machine = _machine(device, driver)
    path = folder / f"auto-{_digest(machine, list(kinds))}.json" if folder is not None else None
    kept = read_choice(path) if path is not None else None
    names = {layer.name for _, layers in kinds.values() for layer in layers}
    if kept is not None and set(kept.backends) == names:
        return kept
    choice = AutoChoice(
        machine=machine, keys=tuple(_choose_one(key, *kind, setting, device) for key, kind in kinds.items())
    )
    if path is not None:
        write_choice(path, choice)
    return choice


def _kinds(
    network: nn.Module, setting: Setting, device: torch.device, *, batch: int, imgsz: int, channels_last: bool
) -> dict[str, tuple[SeenCall, list[Layer]]]:
    """The layers by kind, which is same family, dimensions and input; each kind with its first call."""
    kinds: dict[str, tuple[SeenCall, list[Layer]]] = {}

    def note(layer: Layer, seen: SeenCall) -> None:
        layers = kinds.setdefault(_key(layer, seen.x, setting), (seen, []))[1]
        if layer not in layers:
            layers.append(layer)

    ends = [note_call(layer.module, partial(note, layer)) for layer in find_layers(network)]
    images = torch.rand(batch, 3, imgsz, imgsz, device=device)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), autocast_to(setting.dtype, device.type):
        network(images)
    for end in ends:
        end()
    return kinds


def _key(layer: Layer, x: Tensor, setting: Setting) -> str:
    areas = getattr(layer.module, "area", 1)
    uses = [word for word in ("deterministic", "compiled") if getattr(setting, word)]
    return " ".join(
        [
            layer.family,
            f"heads={layer.num_heads} head_dim={layer.head_dim_qk}/{layer.head_dim_v} areas={areas}",
            f"input={'x'.join(map(str, x.shape))} strides={'x'.join(map(str, x.stride()))}",
            f"dtype={dtype_name(setting.dtype)} {'grad' if setting.needs_grad else 'no grad'}",
            *uses,
        ]
    )


def _choose_one(key: str, seen: SeenCall, layers: list[Layer], setting: Setting, device: torch.device) -> KeyChoice:
    layer = layers[0]
    [here] = settings_of([layer], setting)
    refused: dict[str, list[str]] = {}
    for name in _candidates():
        reasons = check(name, here)
        if reasons or not BACKENDS[name].is_softmax:
            refused[name] = reasons or ["it computes another attention than softmax"]
    able = [name for name in _candidates() if name not in refused]
    chosen_by_pytorch = expected_kernel(BACKENDS["sdpa"], here)
    if "sdpa" in able and chosen_by_pytorch in able:
        able.remove("sdpa")
        refused["sdpa"] = [f"it is {chosen_by_pytorch} here, which is timed under that name"]
    timings = _time(layer, seen, able, setting, device)
    best = min(timings, key=lambda timing: timing.step_ms if timing.step_ms is not None else timing.forward_ms)
    return KeyChoice(
        key=key,
        layers=tuple(layer.name for layer in layers),
        backend=best.backend,
        timings=tuple(timings),
        refused=refused,
    )


def _candidates() -> list[str]:
    """All but auto itself, stock_fixed (stock and one more copy), and those that hold for a whole process."""
    return [
        name
        for name, backend in BACKENDS.items()
        if name != AUTO_NAME and backend.around is None and not (backend.kernels or frozenset()) & {"flash3", "flash4"}
    ]


def _time(layer: Layer, seen: SeenCall, backends: list[str], setting: Setting, device: torch.device) -> list[Timing]:
    """Medians of all cores at one layer, interleaved round by round."""
    module = layer.module
    family = family_of(module)
    assert family is not None
    install_dispatcher(type(module), family.forward)
    data = torch.empty_strided(seen.x.shape, seen.x.stride(), device=device, dtype=seen.x.dtype)
    data.copy_(torch.randn_like(data))

    def forward() -> Tensor:
        with torch.no_grad(), autocast_to(setting.dtype, device.type):
            return seen.repeat(module, data)

    def step() -> None:
        leaf = data.detach().requires_grad_()
        with autocast_to(setting.dtype, device.type):
            out = seen.repeat(module, leaf)
        out.backward(torch.ones_like(out))
        module.zero_grad(set_to_none=True)

    calls: dict[str, Callable[[], Any]] = {"forward": forward, **({"step": step} if setting.needs_grad else {})}
    seconds: dict[tuple[str, str], list[float]] = {(backend, call): [] for backend in backends for call in calls}
    clock = DeviceClock(device=device)

    def take(order: Sequence[str]) -> None:
        for backend in order:
            setattr(module, ATTRIBUTE, backend)
            for name, call in calls.items():
                seconds[backend, name].append(clock.seconds(call))

    take(backends)  # warm-up: compilation, allocation, autotuning
    for order in Rounds(backends, num=MAX_ROUNDS, max_s=BUDGET_S, seed=(0,), at_least=MIN_ROUNDS):
        take(order)
    delattr(module, ATTRIBUTE)

    def median_ms(backend: str, call: str) -> float:
        return 1e3 * statistics.median(seconds[backend, call][1:])

    return [
        Timing(
            backend=backend,
            forward_ms=median_ms(backend, "forward"),
            step_ms=median_ms(backend, "step") if "step" in calls else None,
        )
        for backend in backends
    ]


def _machine(device: torch.device, driver: str | None) -> dict[str, Any]:
    is_cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if is_cuda else _cpu_name(),
        "capability": list(torch.cuda.get_device_capability(device)) if is_cuda else None,
        "torch": torch.__version__,
        "driver": driver,
        "num_threads": torch.get_num_threads(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _digest(machine: dict[str, Any], keys: list[str]) -> str:
    text = json.dumps([machine, keys, list(BACKENDS)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
