"""From runs to a Comparison: comparison groups, pairs, tests, verdicts, findings, and one sentence on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdpa_exp.compare.accuracy_facts import accuracy_facts
from sdpa_exp.compare.answer.measurement import Measurement
from sdpa_exp.compare.answer.verdicts_side_by_side import SIDE_BY_SIDE, by_trainings, judge_beside, with_recommendation
from sdpa_exp.compare.comparison import ArmSummary, Comparison, Difference, Group
from sdpa_exp.compare.findings.aa_control import shifted
from sdpa_exp.compare.findings.across_groups import across_groups
from sdpa_exp.compare.findings.caveats import with_caveats
from sdpa_exp.compare.findings.find import find
from sdpa_exp.compare.findings.finding import Finding, by_severity, listed, located
from sdpa_exp.compare.findings.restarts import runs_made_good, sweep_extended
from sdpa_exp.compare.load.groups import GroupRuns, into_groups, labels_of, pair_metric, usable, without_made_good
from sdpa_exp.compare.load.run import RATIOS, Run
from sdpa_exp.compare.load.settings import in_one_place, with_settings
from sdpa_exp.compare.noise_floor import NoiseFloor, control_of, controlled_test, noise_floors, with_control
from sdpa_exp.compare.questions import by_purpose, for_runs
from sdpa_exp.compare.report.headline import headline
from sdpa_exp.compare.statistics.paired import PairedTest, describe, paired_test
from sdpa_exp.compare.verdict import Question, Verdict, judge
from sdpa_exp.errors import ComparisonError


def assemble(
    runs: Sequence[Run],
    *,
    name: str,
    folder: Path,
    questions: Sequence[Question],
    alpha: float,
    baseline: str | None = None,
    command: str = "",
    preflight: Mapping[str, Any] | None = None,
    planned_arms: Sequence[str] = (),
    extensions: Sequence[Mapping[str, Any]] = (),
    interleaved: Mapping[str, Measurement | str] | None = None,
    notes: Sequence[Finding] = (),
) -> Comparison:
    """Compare runs; `interleaved` has speed and memory by group, measured side by side, or why they were not.

    `alpha` is the level of the tests, `notes` are findings about the comparison as a whole.

    Raises:
        ComparisonError: `baseline` is neither planned nor among the arms.
    """
    runs, made_good = without_made_good(in_one_place(with_settings(runs)))
    copies = {run.arm for run in runs if run.copy_of is not None}
    arms = [arm for arm in dict.fromkeys([*planned_arms, *(run.arm for run in runs)]) if arm not in copies]
    baseline = choose_baseline(baseline, arms)
    asked, swaps = for_runs(questions, runs)
    groups = into_groups(runs)
    warned = [
        Finding(code="preflight", severity="warning", sentence=str(warning))
        for warning in (preflight or {}).get("warnings") or []
    ]
    said = {finding.sentence.removeprefix("data set: ") for finding in warned}
    found = [
        each for each in find(groups, baseline, alpha) if each.code != "data_set" or not said.issuperset(each.evidence)
    ]
    compared = tuple(
        _compare_group(group, baseline, asked, alpha, label=label, measured=(interleaved or {}).get(group.group_id))
        for group, label in zip(groups, labels_of(groups), strict=True)
    )
    not_measured = by_trainings(interleaved or {})
    shifts = [finding for group in compared for finding in shifted(group.noise_floors, alpha, group.group_id)]
    asked = by_purpose(asked, runs)
    together = across_groups(groups, baseline, asked)
    restarted = (*sweep_extended(extensions), *runs_made_good(made_good))
    findings = (*swaps, *notes, *warned, *restarted, *found, *shifts, *not_measured, *together)
    compared = tuple(with_recommendation(with_caveats(group, findings)) for group in compared)
    findings = located(findings, {group.group_id: group.label for group in compared})
    return Comparison(
        name=name,
        folder=folder,
        headline=headline(compared, findings, baseline),
        baseline=baseline,
        alpha=alpha,
        questions=tuple(asked),
        groups=compared,
        findings=by_severity(findings),
        runs=tuple(runs),
        command=command,
        preflight=preflight or {},
    )


def choose_baseline(baseline: str | None, arms: Sequence[str]) -> str:
    """The named arm; without a name stock, else sdpa, else the first.

    Raises:
        ComparisonError: the named arm is not among the arms.
    """
    if baseline is None:
        return next((arm for arm in ("stock", "sdpa") if arm in arms), arms[0])
    if baseline not in arms:
        raise ComparisonError(f"baseline={baseline} is not among the arms. Choose one of {', '.join(arms)}.")
    return baseline


def _compare_group(
    group: GroupRuns,
    baseline: str,
    questions: Sequence[Question],
    alpha: float,
    *,
    label: str,
    measured: Measurement | str | None,
) -> Group:
    """Describe all arms of a comparison group, and test each against the baseline.

    Questions that `measured` answers get no verdict from the trainings.
    """
    questions = by_purpose(questions, group.runs)
    judged = None if measured is None or isinstance(measured, str) else judge_beside(measured, questions, alpha)
    answered = SIDE_BY_SIDE if judged is not None else frozenset()
    usable_runs = {arm: usable(group, arm) for arm in group.arms}
    base = usable_runs.get(baseline, {})
    metrics = list(dict.fromkeys(name for run in group.runs for name in run.metrics))
    margins = {question.metric: question for question in questions}
    differences: list[Difference] = []
    for arm in group.arms:
        if arm == baseline:
            continue
        for metric in metrics:
            paired = pair_metric(usable_runs[arm], base, metric)
            if paired.seeds:
                question = margins.get(metric)
                margin = question.margin_for(float(paired.baseline.mean())) if question else None
                ratio = metric in RATIOS
                test = paired_test(paired.arm, paired.baseline, margin=margin, alpha=alpha, ratio=ratio)
                differences.append(Difference(arm=arm, metric=metric, seeds=paired.seeds, test=test))
    floors = noise_floors(group, baseline, questions, alpha)
    tests = {(d.arm, d.metric): d.test for d in differences}
    left = [question for question in questions if question.metric not in answered]
    verdicts = _verdicts(group, baseline, left, tests, floors=floors, alpha=alpha)
    return Group(
        runs=group,
        arms=tuple(_summarise(group, arm, baseline, metrics) for arm in group.arms),
        differences=tuple(differences),
        verdicts=tuple(verdicts),
        noise_floors=floors,
        accuracy=accuracy_facts(group, baseline),
        label=label,
        judged=judged,
    )


def _verdicts(
    group: GroupRuns,
    baseline: str,
    questions: Sequence[Question],
    tests: Mapping[tuple[str, str], PairedTest],
    *,
    floors: Sequence[NoiseFloor],
    alpha: float,
) -> list[Verdict]:
    """All questions about all arms, judged together; where every pair has its A/A copy, by the test that has it."""
    arms = [arm for arm in group.arms if arm != baseline and arm not in group.copies]
    keys = [(question, arm) for question in questions for arm in arms] if baseline in group.arms else []
    plain = {(question, arm): tests.get((arm, question.metric)) for question, arm in keys}
    reasons = {(question, arm): _why_untested(group, arm, baseline, question.metric) for question, arm in keys}
    verdicts = judge(plain, baseline, reasons, alpha)
    copy = control_of(group, baseline)
    if copy is None:
        return verdicts
    held = {(q, arm): controlled_test(group, arm, (baseline, copy), q, alpha) for q, arm in keys}
    judged = judge({key: held[key] or plain[key] for key in keys}, baseline, reasons, alpha)
    return [
        with_control(verdict, other if held[key] is not None else None, floors)
        for key, verdict, other in zip(keys, verdicts, judged, strict=True)
    ]


def _summarise(group: GroupRuns, arm: str, baseline: str, metrics: Sequence[str]) -> ArmSummary:
    runs = group.of(arm)
    counted = list(usable(group, arm).values())
    described = {}
    for name in metrics:
        values = [run.metrics[name] for run in counted if name in run.metrics]
        if values:
            described[name] = describe(np.array(values, dtype=np.float64))
    attested = [run.attestation for run in runs if run.attestation]
    return ArmSummary(
        name=arm,
        is_baseline=arm == baseline,
        copy_of=group.copies.get(arm),
        num_planned=len(runs),
        num_finished=sum(run.is_finished for run in runs),
        described=described,
        kernels=attested[0].get("executed") if attested else None,
        not_finished=tuple(run for run in runs if not run.is_finished),
    )


def _why_untested(group: GroupRuns, arm: str, baseline: str, metric: str) -> str:
    """Why an arm has no pair for a metric."""
    finished = {name: [run for run in group.of(name) if run.is_finished] for name in (arm, baseline)}
    empty = [name for name, runs in finished.items() if not runs]
    if empty:
        return f"{listed(f'{name} finished 0 of {len(group.of(name))} runs' for name in empty)}"
    for runs in finished.values():
        if not any(metric in run.metrics for run in runs):
            reason = next((run.unmeasured[metric] for run in runs if metric in run.unmeasured), "no reason is recorded")
            return f"{metric} was not measured in {runs[0].arm} ({reason.rstrip('.')})"
    return "no seed has a finished run in both"
