"""Names of profiled operations and what they prove.

PyTorch 2.11 to 2.15. Operations are the dispatcher's names (`aten::...`); device kernels are the names the CUDA
profiler reports under an operation. FlashAttention 2, 3 and 4 through torch share operation names, so that what stands
under such an operation says whose it is (`within_flash`); the flash-attn package has its own (`flash_attn::`), with
device kernels in `flash::` instead of `pytorch_flash::`. A compiled flex_attention has no operation at all: it is a
compiled region inside the layer, with none of the operations below in it (seen on a CPU; the Triton kernels of a GPU
carry "flex_attention" in their names, not yet seen by us).
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

from sdpa_exp.attention.backend import Kernel
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.injection.layers import Layer, family_of

FORWARD_OPS: dict[str, Kernel] = {
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash",
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_efficient_attention": "efficient",
    "aten::_scaled_dot_product_cudnn_attention": "cudnn",
    "aten::_scaled_dot_product_attention_math": "math",
    "aten::_scaled_dot_product_attention_math_for_mps": "math",
    "flash_attn::_flash_attn_forward": "flash_attn",
    "xformers_flash::flash_fwd": "xformers",
}

BACKWARD_OPS: dict[str, Kernel] = {
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": "flash",
    "aten::_scaled_dot_product_flash_attention_backward": "flash",
    "aten::_scaled_dot_product_efficient_attention_backward": "efficient",
    "aten::_scaled_dot_product_cudnn_attention_backward": "cudnn",
    "flash_attn::_flash_attn_backward": "flash_attn",
    "xformers_flash::flash_bwd": "xformers",
    "CompiledFunctionBackward": "flex",
}

_FLASH3 = ("flash_attn_3::", "FlashAttnFwdSm90", "FlashAttnBwdSm90")
_FLASH4 = ("flash_attncute", "FlashAttentionForwardSm", "FlashAttentionBackwardSm")
"""Parts of names: operations of flash_attn_3 (torch/nn/attention/_fa3.py calls them) and its device kernels; device
kernels of flash_attn.cute, which carry their module's or class's name. Read in source, not yet seen by us."""


def within_flash(kernel: Kernel, names: Iterable[str]) -> Kernel:
    """Whose flash kernel it was, by the operations and device kernels under PyTorch's operation."""
    if kernel != "flash":
        return kernel
    found = set(names)
    if any(part in name for name in found for part in _FLASH4):
        return "flash4"
    return "flash3" if any(part in name for name in found for part in _FLASH3) else "flash"


COMPILED_REGION = "Torch-Compiled Region"

SOFTMAX_OPS = frozenset({"aten::_softmax", "aten::_safe_softmax"})
SOFTMAX_BACKWARD_OP = "aten::_softmax_backward_data"
"""Explicit attention has no operation of its own: a softmax inside a layer, outside any SDPA operation, marks it.

PyTorch's math path has none in backward either: a softmax backward belongs to whatever its forward belonged to.
"""

OWN_CODE = "its own code"
"""What a backend that names no kernels ran, where no kernel that is known was seen."""

LABELS: dict[Kernel, str] = {
    "softmax": "explicit softmax",
    "math": "math",
    "flash": "flash",
    "efficient": "efficient",
    "cudnn": "cudnn",
    "flash_attn": "the flash-attn package",
    "flash3": "FlashAttention 3",
    "flash4": "FlashAttention 4",
    "xformers": "xFormers",
    "flex": "flex (a compiled region)",
}


def allowed_at(layer: Layer, name: str) -> frozenset[Kernel] | None:
    """The kernels that a backend may run at a layer; None where it is code of its own, which may run any."""
    backend, family = get_backend(name), family_of(layer.module)
    if backend.function is not None:
        return backend.kernels
    return family.stock_kernels if family is not None else frozenset()


def kernel_mismatch(ran: Collection[Kernel], allowed: frozenset[Kernel] | None) -> str | None:
    """What is wrong with the kernels that ran at a layer, in words that follow its name; None where nothing is."""
    if allowed is None:
        return None
    wanted = " or ".join(sorted(LABELS[kernel] for kernel in allowed)) or "no attention"
    if set(ran) - allowed:
        got = ", ".join(sorted(LABELS[kernel] for kernel in set(ran) - allowed))
        return f"ran {got} instead of {wanted}"
    return f"ran no attention kernel that is known; expected {wanted}" if allowed and not ran else None


def same_kernels(arms: Mapping[str, Hashable]) -> list[list[str]]:
    """Groups of two and more arms that run the same kernels, in their order; those with None are left out."""
    groups: dict[Hashable, list[str]] = {}
    for arm, kernels in arms.items():
        if kernels is not None:
            groups.setdefault(kernels, []).append(arm)
    return [group for group in groups.values() if len(group) > 1]
