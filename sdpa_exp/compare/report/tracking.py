"""What a tracker shows of a comparison on the parent run: figures to sort by, tags to filter by, and a note.

Plain values, so that a tracker needs nothing from here but these dicts. Names use only letters, digits and `._-/ `,
which MLflow accepts; an arm with other characters has them replaced by `-`.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.report.render import note
from sdpa_exp.runs.files import HEADLINE_FILE, write_json_atomic

MAX_TAG = 5000  # MLflow's limit on the length of a tag's value


def write_headline(comparison: Comparison) -> None:
    """Write headline.json beside comparison.json, for trackers; an unchanged answer keeps its time and its file.

    The file: {schema_version, time_unix_ms, metrics, tags, note}. MLflow drops a metric that it has at that time
    already, so sending the file again changes nothing, and a new answer wins over an old one.
    """
    path = comparison.folder / HEADLINE_FILE
    content: dict[str, Any] = {
        "schema_version": 1,
        "metrics": parent_metrics(comparison),
        "tags": parent_tags(comparison),
        "note": parent_note(comparison),
    }
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    if not isinstance(before, dict) or {**before, **content} != before:
        write_json_atomic(path, {**content, "time_unix_ms": round(time.time() * 1000)})


def parent_metrics(comparison: Comparison) -> dict[str, float]:
    """`compare/<question>/<arm>/difference`, `relative`, `p`, `pairs`, `compare/<question>/noise_floor`, findings.

    With several comparison groups, only the first is shown: a metric has one value.
    """
    metrics = {
        f"compare/findings/{severity}": float(sum(f.severity == severity for f in comparison.findings))
        for severity in ("error", "warning")
    }
    judged = comparison.groups[0].judged if comparison.groups else None
    for arm, speed in judged.step.items() if judged else ():
        metrics[f"compare/speed/{_name(arm)}/ratio"] = speed.ratio
        metrics[f"compare/speed/{_name(arm)}/low"] = speed.low
        metrics[f"compare/speed/{_name(arm)}/high"] = speed.high
    for arm, memory in judged.memory.items() if judged else ():
        metrics[f"compare/memory/{_name(arm)}/difference"] = memory.mean_mib
    for floor in comparison.groups[0].noise_floors if comparison.groups else ():
        metrics[f"compare/{_name(floor.question)}/noise_floor"] = floor.floor
    for verdict in comparison.groups[0].verdicts if comparison.groups else ():
        if verdict.test is None:
            continue
        prefix = f"compare/{_name(verdict.question.name)}/{_name(verdict.arm)}"
        metrics[f"{prefix}/difference"] = verdict.test.mean
        metrics[f"{prefix}/pairs"] = float(verdict.test.n)
        if verdict.test.baseline_mean:
            metrics[f"{prefix}/relative"] = verdict.test.mean / verdict.test.baseline_mean
        if verdict.p is not None:
            metrics[f"{prefix}/p"] = verdict.p
    return metrics


def parent_tags(comparison: Comparison) -> dict[str, str]:
    """`verdict` (the headline), `verdict.<question>.<arm>` (its kind), `findings` (codes), `baseline`, `control`."""
    tags = {
        "verdict": comparison.headline[:MAX_TAG],
        "baseline": comparison.baseline,
        "findings": ", ".join(dict.fromkeys(f"{f.severity}:{f.code}" for f in comparison.findings))[:MAX_TAG] or "none",
    }
    for arm in comparison.groups[0].arms if comparison.groups else ():
        if arm.copy_of is not None:
            tags["control"] = f"{arm.name} (A/A copy of {arm.copy_of})"
    judged = comparison.groups[0].judged if comparison.groups else None
    tags |= {f"verdict.speed.{_name(arm)}": speed.kind for arm, speed in judged.step.items()} if judged else {}
    tags |= {f"verdict.memory.{_name(arm)}": memory.kind for arm, memory in judged.memory.items()} if judged else {}
    for verdict in comparison.groups[0].verdicts if comparison.groups else ():
        tags[f"verdict.{_name(verdict.question.name)}.{_name(verdict.arm)}"] = verdict.kind
    return tags


def parent_note(comparison: Comparison) -> str:
    """Markdown for `mlflow.note.content`: headline, findings, the tables, the verdicts."""
    return note(comparison)[:MAX_TAG]


def _name(text: str) -> str:
    return re.sub(r"[^\w. -]", "-", text, flags=re.ASCII)
