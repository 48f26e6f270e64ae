"""The report of task=latency, from the content of latency.json."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sdpa_exp.tasks.latency.measure import PERCENTILES, samples_needed
from sdpa_exp.text_report import counted, plain_table, text_of


def render_latency(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    source = content["source"]
    images = "images" if source["num_found"] is not None else "first frames"
    weights = "trained weights" if content["weights"] else "weights as initialised"
    threads = counted(content["num_threads"], "CPU thread")
    parts: list[Table | str] = [
        f"{content['network']} ({weights}) at {content['imgsz']} px, {source['num_images']} {images} of "
        f"{source['words']}, {content['device']}, {threads}, {content['boxes_by']}",
        "p50, p95, p99: latency of a batch in ms, pre + model + post; pre, model, post: medians of these parts; "
        "FPS: images over the sum of latencies. Images are decoded beforehand.",
    ]
    say = parts.append
    for variant in content["variants"]:
        say("")
        if variant["not_run"] is not None:
            say(f"{variant['title']}: not run: {variant['not_run']}")
            continue
        steady = "steady" if variant["is_steady"] else "NOT steady"
        say(f"{variant['title']}: {variant['num_samples']} batches, {steady} after {variant['num_warmup']} passes")
        parts.append(_table(variant, content["baseline"]))
        latencies = [found["latency_ms"] for found in variant["arms"].values()]
        empty = [p for p in PERCENTILES if any(each[f"p{p}"] is None for each in latencies)]
        if empty:
            needed = " and ".join(f"p{p} takes {samples_needed(p)} batches" for p in empty)
            say(f"- : {needed}; raise latency.num_batches and latency.time_limit_s")
    if any(variant["arms"] for variant in content["variants"]):
        say(f"* baseline; x {content['baseline']}: its latency over the arm's, paired by batch, 95 % interval")
    for item in content["not_run"]:
        say(f"not run: attention={item['arm']} in {item['setup']}: {item['reason']}")
    for item in content["agreement"]:
        say(f"{item['setup']}: {item['sentence']}")
    for arm, attestation in content["attestation"].items():
        kernels = sorted({kernel for stage in attestation["executed"].values() for kernel in stage})
        state = "" if attestation["ok"] else ", NOT AS ASKED"
        say(f"{arm} ran {', '.join(kernels) or 'no attention kernel'} at {attestation['num_layers']} layers{state}")
    for warning in content["warnings"]:
        say(f"warning: {warning}")
    return text_of(*parts)


def _table(variant: dict[str, Any], baseline: str) -> Table:
    rows = [
        [
            f"{arm}*" if arm == baseline else arm,
            *(_number(found["stages_ms"][stage]["p50"]) for stage in ("pre", "model", "post")),
            *(_number(found["latency_ms"][name]) for name in ("p50", "p95", "p99")),
            _number(found["fps"]),
            _ratio(found["speedup"]),
        ]
        for arm, found in variant["arms"].items()
    ]
    return plain_table(["arm", "pre", "model", "post", "p50", "p95", "p99", "FPS", f"x {baseline}"], rows)


def _ratio(speedup: dict[str, Any] | None) -> str:
    if speedup is None:
        return ""
    if speedup["low"] is None:
        return f"{speedup['median']:.3f}"
    return f"{speedup['median']:.3f} ({speedup['low']:.3f} to {speedup['high']:.3f})"


def _number(value: float | None) -> str:
    """Four digits at most: a tenth of a microsecond is noise."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
