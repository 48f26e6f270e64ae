"""The levels that need a model: its attention modules, a training step, and inference; one model for all arms."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES, autocast_to
from sdpa_exp.config.plan import Plan
from sdpa_exp.evidence.kernel_names import allowed_at
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.inject import Choices
from sdpa_exp.injection.layers import Layer, find_layers
from sdpa_exp.tasks.bench.arms import bench_setting, refusals
from sdpa_exp.tasks.bench.case import Arms, Case, Entry
from sdpa_exp.tasks.bench.kinds import Kind, random_images

NUM_BOXES = 8
"""Objects in each image of a training step: what the loss assigns costs time, attention or not."""


def module_cases(
    plan: Plan, arms: Arms, kinds: Sequence[Kind], *, imgsz: int, batch: int, precision: str
) -> list[Case]:
    """Each kind of layer: forward as in inference, and forward with backward as in training."""
    cases = []
    for kind in kinds:
        for what in ("forward", "forward+backward"):
            is_backward = what != "forward"
            cases.append(
                Case(
                    level="module",
                    what=what,
                    name=f"{kind.name} {imgsz} px b{batch}",
                    precision=precision,
                    facts=_facts(plan, kind, imgsz=imgsz, batch=batch),
                    work=imgsz**2 * batch * (3 if is_backward else 1),
                    build=functools.partial(_build_module, kind=kind, precision=precision, is_backward=is_backward),
                    refused=_refusals(plan, arms, [kind], level="module", precision=precision, needs_grad=is_backward),
                )
            )
    return cases


def model_case(
    plan: Plan,
    arms: Arms,
    network: nn.Module,
    kinds: Sequence[Kind],
    *,
    level: str,
    imgsz: int,
    batch: int,
    precision: str,
    device: torch.device,
    data: dict[str, Any] | None = None,
    choices: Choices | None = None,
) -> Case:
    """The whole model: `inference` (fused, evaluation mode) or a training `step` (loss, backward, AdamW).

    `data` is a real batch with labels, as `real_batch` makes it; without it images are noise with a few boxes.
    `choices` are those of the arm auto: layer -> backend.
    """
    is_step = level == "step"
    if data is None:
        data = _labelled(random_images(network, imgsz=imgsz, batch=batch, device=device), network)
    build = functools.partial(
        _build_step if is_step else _build_inference,
        network=network,
        data=data,
        precision=precision,
        device=device,
        choices=choices or {},
    )
    return Case(
        level=level,
        what="loss, backward, optimizer" if is_step else "forward",
        name=f"{imgsz} px b{batch}",
        precision=precision,
        facts=_facts(plan, kinds[0], imgsz=imgsz, batch=batch),
        work=imgsz**2 * batch,
        build=build,
        refused=_refusals(plan, arms, kinds, level=level, precision=precision, needs_grad=is_step),
    )


def _facts(plan: Plan, kind: Kind, *, imgsz: int, batch: int) -> dict[str, Any]:
    _, heads, tokens, head_dim, head_dim_v = kind.shape
    return {
        "model": plan.model.name,
        "imgsz": imgsz,
        "batch": batch,
        "heads": heads,
        "tokens": tokens,
        "head_dim": head_dim,
        "head_dim_v": head_dim_v,
        "num_items": batch,
        "items": "images",
    }


def _refusals(
    plan: Plan, arms: Arms, kinds: Sequence[Kind], *, level: str, precision: str, needs_grad: bool
) -> dict[str, str]:
    """Arms that can't run at one of these kinds of layers."""
    found: dict[str, str] = {}
    for kind in kinds:
        setting = bench_setting(plan, precision, kind.shape, needs_grad=needs_grad)
        found = {**refusals(arms, setting, level=level), **found}
    return found


def _build_module(arms: Arms, *, kind: Kind, precision: str, is_backward: bool) -> dict[str, Entry]:
    module, device = kind.layer.module, kind.call.x.device
    x = kind.call.x.to(memory_format=torch.preserve_format)
    generator = torch.Generator().manual_seed(0)
    upstream = torch.randn(x.shape, generator=generator).to(device, x.dtype)

    @torch.no_grad()
    def forward() -> None:
        with autocast_to(DTYPES[precision], device.type):
            kind.call.repeat(module, x)

    def forward_backward() -> None:
        leaf = x.detach().requires_grad_()
        with autocast_to(DTYPES[precision], device.type):
            out = kind.call.repeat(module, leaf)
        out.backward(upstream.to(out.dtype))
        module.zero_grad(set_to_none=True)

    def prepare(backend: str) -> None:
        module.train(is_backward)
        setattr(module, ATTRIBUTE, backend)

    return _entries(arms, [kind.layer], forward_backward if is_backward else forward, prepare, choices={})


def _build_inference(
    arms: Arms, *, network: Any, data: dict[str, Any], precision: str, device: torch.device, choices: Choices
) -> dict[str, Entry]:
    fused: Any = copy.deepcopy(network).eval()
    fused = fused.fuse(verbose=False) if hasattr(fused, "fuse") else fused
    images = data["img"]
    layers = find_layers(fused)

    @torch.inference_mode()
    def call() -> None:
        with autocast_to(DTYPES[precision], device.type):
            fused(images)

    return _entries(arms, layers, call, functools.partial(_set_backend, layers, choices), choices)


def _build_step(
    arms: Arms, *, network: Any, data: dict[str, Any], precision: str, device: torch.device, choices: Choices
) -> dict[str, Entry]:
    """AdamW with a learning rate of 0 does all of its work and leaves the weights alone: every arm has the same."""
    trained: Any = copy.deepcopy(network).train()
    layers = find_layers(trained)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=0.0, weight_decay=0.0)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    def call() -> None:
        with autocast_to(DTYPES[precision], device.type):
            loss, _ = trained(data)
        scaler.scale(loss.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return _entries(arms, layers, call, functools.partial(_set_backend, layers, choices), choices)


def _set_backend(layers: Sequence[Layer], choices: Choices, backend: str) -> None:
    for layer in layers:
        setattr(layer.module, ATTRIBUTE, _backend_at(layer, choices, backend))


def _backend_at(layer: Layer, choices: Choices, backend: str) -> str:
    return choices[layer.name] if backend == AUTO_NAME else backend


def _labelled(images: Tensor, network: Any) -> dict[str, Any]:
    """An Ultralytics batch with a few objects in each image, the same on every call, labelled as the model wants it."""
    count = len(images) * NUM_BOXES
    generator = torch.Generator().manual_seed(0)
    centre = 0.2 + 0.6 * torch.rand(count, 2, generator=generator)
    size = 0.05 + 0.25 * torch.rand(count, 2, generator=generator)
    device, side = images.device, images.shape[-1]
    purpose = getattr(getattr(network, "args", None), "task", "detect")
    if purpose == "classify":
        return {"img": images, "cls": torch.zeros(len(images), dtype=torch.int64, device=device)}
    batch = {
        "img": images,
        "cls": torch.zeros(count, 1, device=device),
        "bboxes": torch.cat([centre, size], dim=1).to(device),
        "batch_idx": torch.arange(len(images), device=device).repeat_interleave(NUM_BOXES).float(),
    }
    if purpose == "obb":
        batch["bboxes"] = torch.cat([batch["bboxes"], torch.rand(count, 1, generator=generator).to(device)], dim=1)
    elif purpose == "pose":
        points, _ = network.model[-1].kpt_shape
        seen = torch.full((count, points, 1), 2.0)
        inside = (centre - size / 2)[:, None] + size[:, None] * torch.rand(count, points, 2, generator=generator)
        batch["keypoints"] = torch.cat([inside, seen], dim=2).to(device)
    elif purpose == "segment":  # number of the object at each pixel of a quarter of the image, 0 for none
        stripes = torch.arange(side // 4, device=device) * NUM_BOXES // (side // 4) + 1
        batch["masks"] = stripes.expand(len(images), side // 4, side // 4).float()
        batch["sem_masks"] = torch.zeros(len(images), side // 4, side // 4, device=device)
    return batch


def _entries(
    arms: Arms,
    layers: Sequence[Layer],
    call: Callable[[], object],
    prepare: Callable[[str], None],
    choices: Choices,
) -> dict[str, Entry]:
    return {
        label: Entry(
            call=call,
            prepare=functools.partial(prepare, name),
            watched=call,
            layers=tuple(layers),
            allowed={layer.name: allowed_at(layer, _backend_at(layer, choices, name)) for layer in layers},
        )
        for label, name in arms.items()
    }
