"""output=json: one JSON document on stdout when a command ends, and everything else on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sdpa_exp.errors import SdpaExpError
from sdpa_exp.runs.files import COMPARISON_FILE, RESULT_FILE, SEARCH_FILE, SWEEP_FILE, read_json


def begin(output: str) -> None:
    """From here on everything that is printed goes to stderr, where the document is asked for."""
    if output == "json":
        sys.stdout = sys.stderr


def is_asked() -> bool:
    """Whether a document is due, also before the configuration was read."""
    return sys.stdout is sys.stderr or "output=json" in sys.argv[1:]


def write(document: dict[str, Any]) -> None:
    """Write the document to the stdout that the command was started with."""
    stream = sys.__stdout__
    assert stream is not None
    stream.write(json.dumps(document, indent=2) + "\n")
    stream.flush()


def run_document(run_dir: Path, exit_code: int) -> dict[str, Any]:
    """A single run: its record, and below the task's name what the task measured (bench.json and such)."""
    document: dict[str, Any] = {"folder": str(run_dir), "exit_code": exit_code}
    record = read_json(run_dir / RESULT_FILE)
    if record is not None:
        document |= {"result": record, **_of_task(run_dir, str(record.get("task")))}
    comparison = read_json(run_dir / COMPARISON_FILE)
    return document if comparison is None else {**document, "comparison": comparison}


def sweep_document(sweep_dir: Path, exit_code: int) -> dict[str, Any]:
    """A sweep: its comparison (null where there is none) or search, and each run as alone, in the order of the jobs."""
    sweep = read_json(sweep_dir / SWEEP_FILE) or {}
    folders = [sweep_dir / str(job.get("run_dir")) for job in sweep.get("jobs", ())]
    runs = [run_document(folder, (read_json(folder / RESULT_FILE) or {}).get("exit_code", 1)) for folder in folders]
    comparison = read_json(sweep_dir / COMPARISON_FILE)
    document = {"folder": str(sweep_dir), "exit_code": exit_code, "comparison": comparison, "runs": runs}
    search = read_json(sweep_dir / SEARCH_FILE)
    return document if search is None else {**document, "search": search}


def error_document(error: SdpaExpError) -> dict[str, Any]:
    """A command that was refused or broke off: the class of the error, see errors.py, and its sentence."""
    return {"exit_code": error.exit_code, "error": {"class": type(error).__name__, "message": str(error)}}


def _of_task(run_dir: Path, task: str) -> dict[str, Any]:
    content = read_json(run_dir / f"{task}.json")
    return {} if content is None else {task: content}
