"""Findings about how the runs went: how many, in which order, and what else the machine was doing."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.groups import GroupRuns, Seed, repeated_seeds, usable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sdpa_exp.compare.load.run import Run

OTHER_GPU_MEMORY_MIB = 1024.0
OTHER_CPU_PERCENT = 15.0


def unfinished(group: GroupRuns) -> Iterator[Finding]:
    """Failed and missing runs, by arm, with their first reason."""
    for arm in group.arms:
        runs = group.of(arm)
        lost = [run for run in runs if not run.is_finished]
        if lost:
            states = listed(dict.fromkeys(run.status.lower() for run in lost))
            reason = (lost[0].reason or "no reason is recorded").strip().rstrip(".")
            more = "" if len({run.reason for run in lost}) == 1 else f" (and {len(lost) - 1} more)"
            yield Finding(
                code="runs-lost",
                severity="error" if len(lost) == len(runs) else "warning",
                sentence=f"{len(lost)} of {len(runs)} runs of {arm} did not finish ({states}): {reason}{more}.",
                evidence={"arm": arm, "runs": {run.label: [run.status, run.reason] for run in lost}},
            )


def seed_counts(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """One seed only, seeds that stand twice, seeds without a partner."""
    for (arm, seed), runs in repeated_seeds(group).items():
        yield Finding(
            code="duplicate-seed",
            severity="error",
            sentence=f"{arm} has seed {seed} {len(runs)} times ({listed(run.folder.name for run in runs)}): "
            f"none of them is used, because nothing says which one counts.",
            evidence={"arm": arm, "seed": seed, "folders": [str(run.folder) for run in runs]},
        )
    seeds = {arm: set(usable(group, arm)) for arm in group.arms}
    if any(seeds.values()) and all(len(found) <= 1 for found in seeds.values()):
        yield Finding(
            code="one-seed",
            severity="warning",
            sentence="There is one seed, so no test is possible: a difference can't be held against the spread between "
            "seeds. Repeat with seed=0,1,2,3,4 for a first answer.",
            evidence={"seeds": {arm: sorted(map(str, found)) for arm, found in seeds.items()}},
        )
    base = seeds.get(baseline, set())
    planned = {arm: {run.seed for run in group.of(arm)} for arm in group.arms}
    for arm, found in seeds.items():
        single = (found ^ base) if base and found else set[Seed]()
        if arm != baseline and single and planned[arm] != planned[baseline]:  # lost runs are named elsewhere
            yield Finding(
                code="unpaired-seeds",
                severity="warning",
                sentence=f"{arm} and {baseline} share {len(found & base)} of {len(found | base)} seeds; "
                f"the others are described but not tested.",
                evidence={"arm": arm, "unpaired": sorted(map(str, single))},
            )


def arm_counts(groups: Sequence[GroupRuns], baseline: str) -> Iterator[Finding]:
    """One arm only, or no baseline."""
    arms = list(dict.fromkeys(arm for group in groups for arm in group.arms))
    if len(arms) == 1:
        yield Finding(
            code="one-arm",
            severity="warning",
            sentence=f"There is one arm, {arms[0]}: it is described, and there is nothing to compare it with.",
            evidence={"arms": arms},
        )
    elif baseline not in arms:
        yield Finding(
            code="no-baseline",
            severity="error",
            sentence=f"The baseline {baseline} has no run here, so nothing is compared. Arms: {listed(arms)}.",
            evidence={"arms": arms, "baseline": baseline},
        )


def epoch_counts(group: GroupRuns) -> Iterator[Finding]:
    """Finished runs that trained for different numbers of epochs."""
    counts: dict[int, list[str]] = defaultdict(list)
    for run in group.runs:
        if run.is_finished and run.curves is not None:
            counts[int(run.curves.epochs[-1])].append(run.label)
    if len(counts) > 1:
        shown = listed(f"{epochs} ({listed(labels, limit=2)})" for epochs, labels in sorted(counts.items()))
        yield Finding(
            code="unequal-epochs",
            severity="warning",
            sentence=f"The runs ended after different numbers of epochs: {shown}. Times are not comparable, and final "
            f"metrics only if stopping early is part of the question.",
            evidence={str(epochs): labels for epochs, labels in counts.items()},
        )


def run_order(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """Arms that ran one after the other instead of in turns, or at the same time."""
    finished = [run for run in group.runs if run.is_finished]
    begun = {id(run): _time(run.started_at) for run in finished}
    if any(time is None for time in begun.values()):
        begun = {id(run): run.num for run in finished}
    for arm in group.arms:
        places = sorted(p for run in finished if run.arm == arm and (p := begun[id(run)]) is not None)
        base = sorted(p for run in finished if run.arm == baseline and (p := begun[id(run)]) is not None)
        apart = places and base and (places[-1] < base[0] or base[-1] < places[0])
        if arm != baseline and apart and min(len(places), len(base)) > 1:
            first, second = (arm, baseline) if places[-1] < base[0] else (baseline, arm)
            yield Finding(
                code="order-confounded",
                severity="warning",
                sentence=f"All runs of {first} came before all runs of {second}: warming up or drift of the machine "
                f"looks like an effect of the arm. Put the seed first, so that arms alternate.",
                evidence={"first": first, "second": second},
            )
    overlaps = _overlaps(finished)
    if overlaps:
        a, b = overlaps[0]
        yield Finding(
            code="runs-overlapped",
            severity="warning",
            sentence=f"{len(overlaps)} pairs of runs were on one device at the same time ({a.label} and {b.label}, for "
            f"one): their times mean nothing.",
            evidence={"pairs": [[a.label, b.label] for a, b in overlaps[:20]]},
        )


def machine(group: GroupRuns) -> Iterator[Finding]:
    """Throttling, and other users of GPU and CPU, as telemetry saw them in the train phase."""
    for code, detail_of, sentence in (
        ("gpu-shared", _other_gpu_memory, "Something else held GPU memory during {who} ({what}): if it computed, times "
         "are not of the arm alone."),
        ("throttled", _throttling, "The GPU throttled during {who} ({what}): times are not of the arm alone."),
        ("cpu-shared", _other_cpu, "Other processes kept the CPU busy during {who} ({what}): times are too long and "
         "too noisy."),
    ):  # fmt: skip
        hit = [(run, detail) for run in group.runs if run.is_finished and (detail := detail_of(run))]
        if hit:
            yield Finding(
                code=code,
                severity="warning",
                sentence=sentence.format(
                    who=listed((run.label for run, _ in hit), 3), what=f"{hit[0][0].label}: {hit[0][1]}"
                ),
                evidence={run.label: detail for run, detail in hit},
            )


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


def _time(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None


def _overlaps(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """All pairs on one device, by host and GPU, of which the second began before the first ended."""
    spans = [(b, e, run) for run in runs if (b := _time(run.started_at)) and (e := _time(run.ended_at))]
    spans.sort(key=lambda span: span[0])
    found: list[tuple[Run, Run]] = []
    at_work: list[tuple[float, Run]] = []
    for begin, end, run in spans:
        at_work = [(until, other) for until, other in at_work if begin < until]
        if not any(warning.get("code") == "gpu_waited" for warning in run.warnings):  # then it began after them
            found += [(other, run) for _, other in at_work if _device(other) == _device(run)]
        at_work.append((end, run))
    return found


def _device(run: Run) -> tuple[Any, Any]:
    """Host and GPU of a run; None for what its folder does not say, so that it counts as the same."""
    return run.environment.get("host"), run.environment.get("gpu_uuid")


def _while_training(run: Run) -> dict[str, Any]:
    """The telemetry summary of the train phase, else of the whole run."""
    telemetry = run.telemetry or {}
    return (telemetry.get("phases") or {}).get("train") or telemetry.get("overall") or {}


def _throttling(run: Run) -> str | None:
    """`12 % of the time: sw_power_cap`, where it was more than 1 %."""
    figures = _while_training(run)
    throttled_s, wall_s = figures.get("throttled_s"), figures.get("wall_s")
    if not throttled_s or not wall_s or throttled_s < 0.01 * wall_s:
        return None
    reasons = figures.get("throttle_reasons_s") or {}
    names = [name for name in reasons if name not in {"gpu_idle", "applications_clocks_setting"}]
    return f"{100 * throttled_s / wall_s:.0f} % of the time: {listed(names)}"


def _other_gpu_memory(run: Run) -> str | None:
    """`3,100 MiB beyond its own`; the driver and a desktop take some hundred."""
    figures = _while_training(run)
    device, own = figures.get("peak_gpu_memory_used_mib"), figures.get("peak_gpu_process_memory_mib")
    if device is None or own is None or device - own < OTHER_GPU_MEMORY_MIB:
        return None
    return f"{device - own:,.0f} MiB beyond its own"


def _other_cpu(run: Run) -> str | None:
    """`45 % of the CPU beyond its own`."""
    figures = _while_training(run)
    system, own = figures.get("mean_system_cpu_percent"), figures.get("mean_cpu_percent")
    num_cpus = run.environment.get("num_cpus")
    if system is None or own is None or not num_cpus or system - own / num_cpus < OTHER_CPU_PERCENT:
        return None
    return f"{system - own / num_cpus:.0f} % of the CPU beyond its own"
