"""One choice of the hardware for all plans that ask for the same: once per sweep, so that arms don't differ in it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import AUTO_BATCH
from sdpa_exp.config.task import load_task
from sdpa_exp.tasks.hardware import Chosen, choose_hardware, image_mib
from sdpa_exp.tasks.image_cache import NO_CACHE, choose_cache

_log = logging.getLogger(__name__)


def choose_for_sweep(plans: Sequence[Plan]) -> list[Chosen]:
    """One choice for all plans that ask for the same: arms never differ by what was free a moment later."""
    sharing: dict[str, list[Plan]] = {}
    for plan in plans:
        sharing.setdefault(repr(plan.hardware), []).append(plan)
    chosen = {}
    for asked, those in sharing.items():
        hardware = those[0].hardware
        cache = choose_cache(those) if hardware.cache is None else NO_CACHE
        choice = choose_hardware(hardware, images_mib=[image_mib(plan) for plan in those], cache=cache)
        measures = hardware.batch == AUTO_BATCH and not load_task(those[0]).examines
        chosen[asked] = _with_measured_batch(those, choice) if measures else choice
    return [chosen[repr(plan.hardware)] for plan in plans]


def _with_measured_batch(plans: Sequence[Plan], choice: Chosen) -> Chosen:
    """The choice with the batch that trial steps found; the one that was reckoned, where no arm can run."""
    from sdpa_exp.tasks.batch_search import measured_batch  # it brings Ultralytics

    hungriest_first = sorted(plans, key=image_mib, reverse=True)
    found = measured_batch(hungriest_first, choice.hardware)
    if found is None:
        return choice
    batch, why = found
    _log.info("%s", f"hardware.batch={batch}: {why}")
    hardware = dataclasses.replace(choice.hardware, batch=batch)
    return Chosen(hardware=hardware, reasons={**choice.reasons, "batch": why})
