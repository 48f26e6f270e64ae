"""One fresh process: `python -m sdpa_exp.tasks.answer.process <run folder> <number>` times all arms in turns.

Its file has, of a training step and of an inference, the seconds of every arm in every round, and each arm's peak
memory of a step. Timing comes first, since the profiler can slow a process for good.
"""

from __future__ import annotations

import atexit
import gc
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.compare.answer.measurement import LEVELS
from sdpa_exp.config.plan import read_plan
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.measure.call_memory import peak_of_call
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.drift import ReferenceOperation
from sdpa_exp.runs.files import read_json, write_json_atomic
from sdpa_exp.tasks.answer.setup import Setup, set_up
from sdpa_exp.tasks.bench.case import Arms, free_memory
from sdpa_exp.tasks.bench.measure import measure_case
from sdpa_exp.tasks.bench.prove import prove_case

FOLDER = "processes"
REQUEST_FILE = "request.json"
_KEPT = ("rounds", "reference_drift", "is_drifted", "left_out", "seconds", "orders")
_LEAST_INFERENCE_S = 6.0


def process_file(run_dir: Path, number: int) -> Path:
    """What process `number` writes."""
    return run_dir / FOLDER / f"{number}.json"


def main() -> int:
    """Measure what the request in the run folder asks for."""
    started_s = time.perf_counter()
    run_dir, number = Path(sys.argv[1]), int(sys.argv[2])
    plan = read_plan(run_dir)
    request = read_json(run_dir / FOLDER / REQUEST_FILE)
    assert request is not None
    try:
        content = measure(set_up(plan, request["arms"]), request, number)
    except SdpaExpError as error:
        content = {"error": str(error)}
    write_json_atomic(
        process_file(run_dir, number), {**content, "number": number, "wall_s": time.perf_counter() - started_s}
    )
    return 0


def measure(setup: Setup, request: dict[str, Any], number: int) -> dict[str, Any]:
    """Times first, then memory; in the first process also the kernels, which are the same in all."""
    clock = DeviceClock(device=setup.device)
    reference = ReferenceOperation(clock)
    rows: dict[str, dict[str, Any]] = {}
    for place, level in enumerate(LEVELS):
        case = setup.case(level, request["arms"])
        step_s = request["share_s"]
        rows[level] = measure_case(
            case,
            request["arms"],
            clock=clock,
            reference=reference,
            baseline=None,
            rounds=request["rounds"],
            share_s=step_s if level == "step" else max(_LEAST_INFERENCE_S, step_s / 4),
            seed=(setup.plan.seed, number, place),
        )
        free_memory(setup.device)
    kernels: dict[str, Any] = {}
    if number == 0:
        for level in LEVELS:
            prove_case(
                setup.case(level, request["arms"]), rows[level], request["arms"], device=setup.device, probe=None
            )
            kernels[level] = {label: arm["kernels"] for label, arm in rows[level]["arms"].items()}
    return {
        **{level: {key: rows[level][key] for key in _KEPT} for level in LEVELS},
        "kernels": kernels or None,
        "memory": _memory(setup, {label: request["arms"][label] for label in rows["step"]["arms"]}),
    }


def _memory(setup: Setup, arms: Arms) -> dict[str, Any]:
    """Each arm's peak of a step. Before them comes one that allocates what later ones reuse: the optimizer's state."""
    found: dict[str, Any] = {}
    for label, entry in setup.case("step", arms).build(arms).items():
        entry.prepare()
        if not found:
            entry.call()
        gc.collect()
        found[label] = asdict(peak_of_call(entry.call, setup.device))
    return found


if __name__ == "__main__":
    atexit.register(gc.freeze)  # the interpreter's last search for cycles takes 2 s with PyTorch
    sys.exit(main())
