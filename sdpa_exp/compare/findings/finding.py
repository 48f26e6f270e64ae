"""A finding: something about the experiment itself that a reader must know before the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`code` names the kind for machines; `evidence` holds the plain values the sentence rests on.

    `group_id` says which comparison group it is about; None where it is about all.

    error: the comparison, or a part of it, compares nothing or something else than it says. warning: figures are
    weaker than they look. info: worth knowing.
    """

    code: str
    severity: Severity
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)
    group_id: str | None = None


def of_group(findings: Iterable[Finding], group_id: str) -> tuple[Finding, ...]:
    """Those about this comparison group, or about all."""
    return tuple(finding for finding in findings if finding.group_id in (None, group_id))


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first; within one severity as found."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def located(findings: Iterable[Finding], labels: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings with the label of their comparison group in front: `At imgsz=160: ...`."""
    found = []
    for finding in findings:
        label = labels.get(finding.group_id or "", "")
        sentence = f"At {label}: {finding.sentence}" if label else finding.sentence
        found.append(replace(finding, sentence=sentence))
    return tuple(found)


def listed(names: Iterable[object], limit: int = 4) -> str:
    """`a, b and c`; what exceeds the limit is counted."""
    texts = [str(name) for name in names]
    if len(texts) > limit:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"
