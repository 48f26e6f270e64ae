"""The worker: `python -m sdpa_exp.launch.worker <run folder>` does one run in a fresh process and writes its record."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from functools import partial
from pathlib import Path

from sdpa_exp import errors
from sdpa_exp.config.devices import devices_of
from sdpa_exp.config.plan import Plan, read_plan, to_dict, write_plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import RunError, SdpaExpError
from sdpa_exp.launch.make_record import now, record_of
from sdpa_exp.launch.rank_worker import PLAN_KEY, work_as_rank
from sdpa_exp.launch.worker_setup import (
    Killed,
    end_in_order,
    prepare_environment,
    switch_off_trackers,
)
from sdpa_exp.runs.environment import collect_environment, gpu_uuids, software_and_host
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.folder import hold_as_worker
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.ranks import dead_process, is_lost_connection, num_ranks, rank, read_failure, tell
from sdpa_exp.runs.record import Record, Status, write_record

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the plan in the folder given on the command line; the exit code tells how it went."""
    started_perf_s = time.perf_counter()
    started_at = now()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    plan = read_plan(Path(sys.argv[1]))
    end_in_order()
    if rank() > 0:
        return work_as_rank(plan, started_perf_s)
    held = hold_as_worker(plan.run_dir)
    with held:
        return _work(plan, started_perf_s, started_at)


def _work(plan: Plan, started_perf_s: float, started_at: str) -> int:
    prepare_environment(plan)
    event_log = EventLog(plan.run_dir)
    outcome = Outcome()
    status: Status = "FINISHED"
    error: BaseException | None = None
    try:
        plan = _run(plan, event_log, outcome, started_perf_s)
    except Killed as killed:
        error = _of_another_rank(plan) or killed
        status = "KILLED" if error is killed else "FAILED"
    except SdpaExpError as expected:
        status, error = "FAILED", expected
        logger.error("%s", expected)
    except Exception as unexpected:  # the record must be written whatever happened
        status, error = "FAILED", unexpected
        if is_lost_connection(unexpected):
            error = _of_another_rank(plan) or RunError(dead_process(num_ranks()))
        logger.exception("the run failed")
    record = to_record(plan, outcome, status=status, error=error, started_at=started_at)
    try:
        if error is not None:
            event_log.write("error", error=record.error, message=record.reason)
        event_log.write("run_finished", status=status)
        write_record(plan.run_dir, record)
    except OSError:  # a full disk: the parent sees a run without a record, and says so
        logger.exception("the end of the run can't be recorded")
    return record.exit_code


def _run(plan: Plan, event_log: EventLog, outcome: Outcome, started_perf_s: float) -> Plan:
    """Resolve the hardware, then do the task. Returns the plan with nothing left open, as it was run."""
    task = load_task(plan)
    if task.examines:
        event_log.write("run_started", plan_group_id=plan.group_id())
        task.run(plan, event_log, outcome, started_perf_s=started_perf_s)
        return plan
    if not task.uses_device:
        event_log.write("run_started", plan_group_id=plan.group_id())
        outcome.environment = software_and_host()
        event_log.write("environment", environment=outcome.environment)
        task.run(plan, event_log, outcome, started_perf_s=started_perf_s)
        return plan

    from sdpa_exp.data.prepare import prepare_ahead

    if task.reads_data(plan):
        prepare_ahead(plan.dataset, split=plan.train.split, purpose=plan.purpose)

    from sdpa_exp.launch.device_use import use_devices
    from sdpa_exp.tasks.arms_here import require_an_arm
    from sdpa_exp.tasks.sweep_hardware import choose_for_sweep

    switch_off_trackers()
    untouched_until_unix_s = time.time()  # the libraries are imported, and no GPU was touched so far
    (chosen,) = choose_for_sweep([plan])
    plan = dataclasses.replace(plan, hardware=chosen.hardware)
    write_plan(plan)
    event_log.write("run_started", plan_group_id=plan.group_id(), gpu_untouched_until_unix_s=untouched_until_unix_s)
    require_an_arm(plan)
    if task.is_compared:
        event_log.write("announcement", text=plan.recipe)
    devices = devices_of(plan.hardware)
    outcome.environment = collect_environment(devices[0])
    if len(devices) > 1:
        outcome.environment["gpu_uuids"] = gpu_uuids(devices)
    event_log.write("environment", environment=outcome.environment, hardware_reasons=chosen.reasons)
    say = partial(outcome.warn, event_log)
    job = plan.job
    with use_devices(gpu_uuids(devices), plan.run_dir, say, wait=job.wait, shared=job.shares_device):
        if num_ranks() > 1:
            tell(PLAN_KEY, to_dict(plan))
        task.run(plan, event_log, outcome, started_perf_s=started_perf_s)
    return plan


def _of_another_rank(plan: Plan) -> SdpaExpError | None:
    """Why another process of the run failed, which is why this one was ended."""
    failure = read_failure(plan.run_dir) if num_ranks() > 1 else None
    if failure is None:
        return None
    error = getattr(errors, failure["error"], RunError)
    return error(f"process {failure['rank'] + 1} of {num_ranks()} failed: {failure['reason']}")


def to_record(plan: Plan, outcome: Outcome, *, status: Status, error: BaseException | None, started_at: str) -> Record:
    """The record of a run that has come to its end, one way or another."""
    values = {field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)}
    if isinstance(error, Killed):
        reason = f"the run was ended by {error}; what it had measured is kept."
        values |= {"reason": reason, "error": RunError.__name__}
    elif error is not None:
        values |= {"reason": str(error), "error": type(error).__name__}
    return record_of(plan, status=status, started_at=started_at, exit_code=_exit_code(error), **values)


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    return error.exit_code if isinstance(error, SdpaExpError | Killed) else 1


if __name__ == "__main__":
    sys.exit(main())
