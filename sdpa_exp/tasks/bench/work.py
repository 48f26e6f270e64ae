"""task=bench: times arms against each other in one process, proves what each ran, and writes all of it down."""

from __future__ import annotations

import time
from typing import Any

import torch

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import RunError
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.drift import ReferenceOperation
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_json_atomic, write_results, write_text_atomic
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.bench import Bench
from sdpa_exp.tasks.bench.arms import arms_of, check_baseline
from sdpa_exp.tasks.bench.budget import Budget, CaseDropped, refuse_too_long
from sdpa_exp.tasks.bench.case import Case, free_memory
from sdpa_exp.tasks.bench.conclude import fill_outcome, fit_scaling, floors
from sdpa_exp.tasks.bench.decide import DECISION_FILE, decide, render_decisions
from sdpa_exp.tasks.bench.grid import all_cases
from sdpa_exp.tasks.bench.machine import gpu_state, machine_of, probe_of, rules_of, settings_of
from sdpa_exp.tasks.bench.measure import measure_case
from sdpa_exp.tasks.bench.plots import draw_plots
from sdpa_exp.tasks.bench.prove import ENERGY_S, prove_case, withdraw_all
from sdpa_exp.tasks.bench.report import render_bench
from sdpa_exp.tasks.hardware import set_up_process

BENCH_FILE = "bench.json"
SCHEMA_VERSION = 1
OUT_OF_TIME = "timed, but not proven: bench.time_limit_s was used up"


def bench(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Measure every case, then prove every case; `bench.json` is rewritten after each, so that nothing is lost.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: a name in bench.arms is no backend, or the baseline is not among the arms.
        RunError: not one case could be measured.
    """
    device = torch.device(plan.hardware.device)
    set_up_process(plan)
    arms, left_out = arms_of(plan, Bench.of(plan).arms, key="bench.arms")
    check_baseline(plan, arms)
    clock = DeviceClock(device=device)
    reference = ReferenceOperation(clock)
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "machine": machine_of(outcome.environment, device),
        "settings": settings_of(plan),
        "rules": rules_of(clock.source, reference.name),
        "arms": dict(arms),
        "left_out": left_out,
        **{key: [] for key in ("cases", "dropped", "scaling", "floors")},
    }
    path = plan.run_dir / BENCH_FILE

    probe = probe_of(device)
    cases, dropped = all_cases(plan, arms, device)
    content["dropped"] = dropped
    measured: list[tuple[Case, dict[str, Any]]] = []
    used_s = time.perf_counter() - started_perf_s
    budget = Budget(cases, limit_s=max(0.0, Bench.of(plan).time_limit_s - used_s))
    for index, case in enumerate(cases):
        event_log.write("progress", text=f"case {index + 1}/{len(cases)}: {case.level} {case.name} {case.what}")
        share_s, gpu_before = budget.share_s(case), gpu_state(probe)
        try:
            refuse_too_long(case, measured, share_s)
            row = measure_case(
                case,
                arms,
                clock=clock,
                reference=reference,
                baseline=plan.baseline,
                rounds=Bench.of(plan).rounds,
                share_s=share_s,
                seed=(plan.seed, index),
            )
        except CaseDropped as why:
            dropped.append({**case.head(), "reason": str(why), "needs_s": why.needs_s})
        else:
            row = {"id": len(measured), **row, "gpu": probe and {"before": gpu_before, "after": gpu_state(probe)}}
            measured.append((case, row))
            content["cases"].append(row)
        free_memory(device)
        write_json_atomic(path, content)
    outcome.phases_s["timing"] = budget.used_s
    event_log.write("progress", text="timed; now which kernels ran, and their memory")

    for place, (case, row) in enumerate(measured):
        if place and not budget.has_room_to_prove(row, energy_s=0.0 if probe is None else ENERGY_S):
            withdraw_all(row, OUT_OF_TIME)
        else:  # the first, a whole step, is what was asked
            prove_case(case, row, arms, device=device, probe=probe)
            free_memory(device)
        write_json_atomic(path, content)
    if probe is not None:
        probe.close()
    content |= {"scaling": fit_scaling(content["cases"]), "floors": floors(content["cases"])}
    if Bench.of(plan).decide:
        _decide(plan, content)
    content["wall_s"] = time.perf_counter() - started_perf_s
    write_results(path, content, render_bench)
    fill_outcome(outcome, event_log, content)
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s
    if not content["cases"]:
        raise RunError(f"no case could be measured. The first: {dropped[0]['reason'] if dropped else 'there is none'}.")
    draw_plots(content, plan.run_dir)


def _decide(plan: Plan, content: dict[str, Any]) -> None:
    """Add the decisions, and write them for people."""
    margin = Bench.of(plan).margin
    content["decisions"] = decide(content, source=BENCH_FILE, margin=margin)
    write_text_atomic(plan.run_dir / DECISION_FILE, render_decisions(content["decisions"], margin=margin))
