"""task=setup_trial: how long does it take to get each implementation, and does it work in the end?"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sdpa_exp.config.plan import Plan, to_dict
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.doctor.faults import FaultKind, fault_line, recognise
from sdpa_exp.tasks.setup_trial import SetupTrial
from sdpa_exp.tasks.setup_trial.environment import Ended, make_environment, run_logged, trial_folder
from sdpa_exp.tasks.setup_trial.report import render_setup_trial

SETUP_TRIAL_FILE = "setup_trial.json"
LOG_FOLDER = "setup_trial"

TrialOutcome = Literal["works", "not installed", "out of time", "does not run"]


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """What people can get, and the backend that shows that it works. No packages: nothing to install.

    Attributes:
        build_packages: installed first, as its documentation asks for.
    """

    name: str
    backend: str
    build_packages: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pip_options: tuple[str, ...] = ()


IMPLEMENTATIONS: dict[str, Implementation] = {
    "pytorch": Implementation(name="pytorch", backend="sdpa"),
    "flash_attn": Implementation(
        name="flash_attn",
        backend="flash_attn",
        # What its setup.py imports or runs besides torch, and does not get without build isolation.
        build_packages=("setuptools", "wheel", "packaging", "ninja", "psutil"),
        packages=("flash-attn",),
        # Its build imports torch, which an isolated build would not have, or would fetch in another version.
        pip_options=("--no-build-isolation",),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one attempt.

    Attributes:
        environment_s, build_tools_s, install_s, first_call_s: wall seconds of each step; None where it was not reached.
        setup_s: all steps together.
        error_class: one of the eight kinds of installation fault; None where it worked or the words are unknown.
        error: the line of the log that says it.
        kernels: what the first call ran.
        log: the whole output, relative to the run folder.
    """

    implementation: str
    outcome: TrialOutcome
    environment_s: float | None
    build_tools_s: float | None
    install_s: float | None
    first_call_s: float | None
    setup_s: float
    error_class: FaultKind | None
    error: str | None
    next_step: str | None
    kernels: tuple[str, ...]
    log: str


def setup_trial(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Try each implementation; a failure is a result, not an error. Fills `setup_trial.json` and `report.txt`.

    Arguments as in `Task.run`.
    """
    (plan.run_dir / LOG_FOLDER).mkdir(exist_ok=True)
    trials = []
    for name in SetupTrial.of(plan).implementations:
        found = attempt(IMPLEMENTATIONS[name], plan)
        trials.append(found)
        works = found.outcome == "works"
        reason = f"{found.outcome} after {found.setup_s:.0f} s ({found.error_class or 'of an unknown kind'})"
        outcome.measure(f"{name}/setup_s", found.setup_s if works else None, reason)
        if not works:
            outcome.warn(event_log, "setup_failed", f"{name}: {reason}")
    outcome.measure("num_working", float(sum(trial.outcome == "works" for trial in trials)))
    content = {
        "model": plan.model.name,
        "device": plan.hardware.device,
        "precision": plan.hardware.precision,
        "time_limit_s": SetupTrial.of(plan).time_limit_s,
        "trials": [asdict(trial) for trial in trials],
    }
    write_results(plan.run_dir / SETUP_TRIAL_FILE, content, render_setup_trial)
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s


def attempt(implementation: Implementation, plan: Plan) -> Trial:
    """Get one implementation in an environment that is thrown away, and call it once; all within the time limit."""
    log = plan.run_dir / LOG_FOLDER / f"{implementation.name}.log"
    limit_s = SetupTrial.of(plan).time_limit_s
    steps: dict[str, Ended] = {}
    python = Path(sys.executable)

    def left_s() -> float:
        return limit_s - sum(step.wall_s for step in steps.values())

    with trial_folder() as folder:
        if implementation.packages:
            python, steps["environment"] = make_environment(folder, log=log, time_limit_s=left_s())
            if steps["environment"].returncode != 0:
                return _trial(implementation, steps, "not installed", log)
            pip = [str(python), "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check"]
            tools, options = implementation.build_packages, implementation.pip_options
            installs = [("build_tools", tools)] if tools else []
            for step, arguments in [*installs, ("install", (*options, *implementation.packages))]:
                steps[step] = run_logged([*pip, *arguments], log=log, time_limit_s=left_s(), folder=folder)
                if steps[step].returncode != 0:
                    return _trial(implementation, steps, "not installed", log)
        request = json.dumps({"plan": to_dict(plan), "backend": implementation.backend})
        command = [str(python), "-m", "sdpa_exp.tasks.setup_trial.first_call"]
        steps["first_call"] = run_logged(command, log=log, time_limit_s=left_s(), folder=folder, stdin=request)
    return _trial(implementation, steps, "does not run", log)


def _trial(implementation: Implementation, steps: dict[str, Ended], failed: TrialOutcome, log: Path) -> Trial:
    last = list(steps.values())[-1]
    answer = _answer(steps.get("first_call"))
    is_ok = last.returncode == 0 and bool(answer.get("ok"))
    result: TrialOutcome = "works" if is_ok else "out of time" if last.returncode is None else failed
    fault = None if is_ok else recognise(last.output)
    error = None if is_ok else answer.get("error") or (fault_line(last.output, fault) if fault else _last_words(last))
    return Trial(
        implementation=implementation.name,
        outcome=result,
        environment_s=_wall_s(steps.get("environment")),
        build_tools_s=_wall_s(steps.get("build_tools")),
        install_s=_wall_s(steps.get("install")),
        first_call_s=_wall_s(steps.get("first_call")),
        setup_s=sum(step.wall_s for step in steps.values()),
        error_class=fault.kind if fault else None,
        error=error,
        next_step=fault.next_step if fault else None,
        kernels=tuple(answer.get("kernels", ())),
        log=f"{LOG_FOLDER}/{log.name}",
    )


def _answer(first_call: Ended | None) -> dict[str, Any]:
    """The JSON line of first_call.py, the last that starts like one."""
    lines = [] if first_call is None else [line for line in first_call.output.splitlines() if line.startswith('{"ok"')]
    return json.loads(lines[-1]) if lines else {}


def _wall_s(ended: Ended | None) -> float | None:
    return None if ended is None else ended.wall_s


def _last_words(ended: Ended) -> str | None:
    """The last line with an exception in it, else the last line."""
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*:", line)]
    return next(iter([*errors[-1:], *lines[-1:]]), "")[:300] or None
