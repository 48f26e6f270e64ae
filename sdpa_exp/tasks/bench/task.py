"""task=bench: times arms against each other in one process, proves what each ran, and writes all of it down."""

from __future__ import annotations

import time
from typing import Any

import torch

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import RunError
from sdpa_exp.results.events import Journal
from sdpa_exp.results.files import write_json_atomic, write_text_atomic
from sdpa_exp.tasks.bench.arms import arms_of, check_baseline
from sdpa_exp.tasks.bench.budget import Budget, CellDropped, refuse_too_long
from sdpa_exp.tasks.bench.cell import Cell, free_memory
from sdpa_exp.tasks.bench.decide import DECISION_FILE, decide, render_decisions
from sdpa_exp.tasks.bench.describe import machine_of, rules_of, settings_of
from sdpa_exp.tasks.bench.floor import floors
from sdpa_exp.tasks.bench.gpu_state import gpu_state, probe_of
from sdpa_exp.tasks.bench.grid import all_cells
from sdpa_exp.tasks.bench.headline import fill_outcome
from sdpa_exp.tasks.bench.measure import measure_cell
from sdpa_exp.tasks.bench.plots import draw_plots
from sdpa_exp.tasks.bench.prove import prove_cell
from sdpa_exp.tasks.bench.report import render_bench
from sdpa_exp.tasks.bench.scaling import fit_scaling
from sdpa_exp.tasks.dispatch import REPORT_FILE
from sdpa_exp.tasks.outcome import Outcome
from sdpa_exp.timing.clock import DeviceClock
from sdpa_exp.timing.drift import ReferenceOperation

BENCH_FILE = "bench.json"
SCHEMA_VERSION = 1


def bench(plan: Plan, journal: Journal, outcome: Outcome, *, started_perf_s: float) -> None:
    """Measure every cell, then prove every cell; `bench.json` is rewritten after each, so that nothing is lost.

    Args:
        plan: resolved.
        journal: open journal of the run folder.
        outcome: filled in place.
        started_perf_s: `time.perf_counter()` at the start of the process.

    Raises:
        CoreUnavailable: a name in bench.arms is no core, or the baseline is not among the arms.
        RunError: not one cell could be measured.
    """
    device = torch.device(plan.hardware.device)
    set_backends(plan)
    arms, left_out = arms_of(plan)
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
        **{key: [] for key in ("cells", "dropped", "scaling", "floors")},
    }
    path = plan.run_dir / BENCH_FILE

    probe = probe_of(device)
    cells, dropped = all_cells(plan, arms, device)
    content["dropped"] = dropped
    measured: list[tuple[Cell, dict[str, Any]]] = []
    budget = Budget(cells, limit_s=plan.bench.time_limit_s)
    for index, cell in enumerate(cells):
        journal.write("progress", text=f"cell {index + 1}/{len(cells)}: {cell.level} {cell.name} {cell.what}")
        share_s, gpu_before = budget.share_s(cell), gpu_state(probe)
        try:
            refuse_too_long(cell, measured, share_s)
            row = measure_cell(
                cell,
                arms,
                clock=clock,
                reference=reference,
                baseline=plan.baseline,
                rounds=plan.bench.rounds,
                share_s=share_s,
                seed=(plan.seed, index),
            )
        except CellDropped as why:
            dropped.append({**cell.head(), "reason": str(why), "needs_s": why.needs_s})
        else:
            row = {"id": len(measured), **row, "gpu": probe and {"before": gpu_before, "after": gpu_state(probe)}}
            measured.append((cell, row))
            content["cells"].append(row)
        free_memory(device)
        write_json_atomic(path, content)
    outcome.phases_s["timing"] = budget.used_s
    journal.write("progress", text="timed; now which kernels ran, and their memory")

    for cell, row in measured:
        prove_cell(cell, row, arms, device=device, probe=probe)
        free_memory(device)
        write_json_atomic(path, content)
    if probe is not None:
        probe.close()
    content["scaling"] = fit_scaling(content["cells"])
    content["floors"] = floors(content["cells"])
    if plan.bench.decide:
        content["decisions"] = decide(content, source=BENCH_FILE, margin=plan.bench.margin)
        text = render_decisions(content["decisions"], margin=plan.bench.margin)
        write_text_atomic(plan.run_dir / DECISION_FILE, text)
    content["wall_s"] = time.perf_counter() - started_perf_s
    write_json_atomic(path, content)
    write_text_atomic(plan.run_dir / REPORT_FILE, render_bench(content))
    fill_outcome(outcome, journal, content)
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s
    if not content["cells"]:
        raise RunError(f"no cell could be measured. The first: {dropped[0]['reason'] if dropped else 'there is none'}.")
    draw_plots(content, plan.run_dir)


def set_backends(plan: Plan) -> None:
    """Threads and process-wide switches of the hardware group."""
    torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(plan.hardware.tf32)
    torch.backends.cudnn.benchmark = bool(plan.hardware.cudnn_benchmark)
    if plan.determinism == "strict":  # only then: it imports the compiler, which takes seconds
        torch.use_deterministic_algorithms(True)
