"""Jobs of a sweep at the same time: each has a GPU of its own, and a CPU is shared by timed runs only where told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sdpa_exp.config.task import load_task
from sdpa_exp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.config.launchers import Launcher
    from sdpa_exp.config.plan import Plan

_CHOSEN_HERE = ("auto", "cuda")  # hardware.device where the user did not name one GPU


def refuse_shared_cpu(plans: Sequence[Plan], launcher: Launcher, num_gpus: int | None, *, allowed: bool) -> None:
    """Refuse timed runs side by side on one CPU: each would take time from the others.

    Args:
        plans: of the sweep; where its sweeper chooses as it goes, one of its kind.
        launcher: of the sweep; Slurm gives each job cores of its own.
        num_gpus: that this process sees; None where that can't be said.
        allowed: `allow_shared_device`.

    Raises:
        ConfigError: names both ways out.
    """
    if allowed or launcher.num_on_cpu == 1:
        return
    timed = next((plan for plan in plans if load_task(plan).is_timed and _is_on_cpu(plan, num_gpus)), None)
    if timed is not None:
        raise ConfigError(
            f"hydra/launcher={launcher.name} would have {launcher.num_on_cpu} runs of this sweep at work at once on "
            "one CPU, where they take time from each other, so that their times mean nothing: expected one after the "
            f"other. Leave {launcher.way_out} out; or, where accuracy is all you ask, add allow_shared_device=true, "
            "which flags the runs."
        )


def gpus_of_job(plan: Plan, seeds: Sequence[int]) -> tuple[str, ...]:
    """The GPUs that a job may see, of those that the sweep has: all arms of a seed get the same ones.

    They are compared in pairs by seed, and a pair on two cards would be a comparison of cards.
    """
    gpus, num = plan.job.gpus, plan.hardware.devices
    if len(gpus) < 2 * num or plan.hardware.device not in _CHOSEN_HERE:
        return gpus
    place = seeds.index(plan.seed) if plan.seed in seeds else plan.job.num
    first = place % (len(gpus) // num) * num
    return gpus[first : first + num]


def _is_on_cpu(plan: Plan, num_gpus: int | None) -> bool:
    device = plan.hardware.device
    return device == "cpu" or (device == "auto" and num_gpus == 0 and sys.platform != "darwin")
