"""Times several callables against each other in one process: randomised blocks, ratios with intervals.

Every round runs each callable once in a random order, so that drift (heat, neighbours) meets all of them alike. A
ratio is the median over rounds of reference / candidate, paired within a round; its interval is a bootstrap over
rounds.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import torch

_NUM_BOOTSTRAP = 2000


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds per call, one per round, for each name."""

    seconds: Mapping[str, np.ndarray]

    def median_s(self, name: str) -> float:
        """Median seconds of one call."""
        return float(np.median(self.seconds[name]))

    def speedup(self, name: str, reference: str) -> tuple[float, float, float]:
        """How many times faster than the reference: median of paired ratios, and its 95 % bootstrap interval."""
        ratios = self.seconds[reference] / self.seconds[name]
        rng = np.random.default_rng(0)
        draws = rng.choice(ratios, size=(_NUM_BOOTSTRAP, len(ratios)))
        low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
        return float(np.median(ratios)), float(low), float(high)


def time_interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int, device: torch.device
) -> Timing:
    """Time each callable once per round, in a new random order each round."""
    names = list(calls)
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warmup + rounds):
        for index in rng.permutation(len(names)):
            name = names[index]
            _synchronize(device)
            start_s = time.perf_counter()
            calls[name]()
            _synchronize(device)
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start_s)
    return Timing(seconds={name: np.array(values) for name, values in seconds.items()})


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures were measured on."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": gpu or f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "cuda": torch.version.cuda if gpu else None,
        "versions": {name: metadata.version(name) for name in ("torch", "ultralytics", "numpy")},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
