"""task=doctor: looks, judges, and says whether the chosen configuration can run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import UnfitMachine
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.doctor import checks_cuda, checks_hardware, checks_packages, checks_system
from sdpa_exp.tasks.doctor.finding import Finding
from sdpa_exp.tasks.doctor.look import look
from sdpa_exp.tasks.doctor.machine import Machine
from sdpa_exp.tasks.doctor.report import render_doctor

DOCTOR_FILE = "doctor.json"

CHECKS: dict[str, Callable[[Machine], Finding]] = {
    "packages": checks_packages.versions,
    "GPU": checks_cuda.gpu,
    "hardware": checks_hardware.hardware_fits,
    "NumPy ABI": checks_packages.numpy_abi,
    "system libraries": checks_packages.system_libraries,
    "binaries": checks_packages.binaries,
    "environment": checks_packages.clean_environment,
    "flash-attn": checks_packages.flash_attn,
    "nvcc": checks_cuda.nvcc,
    "CUDA_HOME": checks_cuda.cuda_home,
    "C library": checks_system.c_library,
    "WSL": checks_cuda.wsl,
    "write access": checks_system.write_access,
    "disk": checks_system.disk,
    "memory": checks_system.memory,
    "tracking store": checks_system.tracking_store,
    "network": checks_system.network,
}


def doctor(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Examine this machine; fills `outcome`, `doctor.json` and `report.txt`.

    Arguments as in `Task.run`; nothing is resolved, since that takes a torch that works.

    Raises:
        UnfitMachine: the chosen configuration can't run here.
    """
    machine, answers = look(plan)
    findings = examine(machine)
    matrix = answers.get("matrix")
    outcome.environment = answers.get("environment", {})
    if outcome.environment:
        event_log.write("environment", environment=outcome.environment)
    obstacles = obstacles_of(findings, matrix, answers.get("refused"))
    content = {
        "arm": plan.arm,
        "model": plan.model.name,
        "can_run": not obstacles,
        "obstacles": obstacles,
        "matrix": matrix,
        "findings": [asdict(finding) for finding in findings],
        "environment": outcome.environment,
    }
    write_results(plan.run_dir / DOCTOR_FILE, content, render_doctor)
    outcome.measure("num_problems", float(sum(finding.state == "problem" for finding in findings)))
    outcome.measure("num_backends_here", _num_backends(matrix), "the model could not be looked at")
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s
    if obstacles:
        raise UnfitMachine(f"attention={plan.arm} with model={plan.model.name} can't run here: {obstacles[0]}")


def examine(machine: Machine) -> list[Finding]:
    """Every check's finding, in the order of the table."""
    return [replace(check(machine), check=name) for name, check in CHECKS.items()]


def obstacles_of(findings: list[Finding], matrix: dict[str, Any] | None, refused: str | None) -> list[str]:
    """Why the chosen configuration can't run: what blocks first, then what its backend or the model says."""
    said = [f"{finding.what}. Next step: {finding.next_step}" for finding in findings if finding.blocks]
    if refused:
        said.append(refused)
    if matrix is not None and matrix["chosen"]["reasons"]:
        chosen = matrix["chosen"]
        step = f". Next step: {chosen['step']}" if chosen["step"] else ""
        said.append(f"in {matrix['precision']} on {matrix['device']}, {'; '.join(chosen['reasons'])}{step}")
    if matrix is None and not said:
        said.append("what a run imports can't be imported; see the findings")
    return said


def _num_backends(matrix: dict[str, Any] | None) -> float | None:
    if matrix is None:
        return None
    rows = matrix["backends"].values()
    return float(sum(not row["precisions"][matrix["precision"]]["reasons"] for row in rows))
