"""From predict.json to the named metrics of results/metrics.py: the plan's arm alone."""

from __future__ import annotations

from typing import Any

from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.predict.samples import PERCENTILES, samples_needed


def fill_metrics(content: dict[str, Any], outcome: Outcome) -> None:
    """Percentiles and FPS of the first variant that the arm ran in, and FPS of the others under their labels."""
    own = [variant for variant in content["variants"] if content["arm"] in variant["arms"]]
    for variant in own[:1]:
        figures = variant["arms"][content["arm"]]
        for percentile in PERCENTILES:
            name, value = f"latency_p{percentile}_ms", figures["latency_ms"][f"p{percentile}"]
            outcome.metrics[name] = value
            if value is None:
                outcome.unmeasured[name] = (
                    f"{variant['label']}: {variant['num_samples']} batches were timed, and this percentile needs "
                    f"{samples_needed(percentile)}; raise predict.num_batches and predict.time_limit_s"
                )
        outcome.metrics["model_p50_ms"] = figures["stages_ms"]["model"]["p50"]
        outcome.metrics["fps"] = figures["fps"]
        outcome.metrics["speedup"] = figures["speedup"]["median"] if figures["speedup"] else None
        if figures["speedup"] is None:
            outcome.unmeasured["speedup"] = "the arm is the baseline itself, or the baseline did not run beside it"
    for variant in own[1:]:
        outcome.metrics[f"{variant['label']}/fps"] = variant["arms"][content["arm"]]["fps"]
