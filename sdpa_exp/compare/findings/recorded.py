"""Warnings that runs recorded themselves, and what reading their folders brought up."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sdpa_exp.compare.findings.finding import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run


def recorded(group: GroupRuns) -> Iterator[Finding]:
    """Warnings that runs recorded themselves, and what reading their folders brought up."""
    seen: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in group.runs:
        for warning in run.warnings:
            seen[(warning.get("code", "warning"), warning.get("message", ""))].append(run)
        for code, message in run.notes:
            seen[(code, message)].append(run)
    by_code: dict[str, list[tuple[str, list[Run]]]] = defaultdict(list)
    for (code, message), runs in seen.items():
        by_code[code].append((message, runs))
    for code, items in by_code.items():
        message, runs = items[0]
        others = f" ({len(items) - 1} similar)" if len(items) > 1 else ""
        yield Finding(
            code=code,
            severity="warning",
            sentence=f"{listed(run.label for run in runs)}: {message.rstrip('.')}{others}.",
            evidence={message: [run.label for run in runs] for message, runs in items},
        )
