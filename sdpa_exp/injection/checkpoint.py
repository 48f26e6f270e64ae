"""Loads checkpoints, those of the YOLOv12 authors' code included, and says how much of one a model takes over.

The authors' AAttn computes queries and keys with one convolution (`qk`) and values with another (`v`); Ultralytics'
has one (`qkv`) whose channels are ordered by head. The numbers are the same in another order, so that the conversion
is exact. Their `pe` is 5 x 5 where Ultralytics has 7 x 7: for a training it is framed by zeros, which is exact too.
"""

from __future__ import annotations

import copy
import logging
import pickle
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdpa_exp.errors import ConfigError, RunError
from sdpa_exp.injection.replaced import replaced

logger = logging.getLogger(__name__)

_AREA_ATTENTION = "ultralytics.nn.modules.block.AAttn"
_PE_SIZE = 7  # of Ultralytics' AAttn
_UNREADABLE = (OSError, RuntimeError, EOFError, LookupError, AttributeError, TypeError, ImportError, UnpicklingError)
MIN_SHARE = 0.5
"""Of the tensors outside the head that weights must fit; fewer are another model's."""


def load_network(
    weights: str,
    *,
    key: str = "model.weights",
    is_trusted: bool = False,
    how_to_trust: str = "Set model.trust_weights=true",
) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a checkpoint in fp32, on the CPU, and the checkpoint.

    Args:
        weights: path of the file.
        key: the option that named it.
        is_trusted: run whatever code the file holds, as unpickling does; else numbers and known layers alone are taken.
        how_to_trust: what a user writes to have it run.

    Raises:
        RunError: it can't be loaded, holds other code, or its attention is of an unknown code.
    """
    from ultralytics.nn import tasks

    try:
        with replaced(tasks, "SAFE_LOAD", not is_trusted):
            network, checkpoint = tasks.load_checkpoint(weights)
    except _UNREADABLE as error:
        if not is_trusted and (unknown := _unknown_code(weights, error)):
            raise RunError(
                f"the weights {weights} hold more than numbers and layers of Ultralytics and PyTorch: {unknown}. "
                f"Loading them can run any code, and was not done. {how_to_trust} if you trust who made the file, or "
                f"set {key} to another one."
            ) from error
        reason = next(iter(str(error).split("❌️ ")[-1].splitlines()), type(error).__name__)  # advice and emojis follow
        reason = "it is not a loadable checkpoint" if isinstance(error, LookupError) else reason
        raise RunError(
            f"the weights {weights} can't be loaded: {reason}. Expected a checkpoint of Ultralytics such as best.pt; "
            f"set {key} to one."
        ) from error
    num_converted = convert_authors_attention(network, weights)
    if num_converted:
        logger.info("%s is of the YOLOv12 authors' code: %d layers were converted, exactly", weights, num_converted)
    return network, checkpoint


def convert_authors_attention(network: nn.Module, weights: str) -> int:
    """Give every AAttn of the authors' code the one convolution that Ultralytics' forward needs; how many there were.

    Raises:
        RunError: an AAttn has neither.
    """
    layers = [(n, m) for n, m in network.named_modules() if _path(m) == _AREA_ATTENTION and not hasattr(m, "qkv")]
    for name, layer in layers:
        if not (hasattr(layer, "qk") and hasattr(layer, "v")):
            parts = ", ".join(part for part, _ in layer.named_children())
            raise RunError(
                f"the weights {weights} were trained by another code than Ultralytics' or the YOLOv12 authors': {name} "
                f"has {parts}, and qkv, or qk and v, was expected. Use them with the code that trained them."
            )
        layer.qkv = _joined(layer.qk, layer.v, num_heads=int(layer.num_heads))
        del layer.qk, layer.v
    return len(layers)


def widen_position_convolutions(network: nn.Module) -> None:
    """Frame every AAttn's `pe` by zeros to Ultralytics' size: the same output from a kernel that a fresh model has."""
    for layer in network.modules():
        if _path(layer) != _AREA_ATTENTION:
            continue
        convolution: Any = layer.pe.conv  # type: ignore[union-attr]
        frame = (_PE_SIZE - convolution.kernel_size[0]) // 2
        if frame > 0:
            convolution.weight = nn.Parameter(F.pad(convolution.weight.detach(), (frame,) * 4))
            convolution.kernel_size, convolution.padding = (_PE_SIZE,) * 2, (_PE_SIZE // 2,) * 2


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What a model takes over from given weights: the tensors that fit in name and shape, as Ultralytics has it.

    Attributes:
        sentence: how many of how many, and which stay fresh.
        is_whole: whether all but the head fits; the head's last layers depend on the number of classes.
    """

    sentence: str
    is_whole: bool


def transfer(network: nn.Module, given: nn.Module, weights: str) -> Transfer:
    """Compare a model with the weights that it starts from; Ultralytics says how much it takes in its log alone.

    Raises:
        ConfigError: less than half of what is outside the head fits, so that the weights are another model's.
    """
    expected, own = network.state_dict(), given.state_dict()
    unfit = [name for name, tensor in expected.items() if name not in own or own[name].shape != tensor.shape]
    body = _outside_head(network)
    unfit_body = [name for name in unfit if name in body]
    counted = f"{len(expected) - len(unfit)} of the model's {len(expected)} tensors"
    named = unfit_body or unfit
    fresh = ", ".join(_changed(name, own.get(name), expected[name]) for name in named[:3])
    rest = f"; fresh ones stay in {fresh}{f' and {len(unfit) - 3} more' if len(unfit) > 3 else ''}" if unfit else ""
    if len(unfit_body) > (1 - MIN_SHARE) * len(body):
        raise ConfigError(
            f"model.weights={weights} fits {counted}, {len(body) - len(unfit_body)} of {len(body)} outside its head"
            f"{rest}. Expected at least {MIN_SHARE:.0%} of those outside its head: these weights are another model's, "
            "or fused for inference. Choose the model that they were trained as, or set model.weights=null."
        )
    return Transfer(sentence=f"model.weights={weights}: {counted} are taken over{rest}.", is_whole=not unfit_body)


def _changed(name: str, given: Tensor | None, expected: Tensor) -> str:
    def shape(tensor: Tensor) -> str:
        return "x".join(map(str, tensor.shape)) or "a number"

    return f"{name} ({'absent' if given is None else shape(given)} there, {shape(expected)} here)"


def _unknown_code(weights: str, error: Exception) -> str:
    """What a checkpoint names that Ultralytics' list of safe code, which has been filled for it, lacks; "" for none."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(weights)
    except (ValueError, *_UNREADABLE):  # of the format before PyTorch 1.6, or no checkpoint at all
        is_pickle = "references types outside" in str(error) and _starts_as_pickle(weights)
        return "code that its old format hides" if is_pickle else ""
    safe = [each if isinstance(each, tuple) else (each, "") for each in torch.serialization.get_safe_globals()]
    known = {name or f"{code.__module__}.{code.__qualname__}" for code, name in safe}
    return ", ".join([name for name in names if name not in known][:3])


def _starts_as_pickle(weights: str) -> bool:
    """By its first byte, from protocol 2 on; a text or a picture is no checkpoint, and hides no code."""
    with open(weights, "rb") as file:
        return file.read(1) == pickle.PROTO


def _outside_head(network: nn.Module) -> set[str]:
    head = f"model.{len(network.model) - 1}."  # type: ignore[arg-type]
    return {
        name for name in network.state_dict() if not name.startswith(head) and not name.endswith("num_batches_tracked")
    }


def _joined(qk: Any, v: Any, *, num_heads: int) -> nn.Module:
    """One convolution (with its batch norm) in place of two: channels (q k v, head, d) become (head, q k v, d)."""

    def by_head(first: Tensor, second: Tensor) -> Tensor:
        both = torch.cat([first.detach(), second.detach()])
        return both.view(3, num_heads, -1, *both.shape[1:]).transpose(0, 1).reshape(both.shape)

    joined = copy.deepcopy(qk)
    for part in ("conv", "bn"):
        target, first, second = getattr(joined, part, None), getattr(qk, part, None), getattr(v, part, None)
        for name in ("weight", "bias", "running_mean", "running_var"):
            if isinstance(getattr(target, name, None), nn.Parameter):
                setattr(target, name, nn.Parameter(by_head(getattr(first, name), getattr(second, name))))
            elif isinstance(getattr(target, name, None), Tensor):
                setattr(target, name, by_head(getattr(first, name), getattr(second, name)))
    joined.conv.out_channels = qk.conv.out_channels + v.conv.out_channels
    if hasattr(joined, "bn"):
        joined.bn.num_features = joined.conv.out_channels
    return joined  # type: ignore[no-any-return]


def _path(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
