"""report.txt of task=export: the files, whether they find the same, how fast they are, what became of attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render_export(content: Mapping[str, Any]) -> str:
    """The report, from export.json's content."""
    first, *others = content["files"]
    lines = [
        f"{content['weights']} with attention={content['arm']}, as {content['format']} at {content['imgsz']} px",
        f"  file: {first['path']} ({first['size_mib']:.1f} MiB)",
        f"  {first['attention']}",
    ]
    if not content["was_run_here"]:
        lines.append("  this format was never run by the authors of sdpa_exp: look at the result before you use it")
    if content["not_compared"]:
        lines.append(f"  not compared, since it can't be run here: {content['not_compared']}")
    lines += [f"  {found['sentence']}" for found in content["agreement"]]
    if content["runtime_precision"] not in (None, "f32"):
        lines.append(
            f"  OpenVINO computes in {content['runtime_precision']} on this CPU by its own choice, which explains "
            "differences of that kind; INFERENCE_PRECISION_HINT=f32, given to it, is exact"
        )
    if content["timing"] is not None:
        lines += [f"  {_speed(name, arm)}" for name, arm in content["timing"]["arms"].items()]
    beside = content["beside_stock"]
    if beside is not None and others:
        kind, arm = content["format"], content["arm"]
        lines.append(f"  {kind} with {arm} is {_ratio(beside)} times as fast as {kind} with stock: {_verdict(beside)}")
        lines.append(f"  stock's file: {others[0]['path']}: {others[0]['attention']}")
    return "\n".join(lines) + "\n"


def _speed(name: str, arm: Mapping[str, Any]) -> str:
    model_ms = arm["stages_ms"]["model"]["p50"]
    text = f"{name}: {arm['latency_ms']['p50']:.1f} ms an image (median; the model {model_ms:.1f})"
    return text if arm["speedup"] is None else f"{text}, {_ratio(arm['speedup'])} times as fast as the source"


def _ratio(speedup: Mapping[str, float]) -> str:
    return f"{speedup['median']:.2f} ({speedup['low']:.2f} to {speedup['high']:.2f})"


def _verdict(speedup: Mapping[str, float]) -> str:
    if speedup["low"] > 1:
        return "faster"
    return "slower" if speedup["high"] < 1 else "no difference that this timing shows"
