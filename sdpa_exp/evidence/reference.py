"""The truth of a layer, checked before it is believed: stock in fp64, in both memory formats, against differences.

A wrong gradient of PyTorch's batch norm (NCHW, one image, a CPU) once was our truth. So the truth has to agree with
itself in the other memory format, and with central differences of its own output, which need no backward at all.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from sdpa_exp.evidence.layer_run import FORMATS, LayerCall, Values, run_layer, upstream_like
from sdpa_exp.injection.dispatch import ATTRIBUTE

AGREEMENT = 1e-10
"""How closely two formats must agree in fp64, as a share of the largest value: 1e6 roundings of headroom."""
DIFFERENCES = 1e-6
"""How closely gradients must agree with central differences: their own error is about 1e-9 at this step."""
_STEP, _NUM_DIRECTIONS = 1e-5, 3
_FIXED = "stock_fixed"


@dataclass(frozen=True, kw_only=True)
class ReferenceFault:
    """A form of stock in fp64 that is wrong, and what took its place.

    Attributes:
        form: the memory format that is wrong.
        error: of its gradients against central differences, as a share of their size; NaN where there is none.
        disagreement: of the formats, as a share of the largest value.
        operation: the first module, in the order of computation, whose results part; None if none does.
        replaced_by: the form that passes; None if none does.
    """

    form: str
    error: float
    disagreement: float
    operation: str | None
    replaced_by: str | None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The truth, and the form it has: its memory format, and whether its gradients were made contiguous."""

    values: Values
    form: str
    module: nn.Module
    call: LayerCall
    faults: tuple[ReferenceFault, ...]


def checked_reference(stock: nn.Module, call: LayerCall, dtype: torch.dtype) -> Reference:
    """The truth of a layer that passes both checks.

    Args:
        stock: the module with its own forward; not changed.
        call: what it is called with.
        dtype: inputs are rounded to it.
    """
    plain, fixed = copy.deepcopy(stock).double(), copy.deepcopy(stock).double()
    setattr(fixed, ATTRIBUTE, _FIXED)
    formats = list(FORMATS) if call.has_images else ["as given"]
    calls = {name: call.laid_out(name) if name in FORMATS else call for name in formats}
    values = {name: run_layer(plain, calls[name], dtype, in_fp64=True) for name in formats}
    differences = Differences(plain, calls[formats[-1]], dtype)
    errors = {name: differences.error(values[name]) for name in formats}
    apart = disagreement(*values.values()) if len(values) > 1 else 0.0
    good = [name for name in formats if errors[name] <= DIFFERENCES]
    if len(good) == len(formats) and apart <= AGREEMENT:
        return Reference(values=values[good[0]], form=good[0], module=plain, call=calls[good[0]], faults=())

    form, module, found = good[-1] if good else None, plain, values.get(good[-1]) if good else None
    for name in reversed(formats):
        if found is None:
            each = run_layer(fixed, calls[name], dtype, in_fp64=True)
            if differences.error(each) <= DIFFERENCES:
                form, module, found = f"{name}, contiguous gradients", fixed, each
    operation = where_parted(plain, calls[formats[0]], calls[formats[1]], dtype) if len(formats) > 1 else None
    faults = tuple(
        ReferenceFault(form=name, error=errors[name], disagreement=apart, operation=operation, replaced_by=form)
        for name in formats
        if name not in good or len(good) == len(formats)
    )
    chosen = (form or formats[0]).split(",")[0]
    return Reference(
        values=values[formats[0]] if found is None else found,
        form=form or formats[0],
        module=module,
        call=calls[chosen],
        faults=faults,
    )


class Differences:
    """Derivatives of a layer along random directions, by central differences in fp64; needs no backward."""

    def __init__(self, module: nn.Module, call: LayerCall, dtype: torch.dtype) -> None:
        leaves, spec = tree_flatten((call.args, call.kwargs))
        inputs = {i: x.detach().to(dtype).double() for i, x in enumerate(leaves) if _is_float(x)}
        parameters = [p for p in module.parameters() if p.is_floating_point()]
        points = [*inputs.values(), *(p.detach().clone() for p in parameters)]
        generator = torch.Generator().manual_seed(0)
        self._directions, self._numeric = [], []

        def value(at: list[Tensor]) -> float:
            for parameter, new in zip(parameters, at[len(inputs) :], strict=True):
                parameter.copy_(new)
            moved = [at[list(inputs).index(i)] if i in inputs else leaf for i, leaf in enumerate(leaves)]
            args, kwargs = tree_unflatten(moved, spec)
            out = module(*args, **kwargs)
            out = out[0] if isinstance(out, tuple) else out
            return float((out * upstream_like(out, dtype)).sum())

        with torch.no_grad():
            for _ in range(_NUM_DIRECTIONS):
                direction = [torch.randn(x.shape, generator=generator).to(x) * _size(x) for x in points]
                ends = [
                    value([x + sign * _STEP * d for x, d in zip(points, direction, strict=True)]) for sign in (1, -1)
                ]
                self._directions.append(direction)
                self._numeric.append((ends[0] - ends[1]) / (2 * _STEP))
            value(points)

    def error(self, values: Values) -> float:
        """Of gradients along these directions, as a share of the derivatives' size; a NaN stays one."""
        gradients = [*values["grad_input"], *values["grad_params"]]
        along = [
            sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
            for direction in self._directions
        ]
        off = math.hypot(*(a - b for a, b in zip(along, self._numeric, strict=True)))
        size = math.hypot(*self._numeric)
        return off / size if size > 0 else off


def disagreement(a: Values, b: Values) -> float:
    """The largest difference of two computations, as a share of each part's largest value; NaN if there is one."""
    return float(torch.tensor([_apart(a[part], b[part]) for part in a]).max())


def where_parted(module: nn.Module, one: LayerCall, other: LayerCall, dtype: torch.dtype) -> str | None:
    """The first module whose results part between two formats, though what it was given agrees: forward, then backward.

    A module without children is one operation, or a few; its name and class are what to look at in PyTorch.
    """
    traces = [_trace(module, call, dtype) for call in (one, other)]
    for name, kind in traces[0]:
        a, b = (trace.get((name, kind)) for trace in traces)
        if b is None or a is None or _apart(a[0], b[0]) > AGREEMENT:
            continue
        if _apart(a[1], b[1]) > AGREEMENT:
            cls = type(dict(module.named_modules())[name]).__name__
            return f"{kind} of {name} ({cls})"
    return None


_Trace = dict[tuple[str, str], tuple[list[Tensor], list[Tensor]]]


def _trace(module: nn.Module, call: LayerCall, dtype: torch.dtype) -> _Trace:
    """(module, direction) -> what it was given and what it made of that, in the order of computation.

    Hooks on tensors see the gradients: a module's own backward hooks change the strides of a single image.
    """
    module = copy.deepcopy(module)
    seen, given = _Trace(), dict[str, list[Tensor]]()

    def forward(name: str) -> Any:
        def hook(part: nn.Module, args: Any, out: Any) -> None:
            seen[name, "forward"] = (_tensors(args), _tensors(out))
            for x in (x for x in tree_flatten(out)[0] if _is_float(x) and x.requires_grad):
                x.register_hook(lambda grad: given.setdefault(name, []).append(grad.detach().clone()))
            for x in (x for x in tree_flatten(args)[0] if _is_float(x) and x.requires_grad):
                x.register_hook(lambda grad: remember(name, grad))

        return hook

    def remember(name: str, grad: Tensor) -> None:
        seen[name, "backward"] = (given.get(name, []), [grad.detach().clone()])

    for name, part in module.named_modules():
        if name and not list(part.children()):
            part.register_forward_hook(forward(name))
    run_layer(module, call, dtype, in_fp64=True)
    return seen


def _tensors(tree: Any) -> list[Tensor]:
    return [x.detach().clone() for x in tree_flatten(tree)[0] if _is_float(x)]


def _apart(a: list[Tensor], b: list[Tensor]) -> float:
    if not a or len(a) != len(b):
        return 0.0
    largest = max(torch.stack([x.abs().max() for x in a]).max().item(), torch.finfo(torch.float64).tiny)
    return float(torch.stack([(x - y).abs().max() for x, y in zip(a, b, strict=True)]).max()) / largest


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _size(x: Tensor) -> float:
    return float(x.square().mean().sqrt()) or 1.0
