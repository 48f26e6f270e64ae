"""What the tests of findings share: a sweep without findings, and ways to ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.compare.folders import RunSpec, crossed

if TYPE_CHECKING:
    from sdpa_exp.compare.comparison import Comparison

SEEDS = [0, 1]


def found(comparison: Comparison, code: str) -> list[tuple[str, str]]:
    return [(finding.severity, finding.sentence) for finding in comparison.findings if finding.code == code]


def clean() -> list[RunSpec]:
    return crossed(["stock", "sdpa"], SEEDS)


def only(comparison: Comparison, code: str, severity: str) -> str:
    """The sentence of the one finding there should be."""
    assert [(f.code, f.severity) for f in comparison.findings] == [(code, severity)], comparison.findings
    return comparison.findings[0].sentence
