"""Measurements made up for tests, in the format of answer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

WHERE = {
    "model": "yolo12n", "imgsz": 160, "batch": 8, "inference_batch": 1, "precision": "fp32", "device": "cpu",
    "num_threads": 1, "dataset": "synthetic", "weights": None,
}  # fmt: skip


def content_of(
    speedups: Mapping[str, Sequence[float]],
    *,
    baseline: str = "stock",
    peaks_mib: Mapping[str, float | Sequence[float]] | None = None,
    wrong: Sequence[str] = (),
    rounds: int = 8,
    kernels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """answer.json for arms that are so many times as fast as the baseline in each process, with equal rounds."""
    number = len(next(iter(speedups.values())))
    arms = [baseline, *speedups]
    peaks = {arm: np.broadcast_to((peaks_mib or {}).get(arm, 130.0), (number,)) for arm in arms}
    timed = [{arm: [0.2 / ([1.0] * number if arm == baseline else speedups[arm])[i]] * rounds for arm in arms}
             for i in range(number)]  # fmt: skip
    part = {"rounds": rounds, "reference_drift": 0.0, "is_drifted": False, "left_out": {}, "orders": []}
    return {
        "schema_version": 1,
        "where": WHERE,
        "baseline": baseline,
        "arms": {arm: arm for arm in arms},
        "refused": {"efficient": "it has no CPU kernel"},
        "same_as": {},
        "same_function": {
            "arms": {
                arm: {"ok": arm not in wrong, "worst_ratio": 40.0 if arm in wrong else 1.1, "max_ratio": 6.0,
                      "num_layers": 8, "precision": "fp32"}
                for arm in arms if arm != "stock"
            },
            "stock_faults": [],
        },
        "processes": [
            {
                "step": {**part, "seconds": timed[i]},
                "inference": {**part, "seconds": timed[i]},
                "kernels": {
                    "step": {arm: {"forward": [(kernels or {}).get(arm, arm)], "backward": []} for arm in arms}
                },
                "memory": {arm: {"allocated_mib": float(peaks[arm][i]), "reason": None} for arm in arms},
            }
            for i in range(number)
        ],
    }  # fmt: skip
