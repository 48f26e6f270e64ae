"""Loads a best.pt with the attention that it names; loaded by Ultralytics alone, it names it and runs stock."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.errors import RunError
from sdpa_exp.injection.checkpoint import convert_authors_attention, load_network
from sdpa_exp.injection.dispatch import is_installed
from sdpa_exp.injection.inject import inject, injected_backend, layer_backend
from sdpa_exp.injection.layers import Layer, find_layers
from sdpa_exp.injection.replaced import replaced

_STOCK = "stock"


def load(weights: str | Path, *, trust: bool = False) -> Any:
    """An Ultralytics YOLO object whose attention layers compute with the backend that the checkpoint names.

    A checkpoint that names none, as one of a plain training, gets stock.

    Args:
        weights: a best.pt or last.pt.
        trust: run whatever code the file holds, as unpickling does; else numbers and known layers alone are taken.

    Returns:
        The YOLO object (RTDETR for one of RT-DETR): predict, val, export and train use the backend.

    Raises:
        RunError: there is no such file, it is no checkpoint, or it holds other code.
        BackendUnavailable: the backend it names is not known here, such as one from a file that is not here.
        InjectionError: its layers name different backends, or it has no attention layers.
    """
    from ultralytics import YOLO
    from ultralytics.nn import tasks

    path = Path(weights)
    if not path.is_file() or path.suffix != ".pt":
        raise RunError(f"the weights {weights} are no .pt file: expected a checkpoint such as best.pt. Give its path.")
    load_network(str(path), key="weights", is_trusted=trust, how_to_trust="Call load(..., trust=True)")  # or says why
    with replaced(tasks, "SAFE_LOAD", not trust):
        yolo = YOLO(path)
    convert_authors_attention(yolo.model, str(weights))
    layers = find_layers(yolo.model)
    backend = injected_backend(layers) if layers else _STOCK  # without layers inject says what is known
    choices = {layer.name: layer_backend(layer) for layer in layers} if backend == AUTO_NAME else None
    inject(yolo, backend, choices=choices)
    return yolo


def warn_if_asleep(layers: Sequence[Layer]) -> None:
    """Warn of layers that name a backend and run stock, since nobody has injected since they were loaded."""
    asleep = {layer_backend(layer) for layer in layers if not is_installed(type(layer.module))} - {_STOCK}
    if asleep:
        names = " and ".join(sorted(asleep))
        warnings.warn(
            f"this model names attention={names} and runs stock: it was loaded from a file, which carries the name "
            f"alone. Load it with sdpa_exp.load(...), or call sdpa_exp.inject(model, {sorted(asleep)[0]!r}).",
            stacklevel=3,
        )
