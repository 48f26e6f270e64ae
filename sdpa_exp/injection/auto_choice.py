"""What `auto` chose, from which timings, and how that is kept; auto.py makes the choice."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One backend at one kind of layer: medians over interleaved rounds, in milliseconds.

    `step_ms` is forward and backward; None where no gradient is needed or the backend has none on this device.
    """

    backend: str
    forward_ms: float
    step_ms: float | None


@dataclass(frozen=True, kw_only=True)
class KeyChoice:
    """One kind of layer: what it is called with, who was timed, who was refused and why, and the choice.

    Attributes:
        key: family, heads, head_dims, input shape, layout, dtype and gradient, as text.
        layers: names of the layers of this kind.
        refused: backend -> reasons.
    """

    key: str
    layers: tuple[str, ...]
    backend: str
    timings: tuple[Timing, ...]
    refused: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class AutoChoice:
    """The choice for a whole model on one machine.

    Attributes:
        machine: device name, capability, torch, driver, threads: what the timings are valid for.
        keys: the evidence, one entry for each kind of layer.
        was_kept: whether it was read from the cache folder instead of measured now.
    """

    machine: dict[str, Any]
    keys: tuple[KeyChoice, ...]
    was_kept: bool = False

    @property
    def backends(self) -> dict[str, str]:
        """Layer -> backend."""
        return {layer: choice.backend for choice in self.keys for layer in choice.layers}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"schema_version": _SCHEMA_VERSION, "backends": self.backends, **asdict(self)}


def read_choice(path: Path) -> AutoChoice | None:
    """A kept choice; None where there is none, or one of another version: it is measured again then."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("schema_version") != _SCHEMA_VERSION:
        return None
    keys = tuple(
        KeyChoice(
            key=entry["key"],
            layers=tuple(entry["layers"]),
            backend=entry["backend"],
            timings=tuple(Timing(**timing) for timing in entry["timings"]),
            refused=entry["refused"],
        )
        for entry in content["keys"]
    )
    return AutoChoice(machine=content["machine"], keys=keys, was_kept=True)


def write_choice(path: Path, choice: AutoChoice) -> None:
    """Keep a choice, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(choice.to_dict(), indent=1), encoding="utf-8")
    temporary.replace(path)
