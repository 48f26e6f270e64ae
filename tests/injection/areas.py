"""Models whose areas don't fit every size, and checkpoints as the YOLOv12 authors' code writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules.block import AAttn
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils import ROOT

from sdpa_exp.injection.layers import find_layers


def eight_areas(folder: Path) -> str:
    """YOLO12n with 8 areas at P4 and 4 at P5, as a model file; its name."""
    source = ROOT / "cfg/models/12/yolo12.yaml"
    text = re.sub(r"A2C2f, \[512, True, 4\]", "A2C2f, [512, True, 8]", source.read_text(encoding="utf-8"))
    text = re.sub(r"A2C2f, \[1024, True, 1\]", "A2C2f, [1024, True, 4]", text)
    path = folder / "eight_yolo12n.yaml"
    path.write_text(text, encoding="utf-8")
    assert yaml_model_load(str(path))["scale"] == "n"
    return str(path)


class AuthorsAttention(nn.Module):
    """What the authors' AAttn computes: queries and keys from one convolution, values from another, `pe` 5 x 5."""

    def __init__(self, like: AAttn) -> None:
        super().__init__()
        channels = like.all_head_dim
        self.area, self.num_heads, self.head_dim = like.area, like.num_heads, like.head_dim
        self.qk, self.v = Conv(channels, 2 * channels, 1, act=False), Conv(channels, channels, 1, act=False)
        self.proj, self.pe = like.proj, Conv(channels, channels, 5, 1, 2, g=channels, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        v = self.v(x)
        q, k = self.qk(x).chunk(2, dim=1)
        q, k, tokens = (part.flatten(2).transpose(1, 2).reshape(batch * self.area, -1, channels) for part in (q, k, v))
        by_head = (part.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2) for part in (q, k, tokens))
        out = nn.functional.scaled_dot_product_attention(*by_head)
        out = out.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        projected: torch.Tensor = self.proj(out + self.pe(v))
        return projected


def with_authors_attention(network: nn.Module) -> nn.Module:
    """The network with the authors' computation at every layer; batch norms get statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    for layer in find_layers(network):
        parent, _, name = layer.name.rpartition(".")
        setattr(network.get_submodule(parent), name, AuthorsAttention(layer.module))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.uniform_(-0.1, 0.1, generator=generator)
    return network.double().eval()


def as_authors_checkpoint(network: nn.Module) -> dict[str, Any]:
    """The checkpoint that the authors' code would have written: AAttn instances that hold `qk` and `v`."""
    for module in network.modules():
        if isinstance(module, AuthorsAttention):
            module.__class__ = AAttn
    return {"model": network, "train_args": {"imgsz": 64}}
