"""The tracker that the runs of one process share."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import StoreAway
from sdpa_exp.tracking.tracker import NoTracker, Tracker, make_tracker

logger = logging.getLogger(__name__)


def checked_tracker(plan: Plan) -> Tracker:
    """The tracker, once its store has said that it takes our runs, or doesn't answer for now: no run waits for that.

    A doctor does without: its answer must come in seconds and where the store is what's broken, while MLflow alone
    takes longer to import. Its run folder can be sent to the store like any other.

    Raises:
        TrackingError: the store refuses us.
    """
    tracker = tracker_of(plan)
    try:
        tracker.check()
    except StoreAway as error:
        logger.warning("%s Nothing waits for it: what can't be sent stays in the run folders.", error)
    return tracker


def tracker_of(plan: Plan) -> Tracker:
    """The tracker of this process for the plan's store: a sweep's jobs and its end share one."""
    if load_task(plan).examines:
        return NoTracker()
    return _shared_tracker(dataclasses.astuple(plan.tracking), plan.name)


@functools.cache
def _shared_tracker(tracking: tuple[Any, ...], name: str) -> Tracker:
    return make_tracker(TrackingConfig(*tracking), experiment=name)
