"""report.txt of task=data: how much there is, what is wrong, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdpa_exp.runs.files import REPORT_HTML_FILE
from sdpa_exp.tasks.data.figures import SIZES
from sdpa_exp.text_report import TextReport, plain_table

_MAX_CLASSES, _MAX_FILES = 12, 3


def render_data(content: Mapping[str, Any], run_dir: Path) -> str:
    """The report, from data.json's content."""
    report = TextReport()
    has_boxes = content["purpose"] != "classify"
    table = plain_table()
    for name in ("split", "images", *(("without a box", "boxes", *SIZES) if has_boxes else ())):
        table.add_column(name, justify="left" if name == "split" else "right")
    for split, of in content["figures"].items():
        boxes = (of["backgrounds"], of["boxes"], *(of["sizes"][size] for size in SIZES)) if has_boxes else ()
        table.add_row(split, *map(str, (of["images"], *boxes)))
    report.show(table)
    if has_boxes:
        report.say(f"small, medium and large are COCO's, at {content['imgsz']} px")
    if content["num_classes"] > 1:
        report.show(_classes(content, "boxes" if has_boxes else "images"))
    for finding in content["findings"]:
        report.say(f"{finding['severity']}: {finding['sentence']}")
        for file in finding["files"][:_MAX_FILES]:
            report.say(f"  {file}")
        if len(finding["files"]) > _MAX_FILES:
            report.say(f"  and {len(finding['files']) - _MAX_FILES} more")
    if content["mended"]:
        report.say(content["mended"]["sentence"])
    report.say(content["headline"])
    report.say(f"all of it, with pictures: {run_dir / REPORT_HTML_FILE}")
    return report.text


def _classes(content: Mapping[str, Any], kind: str) -> Any:
    splits = [split for split in content["figures"] if split != "all"]
    table = plain_table()
    table.add_column(f"{kind} by class")
    for split in splits:
        table.add_column(split, justify="right")
    whole = content["figures"].get("all") or content["figures"][splits[0]]
    names = sorted(whole["classes"], key=lambda name: -whole["classes"][name][kind])
    for name in names[:_MAX_CLASSES]:
        table.add_row(name, *(str(content["figures"][split]["classes"][name][kind]) for split in splits))
    if len(names) > _MAX_CLASSES:
        table.add_row(f"and {len(names) - _MAX_CLASSES} more", *("" for _ in splits))
    return table
