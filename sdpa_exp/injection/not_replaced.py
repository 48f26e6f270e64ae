"""Attention that is seen and left as it is, and why: it computes something else than softmax(q k^T) v."""

from __future__ import annotations

from torch import nn

_BIAS = "it adds a bias for relative positions to its weights, which no backend takes"
_TABLES = ("relative_position_bias_table", "rel_pos_h", "rel_pos", "attention_biases", "attention_bias_cache")

_BY_CLASS = {
    "MSDeformAttn": "it samples a few places instead of comparing queries with keys",
    "MaxSigmoidAttnBlock": "it takes a sigmoid of the largest similarity, and no softmax",
    "ImagePoolingAttn": "it compares a few words with 27 cells of pooled maps, where no kernel makes a difference",
}
"""Class -> why; Ultralytics', of RT-DETR and YOLO-World."""

_WHOLE = {
    "ultralytics.nn.modules.transformer.DeformableTransformerDecoderLayer": (
        "while training it takes a mask, which no backend takes (RT-DETR's denoising)"
    ),
}
"""Class that holds attention which would be a layer elsewhere -> why none of it is one here."""


def is_left_whole(module: nn.Module) -> bool:
    """Whether nothing inside a module is a layer."""
    return _path(module) in _WHOLE


def why_left(model: nn.Module, name: str) -> str | None:
    """Why the module of this name can't take a backend; None where nothing is known of it."""
    module = model.get_submodule(name)
    if hasattr(module, "logit_scale") and (hasattr(module, "cpb_mlp") or hasattr(module, "meta_mlp")):
        return "it compares directions alone, at a temperature that it learns, and adds a bias (Swin v2)"
    if any(getattr(module, table, None) is not None for table in _TABLES):
        return _BIAS
    if isinstance(module, nn.MultiheadAttention):
        parents = [model.get_submodule(name[:place]) for place, sign in enumerate(name) if sign == "."]
        of_parent = next((_WHOLE[_path(parent)] for parent in parents if is_left_whole(parent)), None)
        return of_parent or "its keys and values are of another width, or have one more of their own"
    return _BY_CLASS.get(type(module).__name__)


def _path(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
