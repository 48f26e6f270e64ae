"""What a tracker shows of a comparison on the parent run: figures to sort by, tags to filter by, and a note.

Plain values, so that a tracker needs nothing from here but these dicts. Names use only letters, digits and `._-/ `,
which MLflow accepts; an arm with other characters has them replaced by `-`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sdpa_exp.compare.tables import arms_table, to_markdown

if TYPE_CHECKING:
    from sdpa_exp.compare.comparison import Comparison

MAX_TAG = 5000  # MLflow's limit on the length of a tag's value


def parent_metrics(comparison: Comparison) -> dict[str, float]:
    """`compare/<question>/<arm>/difference`, `relative`, `p`, `pairs`, and the number of findings by severity.

    With several cells, only the first is told: a metric has one value.
    """
    metrics = {
        f"compare/findings/{severity}": float(sum(f.severity == severity for f in comparison.findings))
        for severity in ("error", "warning")
    }
    for verdict in comparison.cells[0].verdicts if comparison.cells else ():
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
    """`verdict` (the headline), `verdict.<question>.<arm>` (its kind), `findings` (their codes), `baseline`."""
    tags = {
        "verdict": comparison.headline[:MAX_TAG],
        "baseline": comparison.baseline,
        "findings": ", ".join(dict.fromkeys(f"{f.severity}:{f.code}" for f in comparison.findings))[:MAX_TAG] or "none",
    }
    for verdict in comparison.cells[0].verdicts if comparison.cells else ():
        tags[f"verdict.{_name(verdict.question.name)}.{_name(verdict.arm)}"] = verdict.kind
    return tags


def parent_note(comparison: Comparison) -> str:
    """Markdown for `mlflow.note.content`: headline, findings, the table."""
    lines = [f"**{comparison.headline}**", ""]
    lines += [f"- {finding.severity} `{finding.code}`: {finding.sentence}" for finding in comparison.findings]
    for cell in comparison.cells[:3]:
        lines += ["", to_markdown(arms_table(cell)), *(f"- {verdict.sentence}" for verdict in cell.verdicts)]
    return "\n".join(lines)[:MAX_TAG]


def _name(text: str) -> str:
    return re.sub(r"[^\w. -]", "-", text, flags=re.ASCII)
