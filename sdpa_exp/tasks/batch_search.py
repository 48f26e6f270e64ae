"""`hardware.batch=auto`: the largest batch that fits the hungriest arm, found by trial steps, once for all plans.

Never run on CUDA so far.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import BackendUnavailable, ConfigError
from sdpa_exp.tasks.batch_trial import Trial, try_batch

_LADDER = (1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
_MOST_ON_CPU = 16  # a larger one is no faster there, and changes the recipe
_FIRST = 1  # the rung of the first trial: one image alone is no usual step
# What the steps may take of the free memory. The rest is for batches with more boxes than those of the trial, for
# fragmentation, and on a CPU for the files that the system keeps in memory.
_SHARE = {"cuda": 0.85, "cpu": 0.8}
_log = logging.getLogger(__name__)


def measured_batch(
    plans: Sequence[Plan], hardware: HardwareConfig, trial_of: Callable[[Plan], Trial] = try_batch
) -> tuple[int, str] | None:
    """The largest batch whose trial steps fit in every arm, and why.

    Args:
        plans: all that share the choice, the hungriest models first.
        hardware: resolved but for the batch.
        trial_of: trains some steps of a resolved plan.

    Returns:
        None where no arm can run here, so that there was nothing to try.

    Raises:
        ConfigError: not even one image fits, or the device is not one whose memory can be measured.
        SdpaExpError: a training fails for another reason.
    """
    kind = hardware.device.partition(":")[0]
    if kind not in _SHARE:
        raise ConfigError(
            f"hardware.batch=auto can't be measured on {kind}: expected CUDA or a CPU. Set hardware.batch=null, which "
            "reckons, or a number."
        )
    ladder = [each for each in _LADDER if kind == "cuda" or each <= _MOST_ON_CPU]
    arms = {(plan.group_id(), plan.arm): plan for plan in plans if plan.attention.copy_of is None}
    tried: dict[str, Trial] = {}  # at the largest batch of the ladder, once an arm has been tried
    for plan in arms.values():
        try:
            found = _largest(plan, hardware, ladder, trial_of, share=_SHARE[kind], is_first=not tried)
        except BackendUnavailable:  # said of the arm by the checks before a sweep
            continue
        batch, trial = found
        tried = {**(tried if batch == ladder[-1] else {}), plan.arm: trial}
        ladder = [each for each in ladder if each <= batch]
    if not tried:
        return None
    arm, trial = max(tried.items(), key=lambda each: each[1].peak_mib or 0.0)
    hungriest = f"{arm}, the hungriest of {len(arms)} arms," if len(arms) > 1 else arm
    return ladder[-1], (
        f"trial steps of {hungriest} held {trial.peak_mib:.0f} MiB of {trial.free_mib:.0f} MiB, "
        f"{_SHARE[kind]:.0%} of which may be used" + ("; at most 16 on a CPU" if kind == "cpu" else "")
    )


def _largest(
    plan: Plan,
    hardware: HardwareConfig,
    ladder: Sequence[int],
    trial_of: Callable[[Plan], Trial],
    *,
    share: float,
    is_first: bool,
) -> tuple[int, Trial]:
    """The largest batch of the ladder whose trial fits for one arm, and that trial.

    The first arm climbs: two small trials, then where a line through the two largest that fit leads. The others begin
    where the one before them ended.
    """
    trials: dict[int, Trial] = {}
    fitting: dict[int, float] = {}
    batch = ladder[min(_FIRST, len(ladder) - 1)] if is_first else ladder[-1]
    while True:
        trial = trials[batch] = trial_of(replace(plan, hardware=replace(hardware, batch=batch)))
        budget_mib = share * trial.free_mib
        if trial.peak_mib is not None and trial.peak_mib <= budget_mib:
            fitting[batch] = trial.peak_mib
        held = "ran out of memory" if trial.peak_mib is None else f"held {trial.peak_mib:.0f} MiB"
        _log.info("hardware.batch=auto: %s with batch %d %s, %.0f MiB may be used", plan.arm, batch, held, budget_mib)
        best = max(fitting, default=0)
        most = min((each for each in trials if each not in fitting), default=ladder[-1] + 1) - 1
        num_images = max(each.num_images for each in trials.values()) or most
        larger = [each for each in ladder if best < each <= min(most, num_images)]
        if fitting:
            larger = [each for each in larger if _reckoned(each, fitting, larger[0]) <= budget_mib]
        if larger:
            batch = larger[-1]
        elif fitting:
            return best, trials[best]
        else:
            raise ConfigError(
                f"hardware.batch=auto found no batch that fits: {plan.arm} {held} with one image at "
                f"{plan.imgsz} px, and {budget_mib:.0f} MiB may be used on {hardware.device}. Take a "
                "smaller train.imgsz or model, or free some memory."
            )


def _reckoned(batch: int, fitting: dict[int, float], next_up: int) -> float:
    """The peak that a line through the two largest trials expects; 0 for the next one up where there is no line."""
    *_, low, high = [0, *sorted(fitting)]
    slope = (fitting[high] - fitting[low]) / (high - low) if low else 0.0
    if slope > 0:
        return fitting[high] + slope * (batch - high)
    return 0.0 if batch == next_up else float("inf")
