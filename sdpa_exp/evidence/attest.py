"""Attests that a model executes the backend it was given: at every layer, forward and backward, in the dtype asked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import AUTO_NAME, Backend, Kernel
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.errors import AttestationError, InjectionError
from sdpa_exp.evidence.compiled import CompiledEvidence
from sdpa_exp.evidence.kernel_names import LABELS, OWN_CODE, allowed_at, kernel_mismatch
from sdpa_exp.evidence.operands import BACKEND_CALL, OperandRecorder, ProductCall
from sdpa_exp.evidence.profile import Seen, profile_layers
from sdpa_exp.evidence.text import attestation_text
from sdpa_exp.injection.inject import injected_backend, layer_backend
from sdpa_exp.injection.layers import Layer, find_layers
from sdpa_exp.injection.load import warn_if_asleep


@dataclass(frozen=True, kw_only=True)
class LayerEvidence:
    """What ran at one layer in one stage."""

    layer: str
    stage: str
    kernels: dict[Kernel, int]
    device_kernels: tuple[str, ...]
    backend_called: bool
    calls: tuple[ProductCall, ...]
    dtype_asked: str | None


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Requested against executed, layer by layer. `ok` means that nothing disagrees.

    `choices` is layer -> backend where `auto` was requested, and empty otherwise. `own_code` are the layers whose
    backend names no kernels: that it was called is all there is to check. `compiled` is about the model as
    torch.compile made it, None where it was not compiled; the evidence by layer is then of its uncompiled copy.
    """

    requested: str
    evidence: tuple[LayerEvidence, ...]
    mismatches: tuple[str, ...]
    num_layers: int
    choices: dict[str, str] = field(default_factory=dict)
    own_code: frozenset[str] = frozenset()
    compiled: CompiledEvidence | None = None

    @property
    def ok(self) -> bool:
        """Whether every layer ran what was asked for, in every stage."""
        return not self.mismatches

    def executed(self) -> dict[str, dict[str, int]]:
        """Stage -> kernel -> number of layers that ran it."""
        table: dict[str, dict[str, int]] = {}
        for item in self.evidence:
            row = table.setdefault(item.stage, {})
            backend = self.choices.get(item.layer, self.requested)
            labels = [_label(kernel, backend) for kernel in item.kernels]
            if not labels and item.layer in self.own_code:
                labels = [f"{OWN_CODE} ({backend})"]
            for label in labels:
                row[label] = row.get(label, 0) + 1
        return table

    def summary(self) -> dict[str, Any]:
        """The short form that result.json holds."""
        return {
            "ok": self.ok,
            "requested": self.requested,
            "num_layers": self.num_layers,
            "executed": self.executed(),
            "mismatches": list(self.mismatches),
            **({"choices": self.choices} if self.choices else {}),
            **({"compiled": asdict(self.compiled)} if self.compiled else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, for attestation.json."""
        return {**self.summary(), "evidence": [asdict(item) for item in self.evidence]}

    def __str__(self) -> str:
        """A short table of what ran, and the verdict."""
        return attestation_text(self.summary())

    def raise_if_wrong(self) -> None:
        """Raise when requested and executed differ.

        Raises:
            AttestationError: with the first mismatches.
        """
        if self.mismatches:
            more = f" (and {len(self.mismatches) - 3} more)" if len(self.mismatches) > 3 else ""
            raise AttestationError(
                f"attention={self.requested} was asked for and something else ran: "
                f"{'; '.join(self.mismatches[:3])}{more}. "
                "The figures of this run are not figures of that backend; attestation.json has the evidence."
            )


def attest(model: Any, batch: Any, *, dtype: str | None = None) -> Attestation:
    """Profile one training step and one evaluation of a copy of a model, and compare with its injected backend.

    Args:
        model: an nn.Module or an Ultralytics YOLO object; the original is not changed.
        batch: a tensor (B, 3, H, W), or an Ultralytics training batch (a dict, for which the model returns its loss).
        dtype: what the product's operands must have (fp32, bf16, fp16); None accepts any.

    Returns:
        The attestation with stages train_forward, train_backward and val_forward.

    Raises:
        InjectionError: the model has no layers, or layers with different backends.
    """
    network = model if isinstance(model, nn.Module) and not hasattr(model, "add_callback") else model.model
    warn_if_asleep(find_layers(network))
    image = batch["img"] if isinstance(batch, dict) else batch
    trained, evaluated = copy.deepcopy(network).train(), copy.deepcopy(network).eval()
    for parameter in trained.parameters():
        parameter.requires_grad_(parameter.is_floating_point())

    def train_step() -> None:
        total_of(trained(batch)).backward()

    evidence = [
        *attest_call(trained, train_step, stage="train", backward=True, dtype=dtype),
        *attest_call(evaluated, torch.no_grad()(lambda: evaluated(image)), stage="val", backward=False, dtype=dtype),
    ]
    return attestation_from(evidence, find_layers(network))


def attest_call(
    model: nn.Module, call: Callable[[], object], *, stage: str, backward: bool, dtype: str | None
) -> list[LayerEvidence]:
    """Evidence of one call: run once to see the operands, once under the profiler to see the kernels.

    Args:
        model: holds the layers; in the mode (train or eval) that the call wants.
        call: runs the model once; with `backward`, its backward too.
        stage: a prefix for the stages, `<stage>_forward` and `<stage>_backward`.
        backward: whether a backward pass is part of the call; layers that are frozen, as is all before them, have none.
        dtype: what the operands must have (fp32, bf16, fp16); None accepts any.
    """
    layers = find_layers(model)
    device = next(model.parameters()).device
    recorder = OperandRecorder(layers)
    with recorder.watching(), _learning(layers) as learning:
        call()
    forward, back = profile_layers(call, layers, device)
    evidence = []
    for layer in layers:
        calls = tuple(dict.fromkeys(c for c in recorder.calls if c.layer == layer.name))
        has_backward = backward and layer.name in learning
        for name, seen in [("forward", forward), *([("backward", back)] if has_backward else [])]:
            here = seen.get(layer.name, Seen())
            item = LayerEvidence(
                layer=layer.name,
                stage=f"{stage}_{name}",
                kernels=dict(here.kernels),
                device_kernels=tuple(sorted(here.device_kernels)),
                backend_called=recorder.backend_calls[layer.name] > 0,
                calls=calls if name == "forward" else (),
                dtype_asked=dtype,
            )
            evidence.append(item)
    return evidence


@contextmanager
def _learning(layers: list[Layer]) -> Iterator[set[str]]:
    """Collects the names of the layers that gradients flow to."""
    found: set[str] = set()

    def look(layer: Layer, output: Any) -> None:
        tensors = output if isinstance(output, tuple) else (output,)
        if any(tensor is not None and tensor.requires_grad for tensor in tensors):
            found.add(layer.name)

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(
                layer.module.register_forward_hook(lambda _module, _args, output, layer=layer: look(layer, output))
            )
        yield found


def attestation_from(
    evidence: list[LayerEvidence], layers: list[Layer], *, compiled: CompiledEvidence | None = None
) -> Attestation:
    """Compare what ran with what the layers' backend stands for.

    Args:
        evidence: by layer and stage.
        layers: those of the model.
        compiled: of its compiled form, where it has one.

    Raises:
        InjectionError: no layers, or layers with different backends that `auto` did not choose.
    """
    if not layers:
        raise InjectionError("the model has no attention layers, so there is nothing to attest.")
    requested = injected_backend(layers)
    backends = {layer.name: layer_backend(layer) for layer in layers}
    name = requested if requested == AUTO_NAME else get_backend(requested).name
    allowed = {layer.name: allowed_at(layer, backends[layer.name]) for layer in layers}
    mismatches = [
        text for item in evidence for text in _mismatches(item, get_backend(backends[item.layer]), allowed[item.layer])
    ]
    return Attestation(
        requested=name,
        evidence=tuple(evidence),
        mismatches=(*mismatches, *(compiled.mismatches if compiled else ())),
        num_layers=len(layers),
        choices=backends if requested == AUTO_NAME else {},
        own_code=frozenset(name for name, kernels in allowed.items() if kernels is None),
        compiled=compiled,
    )


def _mismatches(item: LayerEvidence, backend: Backend, allowed: frozenset[Kernel] | None) -> list[str]:
    """What disagrees at one layer in one stage; `allowed` are the kernels that its backend may run, None for any."""
    mismatches = []
    where = f"{item.layer} ({item.stage.replace('_', ' ')})"
    wrong = kernel_mismatch(item.kernels, allowed)
    if wrong is not None:
        mismatches.append(f"{where} {wrong}{_why_math(item, allowed)}")
    if item.backend_called != (backend.function is not None):
        ran = "the backend" if item.backend_called else "the module's own forward"
        mismatches.append(f"{where} ran {ran}, which attention={backend.name} must not")
    calls = [call for call in item.calls if not _is_upcast(item, call)]
    dtypes = {operand.dtype for call in calls for operand in call.operands}
    if item.dtype_asked is not None and dtypes - {item.dtype_asked}:
        got = ", ".join(sorted(dtypes - {item.dtype_asked}))
        mismatches.append(f"{where} computed in {got}; the precision asked for is {item.dtype_asked}")
    return mismatches


def _is_upcast(item: LayerEvidence, call: ProductCall) -> bool:
    """PyTorch's math path computes half precisions in fp32 inside (unless allow_fp16_bf16_reduction_math_sdp is on)."""
    is_inside = item.backend_called and call.op != BACKEND_CALL
    return is_inside and set(item.kernels) == {"math"} and {operand.dtype for operand in call.operands} == {"fp32"}


def _why_math(item: LayerEvidence, allowed: frozenset[Kernel] | None) -> str:
    """An explanation where math ran unasked, and the operands' layout is what fused kernels refuse."""
    strided = any(operand.stride[-1] != 1 for call in item.calls for operand in call.operands)
    is_math = "math" in item.kernels and "math" not in (allowed or ())
    return ", because the layout forced it: head_dim does not have unit stride" if is_math and strided else ""


def _label(kernel: Kernel, requested: str) -> str:
    """The kernel's label; explicit softmax says whose code it is, since stock and eager share the operation."""
    return f"{LABELS[kernel]} ({requested})" if kernel == "softmax" else LABELS[kernel]


def total_of(output: Any) -> Tensor:
    """A scalar that depends on every floating-point output, for a backward pass."""
    if isinstance(output, Tensor):
        return output.float().sum() if output.is_floating_point() else torch.zeros(())
    if isinstance(output, dict):
        output = list(output.values())
    if not isinstance(output, list | tuple):  # such as RT-DETR's missing denoising part
        return torch.zeros(())
    if isinstance(output, list | tuple) and output and isinstance(output[0], Tensor) and output[0].requires_grad:
        return total_of(output[0]) if output[0].ndim <= 1 else sum((total_of(o) for o in output), torch.zeros(()))
    return sum((total_of(o) for o in output), torch.zeros(()))
