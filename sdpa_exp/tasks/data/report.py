"""report.txt of task=data: how much there is, what is wrong, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from sdpa_exp.runs.files import REPORT_HTML_FILE
from sdpa_exp.tasks.data.figures import SIZES
from sdpa_exp.text_report import plain_table, text_of

_MAX_CLASSES, _MAX_FILES = 12, 3


def render_data(content: Mapping[str, Any], run_dir: Path) -> str:
    """The report, from data.json's content."""
    has_boxes = content["purpose"] != "classify"
    rows = []
    for split, of in content["figures"].items():
        boxes = (of["backgrounds"], of["boxes"], *(of["sizes"][size] for size in SIZES)) if has_boxes else ()
        rows.append([split, *map(str, (of["images"], *boxes))])
    header = ["split", "images", *(("without a box", "boxes", *SIZES) if has_boxes else ())]
    parts: list[Table | str] = [plain_table(header, rows)]
    if has_boxes:
        parts.append(f"small, medium and large are COCO's, at {content['imgsz']} px")
    if content["num_classes"] > 1:
        parts.append(_classes(content, "boxes" if has_boxes else "images"))
    for finding in content["findings"]:
        parts.append(f"{finding['severity']}: {finding['sentence']}")
        parts += [f"  {file}" for file in finding["files"][:_MAX_FILES]]
        if len(finding["files"]) > _MAX_FILES:
            parts.append(f"  and {len(finding['files']) - _MAX_FILES} more")
    if content["mended"]:
        parts.append(content["mended"]["sentence"])
    return text_of(*parts, content["headline"], f"all of it, with pictures: {run_dir / REPORT_HTML_FILE}")


def _classes(content: Mapping[str, Any], kind: str) -> Table:
    splits = [split for split in content["figures"] if split != "all"]
    whole = content["figures"].get("all") or content["figures"][splits[0]]
    names = sorted(whole["classes"], key=lambda name: -whole["classes"][name][kind])
    rows = [
        [name, *(str(content["figures"][split]["classes"][name][kind]) for split in splits)]
        for name in names[:_MAX_CLASSES]
    ]
    if len(names) > _MAX_CLASSES:
        rows.append([f"and {len(names) - _MAX_CLASSES} more"])
    return plain_table([f"{kind} by class", *splits], rows)
