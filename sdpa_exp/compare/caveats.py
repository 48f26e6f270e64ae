"""What findings do to verdicts: a test that came out clearly can still be about nothing, and its sentence says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.compare.comparison import Cell
    from sdpa_exp.compare.finding import Finding
    from sdpa_exp.compare.verdict import Verdict

NOTHING_LEARNT = "nothing-learnt"
_SAME_ATTENTION = ("same-kernels", "identical-curves", "identical-weights")


def with_caveats(cell: Cell, findings: Sequence[Finding]) -> Cell:
    """The cell with verdicts that say where they can't be about attention, or about accuracy at all."""
    return dataclasses.replace(cell, verdicts=tuple(_with_caveat(verdict, findings) for verdict in cell.verdicts))


def is_unlearnt(verdict: Verdict, findings: Sequence[Finding]) -> bool:
    """Whether the verdict is about a metric that stayed 0 in every run."""
    return any(f.code == NOTHING_LEARNT and verdict.question.metric in f.evidence["metrics"] for f in findings)


def _with_caveat(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    if is_unlearnt(verdict, findings):
        return dataclasses.replace(
            verdict,
            kind="no test",
            sentence=f"{verdict.question.name}: no verdict on {verdict.arm} against {verdict.baseline}: nothing was "
            f"learnt, {verdict.question.metric} is 0 in every run.",
        )
    pair = {verdict.arm, verdict.baseline}
    if verdict.test is not None and any(
        f.code in _SAME_ATTENTION and pair <= set(f.evidence.get("arms", ())) for f in findings
    ):
        sentence = f"{verdict.sentence} Both ran the same attention, so this can't be its effect."
        return dataclasses.replace(verdict, sentence=sentence)
    return verdict
