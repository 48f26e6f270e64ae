"""What the terminal says around runs: what is coming, what was refused, where the results are."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.resume import resume_line, typed_as
from sdpa_exp.config.schema import AUTO_BATCH
from sdpa_exp.errors import is_answer
from sdpa_exp.launch.progress import closing_line
from sdpa_exp.runs.files import REPORT_FILE
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.sweep import Sweep
from sdpa_exp.text_report import counted
from sdpa_exp.tracking.tracker import Tracker


def say(console: Console, message: str) -> None:
    """Print a line as it is."""
    console.print(message, highlight=False, markup=False, soft_wrap=True)


def say_ignored_server(console: Console, plan: Plan) -> None:
    """A server's address in the environment is easily taken for chosen; it may hold a password, and is not shown."""
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if server and plan.tracking.uri and server != plan.tracking.uri:
        name = plan.tracking.name
        say(console, f"tracking={name}: MLFLOW_TRACKING_URI is set, and not used; tracking=server uses it")


def say_silent(launcher: str, sweep_dir: Path) -> None:
    """Some launchers keep what their jobs print from this terminal; the run folders tell."""
    if launcher.rpartition(".")[2] not in ("BasicLauncher", "JoblibLauncher"):
        folder = shlex.quote(f"status.folder={short(sweep_dir)}")
        line = f"{typed_as()} task=status {folder} status.watch=true"
        say(Console(), f"this launcher's jobs print into files of their own. To see how far they are:  {line}")


def say_preflight(console: Console, preflight: dict[str, Any]) -> None:
    """The frozen hardware, warnings about the data, arms that can't run, arms that are one and the same."""
    lines: dict[str, None] = {}
    if "nodes" in preflight:
        lines["hardware: the first job on each kind of node finds out, for all jobs on such nodes"] = None
    for entry in preflight["hardware"]:
        h = entry["resolved"]
        threads = counted(h["num_threads"], "CPU thread")
        lines[f"hardware: {h['device']}, {h['precision']}, batch {h['batch']}, {threads}"] = None
        if entry["asked"]["batch"] == AUTO_BATCH:
            lines[f"hardware.batch={h['batch']}: {entry['reasons']['batch']}"] = None
    for line in lines:
        say(console, line)
    for message in preflight["warnings"]:
        say(console, message)
    for entry in preflight["arms"]:
        if entry["sentence"]:
            say(console, entry["sentence"])
    for group in preflight["same_kernel"]:
        say(console, same_kernel_sentence(group["arms"], preflight["arms"]))


def same_kernel_sentence(arms: list[str], checks: list[dict[str, Any]]) -> str:
    """Says that arms are one and the same here, and names a line that compares something."""
    kernel = next(check["kernel"] for check in checks if check["arm"] == arms[0])
    return (
        f"NOTE: {' and '.join(arms)} run the same kernel here (PyTorch's {kernel}): this sweep compares a model "
        f"with itself, and any difference is noise. To compare something: attention=stock,{arms[0]}"
    )


def say_report(console: Console, run_dir: Path) -> None:
    """Print what the task wrote for people, if it did; its lines already fit this terminal."""
    report = run_dir / REPORT_FILE
    if report.exists():
        say(console, report.read_text(encoding="utf-8").rstrip("\n"))


def say_outcomes(console: Console, sweep: Sweep, records: list[Record | None]) -> None:
    """One line a job, where there is no comparison: how it ended."""
    say(console, "")
    for job, record in zip(sweep.jobs, records, strict=True):
        state = "no result" if record is None else closing_line(record)
        say(console, f"{job.title}: {state}")


def say_unsent(console: Console, plan: Plan, folder: Path, num_unsent: int) -> None:
    """Says what the store has not got, and the line that sends it; the run folders have everything."""
    if not num_unsent:
        return
    tracking = [o for o in plan.job.overrides if o.startswith(("tracking=", "tracking."))]
    line = shlex.join(["task=sync", *tracking, f"sync.folder={short(folder)}"])
    what = "this run" if num_unsent == 1 and folder == plan.run_dir else f"{num_unsent} of the runs and their sweep"
    say(console, f"tracking: not all of {what} is in MLflow yet; it is complete in its folder. When MLflow answers:")
    say(console, f"  {typed_as()} {line}")


def say_unfinished(console: Console, folder: Path, records: Sequence[Record | None]) -> None:
    """The line that repeats what did not finish; a task whose answer is no has finished."""
    num = sum(record is None or (record.status != "FINISHED" and not is_answer(record.error)) for record in records)
    line = resume_line(folder)
    if num and line is not None:
        say(console, f"{num} of {len(records)} runs did not finish. To repeat {'it' if num == 1 else 'them'}:  {line}")


def say_where(console: Console, tracker: Tracker) -> None:
    """The command that opens the runs in a browser, and the page to open."""
    command, page = tracker.ui_command(), tracker.ui_page()
    if command is not None:
        say(console, f"see the runs:  {command}" + (f"\n     then open:  {page}" if page != command else ""))


def short(path: Path) -> str:
    """Relative to the working directory where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
