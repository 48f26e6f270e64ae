"""From runs to a Comparison: cells, pairs, tests, verdicts, findings, and one sentence on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.compare.accuracy_facts import accuracy_facts
from sdpa_exp.compare.caveats import with_caveats
from sdpa_exp.compare.comparison import ArmSummary, Cell, Comparison, Difference
from sdpa_exp.compare.finding import Finding, by_severity, listed
from sdpa_exp.compare.findings import find
from sdpa_exp.compare.findings_control import shifted
from sdpa_exp.compare.headline import headline
from sdpa_exp.compare.load import read_settings
from sdpa_exp.compare.noise_floor import noise_floors, with_floor
from sdpa_exp.compare.pair import CellRuns, into_cells, pair_quantity, usable
from sdpa_exp.compare.questions import for_runs
from sdpa_exp.compare.stats import PairedTest, describe, paired_test
from sdpa_exp.compare.verdict import Question, Verdict, judge
from sdpa_exp.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sdpa_exp.compare.runs import Run


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
) -> Comparison:
    """Compare runs.

    Raises:
        ComparisonError: `baseline` is neither planned nor among the arms.
    """
    copies = {run.arm for run in runs if run.copy_of is not None}
    arms = [arm for arm in dict.fromkeys([*planned_arms, *(run.arm for run in runs)]) if arm not in copies]
    baseline = choose_baseline(baseline, arms)
    asked, swaps = for_runs(questions, runs)
    cells = into_cells(runs, _settings(runs))
    warned = [
        Finding(code="preflight", severity="warning", sentence=str(warning))
        for warning in (preflight or {}).get("warnings") or []
    ]
    compared = tuple(_compare_cell(cell, baseline, asked, alpha) for cell in cells)
    shifts = [finding for cell in compared for finding in shifted(cell.noise_floors, alpha, cell.cell_id)]
    findings = (*swaps, *warned, *find(cells, baseline), *shifts)
    compared = tuple(with_caveats(cell, findings) for cell in compared)
    return Comparison(
        name=name,
        folder=folder,
        headline=headline(compared, findings, baseline),
        baseline=baseline,
        alpha=alpha,
        questions=tuple(asked),
        cells=compared,
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


def _settings(runs: Sequence[Run]) -> dict[str, Mapping[str, Any]]:
    """Cell id -> its settings. A plan is read once a cell, not once a run: reading YAML is slow."""
    settings: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        if not settings.get(run.cell_id):
            settings[run.cell_id] = run.settings or ({} if run.is_plain else read_settings(run.folder))
    return settings


def _compare_cell(cell: CellRuns, baseline: str, questions: Sequence[Question], alpha: float) -> Cell:
    """Describe all arms of a cell, and test each against the baseline."""
    usable_runs = {arm: usable(cell, arm) for arm in cell.arms}
    base = usable_runs.get(baseline, {})
    quantities = list(dict.fromkeys(name for run in cell.runs for name in run.quantities))
    margins = {question.metric: question for question in questions}
    differences: list[Difference] = []
    for arm in cell.arms:
        if arm == baseline:
            continue
        for quantity in quantities:
            paired = pair_quantity(usable_runs[arm], base, quantity)
            if paired.seeds:
                question = margins.get(quantity)
                margin = question.margin_for(float(paired.baseline.mean())) if question else None
                test = paired_test(paired.arm, paired.baseline, margin=margin, alpha=alpha)
                differences.append(Difference(arm=arm, quantity=quantity, seeds=paired.seeds, test=test))
    tests = {(d.arm, d.quantity): d.test for d in differences}
    floors = noise_floors(cell, baseline, questions, alpha)
    verdicts: list[Verdict] = []
    if baseline in cell.arms:
        for question in questions:
            of_arms: dict[str, PairedTest | None] = {
                arm: tests.get((arm, question.metric))
                for arm in cell.arms
                if arm != baseline and arm not in cell.copies
            }
            reasons = {arm: _why_untested(cell, arm, baseline, question.metric) for arm in of_arms}
            judged = judge(question, baseline, of_arms, reasons, alpha)
            verdicts.extend(with_floor(verdict, floors) for verdict in judged)
    return Cell(
        cell_id=cell.cell_id,
        settings=cell.settings,
        arms=tuple(_summarise(cell, arm, baseline, quantities) for arm in cell.arms),
        differences=tuple(differences),
        verdicts=tuple(verdicts),
        noise_floors=floors,
        accuracy=accuracy_facts(cell),
    )


def _summarise(cell: CellRuns, arm: str, baseline: str, quantities: Sequence[str]) -> ArmSummary:
    runs = cell.of(arm)
    counted = list(usable(cell, arm).values())
    described = {}
    for name in quantities:
        values = [run.quantities[name] for run in counted if name in run.quantities]
        if values:
            described[name] = describe(np.array(values, dtype=np.float64))
    attested = [run.attestation for run in runs if run.attestation]
    return ArmSummary(
        name=arm,
        is_baseline=arm == baseline,
        copy_of=cell.copies.get(arm),
        num_planned=len(runs),
        num_finished=sum(run.is_finished for run in runs),
        described=described,
        kernels=attested[0].get("executed") if attested else None,
        not_finished=tuple(run for run in runs if not run.is_finished),
    )


def _why_untested(cell: CellRuns, arm: str, baseline: str, metric: str) -> str:
    """Why an arm has no pair for a metric."""
    finished = {name: [run for run in cell.of(name) if run.is_finished] for name in (arm, baseline)}
    empty = [name for name, runs in finished.items() if not runs]
    if empty:
        return f"{listed(f'{name} finished 0 of {len(cell.of(name))} runs' for name in empty)}"
    for runs in finished.values():
        if not any(metric in run.quantities for run in runs):
            reason = next((run.unmeasured[metric] for run in runs if metric in run.unmeasured), "no reason is recorded")
            return f"{metric} was not measured in {runs[0].arm} ({reason.rstrip('.')})"
    return "no seed has a finished run in both"
