"""What a process of a run does that is not its first (`hardware.devices`): the same work, without log or record."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan, from_dict
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.launch.worker_setup import Killed, prepare_environment, switch_off_trackers
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.ranks import hear, write_failure

logger = logging.getLogger(__name__)
PLAN_KEY = "plan"


class _NoLog(EventLog):
    """An event log of which nothing is kept."""

    def __init__(self) -> None: ...

    def write(self, event: str, **values: Any) -> None: ...

    def close(self) -> None: ...


def work_as_rank(plan: Plan, started_perf_s: float) -> int:
    """Take the plan as rank 0 has resolved it, and do the task; why that failed is left for whoever records it."""
    run_dir: Path = plan.run_dir
    prepare_environment(plan)
    try:
        switch_off_trackers()
        plan = from_dict(hear(PLAN_KEY))
        load_task(plan).run(plan, _NoLog(), Outcome(), started_perf_s=started_perf_s)
    except Killed as killed:
        return killed.exit_code
    except Exception as error:  # the first process records it
        logger.exception("this process of the run failed")
        exit_code = error.exit_code if isinstance(error, SdpaExpError) else 1
        write_failure(run_dir, error, exit_code)
        return exit_code
    return 0
