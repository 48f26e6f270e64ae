"""Findings about what the arms were given: settings, data, start weights, environment, and what really ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.groups import GroupRuns, differing_settings, usable
from sdpa_exp.compare.load.run import UNKNOWN_GROUP, Run
from sdpa_exp.config.plan import flatten

# What an environment records that can't change a figure, or that varies by itself.
_INCIDENTAL = ("locations.", "gpu_uuid", "gpu_memory_mib")


def differing_groups(groups: Sequence[GroupRuns]) -> Iterator[Finding]:
    """Runs that differ in more than arm and seed: they are compared inside each comparison group only."""
    if len(groups) < 2:
        return
    settings = differing_settings(groups)
    arms = [listed(group.arms) for group in groups]
    is_lonely = any(len(group.arms) < 2 for group in groups)
    shown = [f"{name} ({', '.join(dict.fromkeys(str(v) for v in values))})" for name, values in settings.items()]
    what = listed(shown, limit=6) if shown else "settings that their folders don't name"
    if any(run.is_plain for group in groups for run in group.runs) and any(
        not run.is_plain for group in groups for run in group.runs
    ):
        what = "who wrote them (name the train/ folder inside a run folder to compare it as a plain Ultralytics run)"
    across = "and arms that stand alone in theirs are not compared." if is_lonely else "never across."
    sentence = (
        f"The runs differ in more than arm and seed: {what}. "
        f"They are compared inside each of {len(groups)} comparison groups, {across}"
    )
    yield Finding(
        code="settings-differ",
        severity="error" if is_lonely else "info",
        sentence=sentence,
        evidence={"groups": [group.group_id for group in groups], "arms": arms, "settings": settings},
    )


def harmless_labels(group: GroupRuns) -> Iterator[Finding]:
    """Names and places that are not the same in all runs of the group: no reason to keep the runs apart."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for run in group.runs:
        for name, value in run.labels.items():
            values[name][str(value)] = None
    differing = {name: list(found) for name, found in values.items() if len(found) > 1}
    if differing:
        shown = listed((f"{name} ({', '.join(found)})" for name, found in differing.items()), limit=6)
        yield Finding(
            code="labels-differ",
            severity="info",
            sentence=f"Runs of one comparison group carry different labels: {shown}. All settings that can change a "
            f"figure are equal, so they are compared.",
            evidence={"labels": differing},
        )


def differing_machines(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """Pairs whose two runs had different processors: their times are the machines'."""
    base = usable(group, baseline)
    for arm in group.arms:
        pairs = [(run, base[seed]) for seed, run in usable(group, arm).items() if seed in base and arm != baseline]
        apart = [(_device(a), _device(b)) for a, b in pairs if _device(a) and _device(b) and _device(a) != _device(b)]
        if apart:
            yield Finding(
                code="machines-differ",
                severity="error",
                sentence=f"In {len(apart)} of {len(pairs)} pairs {arm} ran on another machine than {baseline} "
                f"({apart[0][0]}; {apart[0][1]}): differences in time and memory are the machines'.",
                evidence={"arm": arm, "pairs": len(pairs), "machines": apart[:20]},
            )


def _device(run: Run) -> str | None:
    return run.environment.get("gpu") or run.environment.get("cpu")


def unknown_settings(group: GroupRuns) -> Iterator[Finding]:
    """Plain folders without args.yaml: nothing shows that the arms had the same settings."""
    runs = [run for run in group.runs if run.is_plain and not run.settings]
    if runs:
        yield Finding(
            code="unknown-settings",
            severity="warning",
            sentence=f"{listed(run.label for run in runs)}: no args.yaml beside results.csv, so seed and settings are "
            f"unknown, and nothing shows that the arms differ in attention alone.",
            evidence={"folders": [str(run.folder) for run in runs], "group": UNKNOWN_GROUP},
        )


def changed_settings(group: GroupRuns) -> Iterator[Finding]:
    """Recorded and executed settings that disagree; AMP that switched itself off has a name of its own."""
    changed: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in group.runs:
        for name, (planned, executed) in run.settings_changed.items():
            changed[(name, str(planned), str(executed))].append(run)
    for (name, planned, executed), runs in changed.items():
        who = f"{listed(dict.fromkeys(run.arm for run in runs))} ({len(runs)} of {len(group.runs)} runs)"
        everywhere = len(runs) == len(group.runs)
        if name == "amp" and executed.lower() in {"false", "none"}:
            yield Finding(
                code="amp-off",
                severity="warning" if everywhere else "error",
                sentence=f"AMP switched itself off in {who}: the plan says {planned}, and fp32 ran.",
                evidence={"planned": planned, "executed": executed, "runs": [run.label for run in runs]},
            )
        else:
            yield Finding(
                code="settings-changed",
                severity="warning" if everywhere else "error",
                sentence=f"{name} was planned as {planned} and executed as {executed} in {who}.",
                evidence={"setting": name, "planned": planned, "executed": executed, "runs": [r.label for r in runs]},
            )


def differing_inputs(group: GroupRuns) -> Iterator[Finding]:
    """Data and start weights that differ between arms at one seed, or that a new seed leaves alone."""
    by_seed: dict[int | None, list[Run]] = defaultdict(list)
    for run in group.runs:
        by_seed[run.seed].append(run)
    for key, code, what in (
        ("data_stream", "data-stream-differs", "saw different training batches"),
        ("initial_weights", "start-weights-differ", "started from different weights"),
        ("data_set", "data-set-differs", "were given different data sets"),
    ):
        for seed, runs in by_seed.items():
            digests = {
                run.arm: run.digests[key]
                for run in runs
                if key in run.digests and (run.copy_of is None or key != "initial_weights")
            }
            if len(set(digests.values())) > 1:
                yield Finding(
                    code=code,
                    severity="error",
                    sentence=f"{listed(digests)} {what} at seed {seed}: the pair differs in more than attention.",
                    evidence={"seed": seed, "digests": digests},
                )
                break
    for arm in group.arms:
        streams: dict[str, list[int | None]] = defaultdict(list)
        for run in group.of(arm):
            if "data_stream" in run.digests:
                streams[run.digests["data_stream"]].append(run.seed)
        for seeds in streams.values():
            if len(set(seeds)) > 1:
                yield Finding(
                    code="data-stream-equal",
                    severity="warning",
                    sentence=f"{arm} saw the same training batches at seeds {listed(seeds, limit=6)}: "
                    f"the seed does not reach the data loader, and the spread over seeds is too small.",
                    evidence={"arm": arm, "seeds": seeds},
                )


def attestations(group: GroupRuns) -> Iterator[Finding]:
    """Runs whose kernels are not the ones asked for, that changed between seeds, or that nobody watched."""
    finished = [run for run in group.runs if run.is_finished]
    for run in group.runs:
        if run.attestation and not run.attestation.get("ok", True):
            mismatches = run.attestation.get("mismatches") or []
            detail = f": {listed((_text(m) for m in mismatches), limit=2)}" if mismatches else ""
            yield Finding(
                code="attestation-failed",
                severity="error",
                sentence=f"{run.label} asked for {run.attestation.get('requested')} and ran something else{detail}.",
                evidence={"run": run.label, "executed": run.attestation.get("executed"), "mismatches": mismatches},
            )
    for arm in group.arms:
        executed = [run.attestation.get("executed") for run in group.of(arm) if run.attestation and run.is_finished]
        if any(other != executed[0] for other in executed[1:]):
            yield Finding(
                code="kernels-vary",
                severity="error",
                sentence=f"{arm} did not run the same kernels in all its runs: they are not repeats of one arm.",
                evidence={"arm": arm, "executed": executed},
            )
    blind = [run for run in finished if not run.attestation]
    if blind:
        plain = all(run.is_plain for run in blind)
        why = "a plain Ultralytics folder holds no evidence" if plain else "they hold no attestation"
        yield Finding(
            code="no-attestation",
            severity="warning",
            sentence=f"Which attention kernels ran in {listed(run.label for run in blind)} is unknown: {why}.",
            evidence={"runs": [run.label for run in blind]},
        )


def differing_environments(group: GroupRuns) -> Iterator[Finding]:
    """Versions or devices that are not the same in all runs."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for run in group.runs:
        for key, value in flatten(run.environment).items():
            if not key.startswith(_INCIDENTAL):
                values[key][str(value)].append(run.label)
    for key, by_value in values.items():
        if len(by_value) > 1:
            yield Finding(
                code="environment-differs",
                severity="warning",
                sentence=f"{key} is not the same in all runs: {listed(by_value)}.",
                evidence={"key": key, "values": dict(by_value)},
            )


def _text(mismatch: Any) -> str:
    return mismatch if isinstance(mismatch, str) else str(mismatch)
