"""What became of the attention layers in an exported file: nodes that are attention as a whole, or their parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

# Format -> the nodes that compute an attention product as one, and those that a decomposed one has.
_WHOLE: Mapping[str, tuple[str, ...]] = {
    "torchscript": ("aten::scaled_dot_product_attention",),
    "onnx": ("Attention", "MultiHeadAttention", "GroupQueryAttention"),
    "openvino": ("ScaledDotProductAttention",),
    "ncnn": ("SDPA", "MultiHeadAttention"),
}
_SOFTMAX: Mapping[str, str] = {
    "torchscript": "aten::softmax",
    "onnx": "Softmax",
    "openvino": "SoftMax",
    "ncnn": "Softmax",
}


@dataclass(frozen=True, kw_only=True)
class AttentionNodes:
    """Counts of one file; None for a format that is not looked into.

    Attributes:
        num_layers: attention layers of the source.
        num_whole: nodes that compute an attention product as one.
        num_softmax: others that compute a softmax; the head of a detector may have one of its own.
    """

    num_layers: int
    num_whole: int | None
    num_softmax: int | None

    def sentence(self, arm: str) -> str:
        """For the report."""
        if self.num_whole is None:
            return f"what became of {arm} at {self.num_layers} layers was not looked into: this format is not read here"
        if self.num_whole >= self.num_layers:
            nodes = f"{self.num_whole} nodes for {self.num_layers} layers"
            return f"attention is kept whole: {nodes}, and the runtime chooses its kernel"
        if self.num_whole == 0:
            nodes = f"no attention node for {self.num_layers} layers, {self.num_softmax} softmax nodes in the file"
            left = "" if arm == "stock" else f". The runtime computes what it would for eager; the layout is {arm}'s"
            return f"attention is taken apart: {nodes}{left}"
        return f"attention is kept whole at {self.num_whole} of {self.num_layers} layers"


def count_attention(path: Path, kind: str, num_layers: int) -> AttentionNodes:
    """Look into an exported file.

    Args:
        path: the file or folder that Ultralytics wrote.
        kind: its format, as Ultralytics calls it.
        num_layers: attention layers of the source.
    """
    if kind not in _WHOLE:
        return AttentionNodes(num_layers=num_layers, num_whole=None, num_softmax=None)
    counts = _READERS[kind](path)
    return AttentionNodes(
        num_layers=num_layers,
        num_whole=sum(counts[name] for name in _WHOLE[kind]),
        num_softmax=counts[_SOFTMAX[kind]],
    )


def _torchscript(path: Path) -> Counter[str]:
    module = torch.jit.load(str(path), map_location="cpu")
    return Counter(re.findall(r"= (aten::\w+)", str(module.inlined_graph)))


def _onnx(path: Path) -> Counter[str]:
    import onnx

    return Counter(node.op_type for node in onnx.load(str(path), load_external_data=False).graph.node)


def _openvino(path: Path) -> Counter[str]:
    return Counter(re.findall(r'<layer [^>]*?type="(\w+)"', next(path.glob("*.xml")).read_text(encoding="utf-8")))


def _ncnn(path: Path) -> Counter[str]:
    lines = next(path.glob("*.param")).read_text(encoding="utf-8").splitlines()
    return Counter(line.split()[0] for line in lines if line.strip())


_READERS = {"torchscript": _torchscript, "onnx": _onnx, "openvino": _openvino, "ncnn": _ncnn}
