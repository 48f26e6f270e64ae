"""Every file of a run or sweep folder by its name, and how one is written whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Of every run.
PLAN_FILE = "plan.yaml"
EVENTS_FILE = "events.jsonl"
RESULT_FILE = "result.json"
TELEMETRY_FILE = "telemetry.jsonl"
LOG_FILE = "worker.log"
PROGRESS_FILE = "progress.json"  # the live state, about once a second; see callbacks/event_log.py
REPORT_FILE = "report.txt"  # what a task wants people to read; the parent prints it when the run has ended

# Of a training. What only one task writes and reads has its name in that task.
ATTESTATION_FILE = "attestation.json"
ACCURACY_FILE = "accuracy.json"
EXAMPLE_FILE = "example.jpg"  # an image of the val split, to try best.pt on where it is served
LEFT_OUT_FILE = "left_out.csv"  # what dataset.on_bad=drop left out of the data set

# Of task=answer, and of what a sweep measures beside its trainings.
ANSWER_FILE = "answer.json"
INTERLEAVED_FOLDER = "interleaved"  # in a sweep folder: a run folder of task=answer for each comparison group
INTERLEAVED_GROUPS_FILE = "groups.json"  # in it: group id -> folder, and the reason where there is no measurement

# Of a sweep, and of any comparison.
SWEEP_FILE = "sweep.json"
COMPARISON_FILE = "comparison.json"
SEARCH_FILE = "search.json"  # of a search: its best trial, and all of them
HEADLINE_FILE = "headline.json"  # {time_unix_ms, metrics, tags, note}: the answer as a tracker shows it
COMPARISON_TEXT_FILE = "comparison.txt"
REPORT_HTML_FILE = "report.html"
REPORT_MARKDOWN_FILE = "report.md"
TABLES_FOLDER = "tables"
PREFLIGHT_REQUEST_FILE = "preflight_request.json"
PREFLIGHT_FILE = "preflight.json"
PLANS_FILE = "plans_for_nodes.json"
PREFLIGHT_LOG_FILE = "preflight.log"

# Of both.
TRACKING_FILE = "tracking.json"
OWNER_LOCK_FILE = ".owner.lock"  # held by the process that runs the run or sweep
TRACKING_LOCK_FILE = ".tracking.lock"  # held by the process that sends the folder to a store

# Of a run that was started more than once.
WORKER_LOCK_FILE = ".worker.lock"  # held by the run's worker, which may outlive the process that started it
ATTEMPTS_FOLDER = "attempts"  # attempts/1, attempts/2, ...: what earlier attempts left
ATTEMPT_FILE = "attempt.json"  # in each of these: how it ended, and why the run was started again


def ultralytics_folder(run_dir: Path) -> Path:
    """Where Ultralytics writes a training's own files."""
    return run_dir / "train"


def results_csv(run_dir: Path) -> Path:
    """Ultralytics' curves of a training."""
    return ultralytics_folder(run_dir) / "results.csv"


def last_checkpoint(run_dir: Path) -> Path:
    """Ultralytics' checkpoint of the last epoch, to go on from."""
    return ultralytics_folder(run_dir) / "weights" / "last.pt"


def best_checkpoint(run_dir: Path) -> Path:
    """The weights of a training's best epoch."""
    return ultralytics_folder(run_dir) / "weights" / "best.pt"


def is_run_folder(folder: Path) -> bool:
    """Whether sdpa_exp wrote a run here."""
    return (folder / RESULT_FILE).is_file() or (folder / PLAN_FILE).is_file()


def folders_with(name: str, folder: Path) -> list[Path]:
    """Folders at or below `folder` that hold the file; no copies in MLflow artifacts, no measurements of a sweep."""
    found = sorted(path.parent for path in folder.rglob(name))
    return [path for path in found if path.name != "artifacts" and path.parent.name != INTERLEAVED_FOLDER]


def write_text_atomic(path: Path, text: str) -> None:
    """Write through a temporary file in the same folder, so that a reader never sees half a file.

    Of several writers at once, processes or threads, the last one wins.

    Raises:
        OSError: with the path; what was there before stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json_atomic(path: Path, content: Any) -> None:
    """Write JSON atomically, indented, with a newline at the end."""
    write_text_atomic(path, json.dumps(content, indent=2) + "\n")


def write_results(path: Path, content: Any, render: Callable[[Any], str]) -> None:
    """Write a task's figures, then the report that is made of them: the figures are kept whatever becomes of it."""
    write_json_atomic(path, content)
    write_text_atomic(path.with_name(REPORT_FILE), render(content))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where the file is missing, damaged or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
