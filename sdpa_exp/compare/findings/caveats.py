"""What findings do to verdicts: a test that came out clearly can still be about nothing, and its sentence says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sdpa_exp.compare.comparison import Group
from sdpa_exp.compare.findings.finding import Finding, of_group
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.load.run import WHOLE_RUN
from sdpa_exp.compare.verdict import Verdict
from sdpa_exp.compare.wording import figures

NOTHING_LEARNT = "nothing-learnt"
_SAME_NUMBERS = ("identical-curves", "identical-weights")


def with_caveats(group: Group, findings: Sequence[Finding]) -> Group:
    """The comparison group with verdicts that say where they can't be about attention, or about accuracy at all.

    A metric that nothing was learnt in has no noise floor either.
    """
    own = of_group(findings, group.group_id)
    return dataclasses.replace(
        group,
        verdicts=tuple(_with_caveat(verdict, group, own) for verdict in group.verdicts),
        noise_floors=tuple(floor for floor in group.noise_floors if floor.metric not in _unlearnt(own)),
    )


def is_unlearnt(verdict: Verdict, findings: Sequence[Finding]) -> bool:
    """Whether the verdict is about a metric that stayed 0 in every run of the group that the findings are about."""
    return verdict.question.metric in _unlearnt(findings)


def _unlearnt(findings: Sequence[Finding]) -> set[str]:
    return {metric for f in findings if f.code == NOTHING_LEARNT for metric in f.evidence["metrics"]}


def _with_caveat(verdict: Verdict, group: Group, findings: Sequence[Finding]) -> Verdict:
    name, arm, baseline = verdict.question.name, verdict.arm, verdict.baseline
    if is_unlearnt(verdict, findings) and verdict.kind != "no pairs":
        why = f"nothing was learnt, {verdict.question.metric} is 0 in every run"
        return dataclasses.replace(
            verdict, kind="no test", sentence=f"{name}: no verdict on {arm} against {baseline}: {why}."
        )
    apart = _unequal_epochs(group.runs, arm, baseline) if verdict.question.metric in WHOLE_RUN else None
    if verdict.test is not None and apart is not None:
        why = f"a pair trained for {apart[0]} and {apart[1]} epochs, so {verdict.question.metric} is not comparable"
        return dataclasses.replace(
            verdict, kind="not comparable", sentence=f"{name}: no verdict on {arm} against {baseline}: {why}."
        )
    if verdict.test is not None and _is_same_attention(verdict, group, findings):
        if verdict.p is None:  # no test, so nothing is claimed that would have to be taken back
            sentence = f"{verdict.sentence} Both ran the same attention, so this can't be its effect."
            return dataclasses.replace(verdict, sentence=sentence)
        return dataclasses.replace(
            verdict,
            kind="same attention",
            sentence=f"{name}: {arm} and {baseline} ran the same attention, so that a difference can't be its effect: "
            f"{figures(verdict)}.",
        )
    return verdict


def _is_same_attention(verdict: Verdict, group: Group, findings: Sequence[Finding]) -> bool:
    """Whether both arms ran the same kernels, or came to the same numbers at every seed that was paired."""
    pair = {verdict.arm, verdict.baseline}
    about = [f for f in findings if pair <= set(f.evidence.get("arms", ()))]
    same: set[object] = {seed for f in about if f.code in _SAME_NUMBERS for seed in f.evidence["seeds"]}
    paired = usable(group.runs, verdict.baseline)
    runs = [run for seed, run in usable(group.runs, verdict.arm).items() if seed in paired]
    return any(f.code == "same-kernels" for f in about) or (bool(runs) and all(run.seed in same for run in runs))


def _unequal_epochs(group: GroupRuns, arm: str, baseline: str) -> tuple[int, int] | None:
    """The epochs of the first pair that did not train equally long, as far as curves show."""
    base = usable(group, baseline)
    for seed, run in usable(group, arm).items():
        other = base.get(seed)
        if other is not None and run.curves is not None and other.curves is not None:
            ends = int(run.curves.epochs[-1]), int(other.curves.epochs[-1])
            if ends[0] != ends[1]:
                return ends
    return None
