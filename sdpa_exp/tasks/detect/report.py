"""report.txt of task=detect: what was found, how fast, what ran, what was left out, where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdpa_exp.tasks.detect.keep import COCO_FILE, CSV_FILE, LABELS, PICTURES

FINDS = {
    "detect": "boxes",
    "segment": "masks",
    "pose": "poses",
    "obb": "rotated boxes",
    "classify": "best classes",
}
"""What a model of each purpose finds, in words."""
_MAX_LISTED = 10
_FILES = {"images": f"{PICTURES}/", "csv": CSV_FILE, "txt": f"{LABELS}/", "coco": COCO_FILE}


def render_detect(content: Mapping[str, Any]) -> str:
    """The report, from detect.json's content."""
    first, *others = content["sides"]
    counts = ", ".join(f"{count} {name}" for name, count in content["boxes_by_class"].items()) or "nothing"
    lines = [
        f"{content['num_frames']} images or frames of {content['source']} at {content['imgsz']} px, "
        f"confidence {content['conf']:g} or more: {counts}",
    ]
    if content["num_frames"] and not content["num_boxes"]:
        lines.append("  a lower detect.conf shows what the model is less sure of")
    lines += [f"  {_speed(side)}" for side in content["sides"]]
    if others and content["num_frames"]:
        num = content["num_boxes_only_in_one"]
        finds = FINDS[content["purpose"]]
        both = f"{first['label']} has {first['num_boxes']} {finds}, {others[0]['label']} {others[0]['num_boxes']}"
        alone = "every one has its partner" if num == 0 else f"{num} are in one of them only, framed in red"
        lines.append(f"  {both}: {alone}")
    for side in content["sides"]:
        executed = [pair for stage in side["executed"].values() for pair in stage.items()]
        if executed:
            ran = ", ".join(f"{kernel} at {count} layers" for kernel, count in executed)
            lines.append(f"  attested: {side['label']} ran {ran}")
    skipped = content["skipped"]
    if skipped:
        lines.append(f"{len(skipped)} files were left out:")
        lines += [f"  {file} {why}" for file, why in list(skipped.items())[:_MAX_LISTED]]
        lines += [f"  and {len(skipped) - _MAX_LISTED} more, in detect.json"] if len(skipped) > _MAX_LISTED else []
    kept = ", ".join(_FILES[kind] for kind in content["save"])
    lines.append(f"kept in the run folder: {kept or 'detect.json alone'}")
    return "\n".join(lines) + "\n"


def _speed(side: Mapping[str, Any]) -> str:
    if side["fps"] is None:
        return f"{side['label']}: no frame was looked at"
    return (
        f"{side['label']}: {side['latency_p50_ms']:.1f} ms a batch (median; the model {side['model_p50_ms']:.1f}), "
        f"{side['fps']:.1f} FPS without reading and drawing"
    )
