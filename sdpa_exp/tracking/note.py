"""The description that MLflow shows on top of a run or sweep, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdpa_exp.config.credentials import redact
from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.files import REPORT_HTML_FILE
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.sweep import Sweep
from sdpa_exp.tracking.params_and_tags import MAX_TAG_LENGTH


def run_note(plan: Plan, record: Record) -> str:
    """Status, figures and kernels of a run that has ended."""
    who = plan.title if plan.task.name != "train" else f"{plan.arm}, seed {plan.seed}"
    lines = [f"**{record.headline}**\n"] if record.headline else []
    lines.append(f"**{record.status}**: {who}, {plan.model.name} on {plan.dataset.name}")
    if record.reason:
        lines.append(f"\nReason: {record.reason}")
    lines += ["", "| metric | value | unit |", "|---|---:|---|"]
    missing: dict[str, list[str]] = {}
    for name, value in record.metrics.items():
        if value is None:
            missing.setdefault(record.unmeasured.get(name, "no reason given"), []).append(name)
            continue
        unit = METRICS[name].unit if name in METRICS else ""
        lines.append(f"| {name} | {value:.5g} | {unit} |")
    lines += [f"\nNot measured: {', '.join(names)}: {reason}" for reason, names in missing.items()]
    executed: Mapping[str, Mapping[str, int]] = (record.attestation or {}).get("executed") or {}
    if executed:
        lines += ["", "| stage | kernels that ran (layers) |", "|---|---|"]
        lines += [f"| {stage} | {', '.join(f'{k} ({n})' for k, n in ks.items())} |" for stage, ks in executed.items()]
    lines += [f"\nWarning `{warning.get('code')}`: {warning.get('message')}" for warning in record.warnings]
    lines.append(f"\nRun folder: `{plan.run_dir}`")
    return redact("\n".join(lines))


def sweep_title(sweep: Sweep) -> str:
    """Names a sweep in a list: `sweep stock, sdpa x 2 seeds`, or `sweep sdpa, 3 runs` of what else was swept."""
    num_seeds = len(sweep.seeds)
    if not sweep.arms or not sweep.jobs:  # a sweeper that chooses as it goes, before its first job
        return f"sweep {sweep.folder.name}"
    if len(sweep.arms) * num_seeds < 2:
        return f"sweep {sweep.arms[0]}, {len(sweep.jobs)} run" + ("s" if len(sweep.jobs) != 1 else "")
    return f"sweep {', '.join(sweep.arms)} x {num_seeds} seed" + ("s" if num_seeds > 1 else "")


def sweep_note(sweep: Sweep, comparison: Mapping[str, Any] | None, *, answer: str | None = None) -> str:
    """The answer of a sweep, or what it asks while it runs.

    Args:
        sweep: its folder has the report.
        comparison: content of comparison.json, if there is one.
        answer: Markdown that tells the comparison; without it, headline and findings are taken from `comparison`.
    """
    arms, seeds = ", ".join(sweep.arms), ", ".join(map(str, sweep.seeds))
    about = ["", f"Arms: {arms}; seeds: {seeds}; baseline: {sweep.baseline}; runs: {len(sweep.jobs)}"]
    if sweep.command:
        about.append(f"\n`{sweep.command}`")
    about.append(
        f"\nSweep folder: `{sweep.folder}`" + (f"; {REPORT_HTML_FILE} is among the artifacts" if comparison else "")
    )
    tail = redact("\n".join(about))
    answered = redact(answer or "\n".join(_findings(comparison or {})))
    room = MAX_TAG_LENGTH - len(tail)
    return (answered if len(answered) <= room else answered[: max(0, room - 3)] + "...") + (
        tail if answered else tail.lstrip("\n")
    )


def _findings(comparison: Mapping[str, Any]) -> Iterator[str]:
    if comparison.get("headline"):
        yield f"**{comparison['headline']}**\n"
    for finding in comparison.get("findings") or ():
        if isinstance(finding, Mapping):
            yield f"- {finding.get('severity', 'finding')}: {finding.get('sentence', finding.get('code', ''))}"
