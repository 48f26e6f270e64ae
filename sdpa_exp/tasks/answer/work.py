"""task=answer: one step to say how long it will take, the check of every arm's function, then the fresh processes."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdpa_exp.compare.answer.judge import judge_measurement
from sdpa_exp.compare.answer.measurement import SCHEMA_VERSION, measurement_of
from sdpa_exp.compare.answer.page import answer_content, answer_page
from sdpa_exp.compare.answer.recommend import recommend
from sdpa_exp.compare.answer.sentence import NOT_TRAINED, answer_sentence
from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.resume import typed_as
from sdpa_exp.errors import BackendUnavailable, RunError
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import (
    ANSWER_FILE,
    REPORT_FILE,
    REPORT_HTML_FILE,
    read_json,
    write_json_atomic,
    write_text_atomic,
)
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.answer import Answer
from sdpa_exp.tasks.answer.process import FOLDER, REQUEST_FILE, process_file
from sdpa_exp.tasks.answer.report import render_answer
from sdpa_exp.tasks.answer.same_function import same_function
from sdpa_exp.tasks.answer.setup import Found, Setup, arms_here, named_arms, set_up
from sdpa_exp.tasks.bench.case import free_memory

WARM_UP_CALLS = 5  # what a steady arm takes until the rule of measure/warmup.py is met
_MEMORY_STEPS = 4  # two steps, one of them profiled
_CHECK_STEPS = 9  # of an arm: its kernels are profiled once, its function checked at every layer


def answer(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Measure, judge, recommend; `answer.json` has all samples, `report.txt` and `report.html` say what they mean.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: the baseline can't run here.
        RunError: a process that measures has ended without a result.
    """
    asked, left_out = named_arms(plan)
    setup = set_up(plan, asked)
    outcome.digests["data_set"] = setup.prepared.digest
    found = arms_here(setup, asked, left_out)
    baseline = choose_baseline(plan, found)
    startup_s = time.perf_counter() - started_perf_s
    budget = plan_time(
        step_s=_step_s(setup, found, baseline), startup_s=startup_s, num_arms=len(found.arms), options=Answer.of(plan)
    )
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "where": _where(plan),
        "group_id": plan.group_id(),
        "baseline": baseline,
        "arms": found.arms,
        "refused": found.refused,
        "same_as": found.same_as,
        "estimate_s": startup_s + budget.total_s,
    }
    event_log.write("announcement", text=_announcement(content, budget))
    event_log.write("progress", text="does each arm compute the same function?")
    content["same_function"] = same_function(setup, found.arms, num_images=Answer.of(plan).num_images)
    for fault in content["same_function"]["stock_faults"][:1]:
        outcome.warn(event_log, "stock_is_wrong", fault)
    device = setup.device
    del setup
    free_memory(device)
    content["processes"] = _run_processes(plan, found, budget, event_log)
    content["wall_s"] = time.perf_counter() - started_perf_s
    outcome.phases_s["total"] = content["wall_s"]
    _conclude(plan, content, outcome)


def _conclude(plan: Plan, content: dict[str, Any], outcome: Outcome) -> None:
    """Judge what was measured, write it down, and fill the record."""
    primary = plan.compare.primary
    margins = {
        f"{name}_margin": primary[name].margin
        for name in ("speed", "memory")
        if name in primary and primary[name].margin_kind == "relative"
    }
    judged = judge_measurement(measurement_of(content), alpha=plan.compare.alpha, **margins)
    recommendation = recommend(judged)
    outcome.headline = answer_sentence(recommendation, NOT_TRAINED)
    content |= {"headline": outcome.headline, **answer_content(judged, recommendation)}
    write_json_atomic(plan.run_dir / ANSWER_FILE, content)
    command = command_for(plan, recommendation.arm)
    text = render_answer(outcome.headline, judged, recommendation, command)
    write_text_atomic(plan.run_dir / REPORT_FILE, text)
    page = answer_page(outcome.headline, judged, recommendation, command, plan.job.command)
    write_text_atomic(plan.run_dir / REPORT_HTML_FILE, page)
    arm = recommendation.arm
    outcome.metrics["step_speedup"] = judged.step[arm].ratio if arm in judged.step else 1.0
    outcome.metrics["inference_speedup"] = judged.inference[arm].ratio if arm in judged.inference else 1.0
    outcome.metrics["num_arms"] = float(len(judged.measurement.arms))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Rounds in each process, seconds that warm-up and rounds of a training step may take, and the estimate of all."""

    rounds: int
    share_s: float
    total_s: float


def plan_time(*, step_s: float, startup_s: float, num_arms: int, options: Answer) -> Budget:
    """From the time of one step: as many rounds as fit into the limit, in pairs, and what all of it will take."""
    room = options.time_limit_s / options.processes / (num_arms * step_s) - WARM_UP_CALLS - _MEMORY_STEPS
    rounds = max(2, min(options.rounds, int(room // 2) * 2))
    calls = WARM_UP_CALLS + rounds
    images = max(1, options.inference_batch)
    process_s = startup_s + num_arms * step_s * (calls * (1 + 0.05 * images) + _MEMORY_STEPS)
    return Budget(
        rounds=rounds,
        share_s=1.5 * num_arms * step_s * calls,
        total_s=options.processes * process_s + num_arms * _CHECK_STEPS * step_s * 2,
    )


def _step_s(setup: Setup, found: Found, baseline: str) -> float:
    """Seconds of the second training step of the baseline: the first allocates."""
    entry = setup.case("step", found.arms).build(found.arms)[baseline]
    entry.prepare()
    entry.call()
    return DeviceClock(device=setup.device).seconds(entry.call)


def choose_baseline(plan: Plan, found: Found) -> str:
    """The arm asked for, else stock, else sdpa, else the first.

    Raises:
        BackendUnavailable: it can't run here.
    """
    if plan.baseline is not None and plan.baseline not in found.arms:
        why = found.refused.get(plan.baseline, "it is not among the arms")
        raise BackendUnavailable(f"baseline={plan.baseline} can't run here: {why}. Leave it out, or name another.")
    if not found.arms:
        first = next(iter(found.refused.items()))
        raise BackendUnavailable(f"no arm can run here: {first[0]}: {first[1]}. task=doctor says what can.")
    return resolve_baseline(list(found.arms), plan.baseline)


def _where(plan: Plan) -> dict[str, Any]:
    return {
        "model": plan.model.name,
        "imgsz": plan.imgsz,
        "batch": plan.hardware.batch,
        "inference_batch": Answer.of(plan).inference_batch,
        "precision": plan.hardware.precision,
        "device": plan.hardware.device,
        "num_threads": plan.hardware.num_threads,
        "dataset": plan.dataset.name,
        "weights": plan.model.weights,
    }


def _announcement(content: Mapping[str, Any], budget: Budget) -> str:
    where = content["where"]
    minutes, seconds = divmod(round(content["estimate_s"]), 60)
    takes = f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
    return (
        f"{', '.join(content['arms'])} on {where['model']} at {where['imgsz']} px, batch {where['batch']}, "
        f"{where['dataset']}, {where['device']} {where['precision']}: about {takes} "
        f"(by a first step; {budget.rounds} rounds in each fresh process)"
    )


def _run_processes(plan: Plan, found: Found, budget: Budget, event_log: EventLog) -> list[dict[str, Any]]:
    """One after the other; each is fresh, and dies with this one."""
    folder = plan.run_dir / FOLDER
    folder.mkdir(exist_ok=True)
    request = {"arms": found.arms, "rounds": budget.rounds, "share_s": budget.share_s}
    write_json_atomic(folder / REQUEST_FILE, request)
    results = []
    number = Answer.of(plan).processes
    for index in range(number):
        event_log.write("progress", text=f"process {index + 1}/{number}: {', '.join(found.arms)} in turns")
        results.append(_run_process(plan, index))
    return results


def _run_process(plan: Plan, index: int) -> dict[str, Any]:
    log_path = plan.run_dir / FOLDER / f"{index}.log"
    with log_path.open("wb") as log:
        command = [sys.executable, "-m", "sdpa_exp.tasks.answer.process", str(plan.run_dir), str(index)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            code = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
    result = read_json(process_file(plan.run_dir, index))
    if result is None or "error" in result:
        why = f"ended with exit code {code}" if result is None else result["error"]
        raise RunError(f"process {index + 1} of task=answer, which times the arms, {why}. Its log: {log_path}")
    return result


def command_for(plan: Plan, arm: str) -> str:
    """The line that trains with this arm and these settings."""
    kept = [
        line
        for line in plan.job.overrides
        if line.partition("=")[0] not in ("task", "attention", "attention.backend", "baseline")
        and not line.startswith("answer.")
    ]
    backend = plan.backend_of(arm)
    own = f"attention.backend={backend}" if ":" in backend and arm not in plan.attentions else f"attention={arm}"
    return f"{typed_as()} {shlex.join([own, *kept])}"
