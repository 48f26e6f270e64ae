"""Which files of a folder go to the store, and under which path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdpa_exp.tracking.location import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PICTURES = (".png", ".jpg", ".jpeg")
_TEXTS = (".tex", ".yaml", ".json", ".log", ".txt", ".csv", ".html", ".md")
_RUN_FILES = ("plan.yaml", "result.json", "attestation.json", "accuracy.json", "worker.log", "events.jsonl")
_TASK_FILES = (
    "report.txt", "verify.json", "bench.json", "decision.md", "predict.json", "predict_samples.csv",
    "profile.json", "trace.json.gz", "doctor.json", "setup_trial.json",
)  # fmt: skip
_SWEEP_FILES = ("sweep.json", "comparison.json", "comparison.txt", "headline.json", "report.html", "report.md")
_HAS_CREDENTIALS = re.compile(r"://[^/\s@'\"]+@")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file, and the folder in the store that it goes to ('' for the top)."""

    path: Path
    folder: str

    @property
    def name(self) -> str:
        """The artifact's path in the store."""
        return f"{self.folder}/{self.path.name}" if self.folder else self.path.name

    def version(self) -> str:
        """Changes when the file does."""
        stat = self.path.stat()
        return f"{stat.st_size} {stat.st_mtime_ns}"

    def redacted(self) -> str | None:
        """The text without credentials, if there are any in it; None where the file can go as it is."""
        if self.path.suffix not in _TEXTS:
            return None
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return redact(text) if _HAS_CREDENTIALS.search(text) else None


def run_artifacts(run_dir: Path, *, with_checkpoint: bool) -> list[Artifact]:
    """Files of a run, small ones first, so that an impatient end loses the least. Ultralytics writes below train/."""
    found = [Artifact(path=run_dir / name, folder="") for name in (*_RUN_FILES, *_TASK_FILES)]
    found += [Artifact(path=path, folder="setup_trial") for path in sorted((run_dir / "setup_trial").glob("*.log"))]
    found.append(Artifact(path=run_dir / "train" / "results.csv", folder=""))
    found += [Artifact(path=path, folder="pictures") for path in _pictures(run_dir, run_dir / "train")]
    if with_checkpoint:
        found.append(Artifact(path=run_dir / "train" / "weights" / "best.pt", folder="weights"))
    return _existing(found)


def sweep_artifacts(sweep_dir: Path) -> list[Artifact]:
    """The comparison, its report and the tables for papers."""
    found = [Artifact(path=sweep_dir / name, folder="") for name in _SWEEP_FILES]
    found += [Artifact(path=path, folder="tables") for path in sorted((sweep_dir / "tables").glob("*.*"))]
    found += [Artifact(path=path, folder="pictures") for path in _pictures(sweep_dir)]
    return _existing(found)


def _pictures(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)


def _existing(artifacts: list[Artifact]) -> list[Artifact]:
    return sorted((a for a in artifacts if a.path.is_file()), key=lambda a: a.path.stat().st_size)
