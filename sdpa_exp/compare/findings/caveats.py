"""What findings do to verdicts: a test that came out clearly can still be about nothing, and its sentence says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sdpa_exp.compare.findings.finding import of_group
from sdpa_exp.compare.wording import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.compare.comparison import Group
    from sdpa_exp.compare.findings.finding import Finding
    from sdpa_exp.compare.verdict import Verdict

NOTHING_LEARNT = "nothing-learnt"
_SAME_ATTENTION = ("same-kernels", "identical-curves", "identical-weights")


def with_caveats(group: Group, findings: Sequence[Finding]) -> Group:
    """The comparison group with verdicts that say where they can't be about attention, or about accuracy at all.

    A metric that nothing was learnt in has no noise floor either.
    """
    own = of_group(findings, group.group_id)
    return dataclasses.replace(
        group,
        verdicts=tuple(_with_caveat(verdict, own) for verdict in group.verdicts),
        noise_floors=tuple(floor for floor in group.noise_floors if floor.metric not in _unlearnt(own)),
    )


def is_unlearnt(verdict: Verdict, findings: Sequence[Finding]) -> bool:
    """Whether the verdict is about a metric that stayed 0 in every run of the group that the findings are about."""
    return verdict.question.metric in _unlearnt(findings)


def _unlearnt(findings: Sequence[Finding]) -> set[str]:
    return {metric for f in findings if f.code == NOTHING_LEARNT for metric in f.evidence["metrics"]}


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
        if verdict.p is None:  # no test, so nothing is claimed that would have to be taken back
            sentence = f"{verdict.sentence} Both ran the same attention, so this can't be its effect."
            return dataclasses.replace(verdict, sentence=sentence)
        return dataclasses.replace(
            verdict,
            kind="same attention",
            sentence=f"{verdict.question.name}: {verdict.arm} and {verdict.baseline} ran the same attention, so that a "
            f"difference can't be its effect: {figures(verdict)}.",
        )
    return verdict
