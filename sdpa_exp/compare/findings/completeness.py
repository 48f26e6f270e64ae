"""Findings about what there is to compare: runs that did not finish, lone seeds and arms, unequal epochs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.groups import GroupRuns, Seed, repeated_seeds, usable


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
