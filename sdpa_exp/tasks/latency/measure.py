"""The figures of one precision, memory format and batch size, as latency.json holds them, and the metrics of the run.

A sample is one batch; its latency is pre + model + post. A percentile that the number of samples can't carry is None:
the 99th needs a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdpa_exp.measure.interval import ratio_of
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.latency.arm import Arm
from sdpa_exp.tasks.latency.interleave import FloatArray, Samples
from sdpa_exp.tasks.latency.source import Batch

STAGES = ("pre", "model", "post")
PERCENTILES = (50, 95, 99)


def samples_needed(percentile: int) -> int:
    """The least number of samples of which one lies above this percentile."""
    return 1 if percentile == 50 else round(100 / (100 - percentile))


def describe_ms(seconds: FloatArray) -> dict[str, float | None]:
    """Mean, least, largest and the percentiles, in milliseconds."""
    values = {"mean": float(seconds.mean()), "min": float(seconds.min()), "max": float(seconds.max())}
    known: dict[str, float | None] = {name: 1e3 * value for name, value in values.items()}
    for percentile in PERCENTILES:
        is_enough = len(seconds) >= samples_needed(percentile)
        known[f"p{percentile}"] = 1e3 * float(np.percentile(seconds, percentile)) if is_enough else None
    return known


def images_per_s(stages_s: FloatArray, batch: int) -> float:
    """FPS: images over the sum of pre, model and post of all samples, an array (samples, stages)."""
    return len(stages_s) * batch / float(stages_s.sum())


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One precision, memory format and batch size. `samples` is None where it did not run, for a reason."""

    setup: str
    batch: int
    samples: Samples | None
    input_shapes: tuple[tuple[int, ...], ...] = ()
    not_run: str | None = None

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.setup}, batch {self.batch}"

    @property
    def label(self) -> str:
        """Short, for names of metrics and phases."""
        return f"{self.setup.replace(', ', '_')}_batch{self.batch}"

    def to_dict(self, baseline: str) -> dict[str, Any]:
        """For latency.json; speed-ups are None for the baseline, and where it did not run."""
        samples = self.samples
        head = {
            "title": self.title,
            "setup": self.setup,
            "batch": self.batch,
            "label": self.label,
            "not_run": self.not_run,
        }
        if samples is None:
            return {**head, "arms": {}}
        reference = baseline if baseline in samples.stages_s else None
        return {
            **head,
            "input_shapes": [list(shape) for shape in self.input_shapes],
            "num_samples": len(samples.orders),
            "num_warmup": samples.num_warmup,
            "is_steady": samples.is_steady,
            "arms": {
                name: _arm(samples, name, reference if name != reference else None, self.batch)
                for name in samples.stages_s
            },
        }

    def rows(self) -> Iterator[list[Any]]:
        """Every sample: setup, batch, round, place in the round, arm, and the three stages in ms."""
        if self.samples is None:
            return
        for number, order in enumerate(self.samples.orders):
            for place, arm in enumerate(order):
                stages = [f"{1e3 * value:.4f}" for value in self.samples.stages_s[arm][number]]
                yield [self.setup, self.batch, number, place, arm, *stages]


ROW_NAMES = ("setup", "batch", "round", "place", "arm", *(f"{stage}_ms" for stage in STAGES))


def _arm(samples: Samples, name: str, reference: str | None, batch: int) -> dict[str, Any]:
    """The figures of one arm; `reference` is the arm that it is compared with, if any."""
    latency_s, stages_s = samples.latency_s(name), samples.stages_s[name]
    return {
        "latency_ms": describe_ms(latency_s),
        "stages_ms": {stage: describe_ms(stages_s[:, index]) for index, stage in enumerate(STAGES)},
        "fps": images_per_s(stages_s, batch),
        "speedup": _speedup(samples.latency_s(reference), latency_s) if reference else None,
        "model_speedup": _speedup(samples.model_s(reference), samples.model_s(name)) if reference else None,
    }


def _speedup(reference_s: FloatArray, candidate_s: FloatArray) -> dict[str, Any]:
    ratio = ratio_of(reference_s, candidate_s)
    return {"median": ratio.value, "low": ratio.low, "high": ratio.high, "num_pairs": len(candidate_s)}


def shapes_of(arm: Arm, batches: Sequence[Batch]) -> dict[tuple[int, ...], Batch]:
    """Input shape -> the first batch that has it."""
    shapes: dict[tuple[int, ...], Batch] = {}
    for batch in batches:
        shapes.setdefault(arm.input_shape(batch), batch)
    return shapes


def fill_metrics(content: dict[str, Any], outcome: Outcome) -> None:
    """Percentiles and FPS of the first variant that the arm ran in, and FPS of the others under their labels."""
    own = [variant for variant in content["variants"] if content["arm"] in variant["arms"]]
    for variant in own[:1]:
        figures = variant["arms"][content["arm"]]
        for percentile in PERCENTILES:
            outcome.measure(
                f"latency_p{percentile}_ms",
                figures["latency_ms"][f"p{percentile}"],
                f"{variant['label']}: {variant['num_samples']} batches were timed, and this percentile needs "
                f"{samples_needed(percentile)}; raise latency.num_batches and latency.time_limit_s",
            )
        outcome.measure("model_p50_ms", figures["stages_ms"]["model"]["p50"])
        outcome.measure("fps", figures["fps"])
        speedup = figures["speedup"]["median"] if figures["speedup"] else None
        outcome.measure("speedup", speedup, "the arm is the baseline itself, or the baseline did not run beside it")
    for variant in own[1:]:
        outcome.measure(f"{variant['label']}/fps", variant["arms"][content["arm"]]["fps"])
