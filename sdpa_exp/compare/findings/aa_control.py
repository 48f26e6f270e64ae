"""Findings about an A/A control: whether the copy of the baseline arm is one, and could be measured."""

from __future__ import annotations

from collections.abc import Iterator

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.noise_floor import NoiseFloor, is_same_attention, training_kernels


def control(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """Copies that ran other kernels, that were not perturbed, or that have no pair."""
    for copy, original in group.copies.items():
        if not is_same_attention(group, copy, original):
            kernels = {arm: training_kernels(group, arm) for arm in (original, copy)}
            ran = listed(f"{arm} {listed(kernels[arm])}" for arm in kernels)
            yield Finding(
                code="control-kernels-differ",
                severity="error",
                sentence=f"{copy} is no copy of {original}: the kernels in training were not the same ({ran}). "
                f"There is no noise floor.",
                evidence={"copy": copy, "original": original, "kernels": kernels},
            )
        still = [
            run.seed
            for run in group.of(copy)
            for first in group.of(original)
            if run.seed == first.seed
            and "initial_weights" in run.digests
            and run.digests["initial_weights"] == first.digests.get("initial_weights")
        ]
        if still:
            yield Finding(
                code="control-not-perturbed",
                severity="error",
                sentence=f"{copy} started from the very weights of {original} at seeds {listed(still, 6)}: "
                f"it was not perturbed, and its learned metrics have no spread.",
                evidence={"copy": copy, "original": original, "seeds": still},
            )
        if original != baseline:
            yield Finding(
                code="control-unused",
                severity="info",
                sentence=f"{copy} repeats {original}, and the baseline is {baseline}: it gives no noise floor here.",
                evidence={"copy": copy, "original": original},
            )
        elif not usable(group, copy).keys() & usable(group, original).keys():
            yield Finding(
                code="control-missing",
                severity="warning",
                sentence=f"{copy} and {original} finished no seed in common, so there is no noise floor.",
                evidence={"copy": copy, "original": original},
            )


def shifted(floors: tuple[NoiseFloor, ...], alpha: float, group_id: str) -> Iterator[Finding]:
    """A copy that tests different from its original: the experiment finds effects where there are none."""
    wrong = [floor for floor in floors if floor.p is not None and floor.p < alpha]
    if wrong:
        copy, original = wrong[0].arm, wrong[0].baseline
        what = listed(f"{floor.metric} by {floor.mean_text()}" for floor in wrong)
        yield Finding(
            code="control-differs",
            severity="warning",
            sentence=f"{copy}, the same attention as {original}, tests different from it in {what}: the order of the "
            f"runs or an unsteady machine makes differences. Those of this size mean nothing.",
            evidence={"copy": copy, "original": original, "p": {floor.metric: floor.p for floor in wrong}},
            group_id=group_id,
        )
