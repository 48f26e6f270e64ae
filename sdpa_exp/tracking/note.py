"""The description that MLflow shows on top of a run or sweep, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sdpa_exp.results.quantities import QUANTITIES
from sdpa_exp.tracking.location import redact

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan
    from sdpa_exp.results.record import Record


def run_note(plan: Plan, record: Record) -> str:
    """Status, figures and kernels of a run that has ended."""
    lines = [f"**{record.status}**: {plan.arm}, seed {plan.seed}, {plan.model.name} on {plan.dataset.name}"]
    if record.reason:
        lines.append(f"\nReason: {record.reason}")
    lines += ["", "| quantity | value | unit |", "|---|---:|---|"]
    for name, value in record.quantities.items():
        unit = QUANTITIES[name].unit if name in QUANTITIES else ""
        shown = (
            f"{value:.5g}" if value is not None else f"not measured: {record.unmeasured.get(name, 'no reason given')}"
        )
        lines.append(f"| {name} | {shown} | {unit} |")
    executed: Mapping[str, Mapping[str, int]] = (record.attestation or {}).get("executed") or {}
    if executed:
        lines += ["", "| stage | kernels that ran (sites) |", "|---|---|"]
        lines += [f"| {stage} | {', '.join(f'{k} ({n})' for k, n in ks.items())} |" for stage, ks in executed.items()]
    lines += [f"\nWarning `{warning.get('code')}`: {warning.get('message')}" for warning in record.warnings]
    lines.append(f"\nRun folder: `{plan.job.run_dir}`")
    return redact("\n".join(lines))


def sweep_note(sweep: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> str:
    """The answer of a sweep, or what it asks while it runs."""
    lines: list[str] = []
    if comparison and comparison.get("headline"):
        lines.append(f"**{comparison['headline']}**\n")
    arms = ", ".join(str(arm) for arm in sweep.get("arms", ()))
    seeds = ", ".join(str(seed) for seed in sweep.get("seeds", ()))
    lines.append(f"Arms: {arms}; seeds: {seeds}; baseline: {sweep.get('baseline')}; runs: {len(sweep.get('jobs', ()))}")
    findings = [finding for finding in (comparison or {}).get("findings") or () if isinstance(finding, Mapping)]
    lines += [f"- {f.get('severity', 'finding')}: {f.get('sentence', f.get('code', ''))}" for f in findings]
    if sweep.get("command"):
        lines.append(f"\n`{sweep['command']}`")
    return redact("\n".join(lines))
