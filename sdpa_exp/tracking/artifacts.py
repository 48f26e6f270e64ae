"""Which files of a folder go to the store, and under which path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdpa_exp.config.credentials import redact
from sdpa_exp.runs.files import (
    EXAMPLE_FILE,
    PREFLIGHT_LOG_FILE,
    PROGRESS_FILE,
    TABLES_FOLDER,
    TELEMETRY_FILE,
    TRACKING_FILE,
    best_checkpoint,
    results_csv,
    ultralytics_folder,
)

_PICTURES = (".png", ".jpg", ".jpeg")
_TEXTS = (".tex", ".yaml", ".json", ".log", ".txt", ".csv", ".html", ".md")
_DATA = (".jsonl", ".gz")
# Shown as metrics, gone when the run ends, the sender's own, or Hydra's.
_NOT_SENT = (TELEMETRY_FILE, PROGRESS_FILE, TRACKING_FILE, PREFLIGHT_LOG_FILE, "multirun.yaml")


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
        clean = redact(text)
        return None if clean == text else clean


def run_artifacts(run_dir: Path, *, with_checkpoint: bool) -> list[Artifact]:
    """Files of a run, small ones first, so that an impatient end loses the least. Ultralytics writes below train/."""
    found = _own_files(run_dir)
    found += [Artifact(path=path, folder="setup_trial") for path in sorted((run_dir / "setup_trial").glob("*.log"))]
    found.append(Artifact(path=results_csv(run_dir), folder=""))
    found += [Artifact(path=path, folder="pictures") for path in _pictures(run_dir, ultralytics_folder(run_dir))]
    if with_checkpoint:
        found.append(Artifact(path=best_checkpoint(run_dir), folder="weights"))
    return _existing(found)


def sweep_artifacts(sweep_dir: Path) -> list[Artifact]:
    """The comparison, its report and the tables for papers."""
    found = _own_files(sweep_dir)
    found += [Artifact(path=path, folder="tables") for path in sorted((sweep_dir / TABLES_FOLDER).glob("*.*"))]
    found += [Artifact(path=path, folder="pictures") for path in _pictures(sweep_dir)]
    return _existing(found)


def _own_files(folder: Path) -> list[Artifact]:
    """What we and the tasks wrote at the top of a folder; hidden files are locks and files half written."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (*_TEXTS, *_DATA))
    wanted = [name for name in names if name not in _NOT_SENT and not name.startswith(".")]
    return [Artifact(path=folder / name, folder="") for name in wanted]


def _pictures(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES and p.name != EXAMPLE_FILE)


def _existing(artifacts: list[Artifact]) -> list[Artifact]:
    return sorted((a for a in artifacts if a.path.is_file()), key=lambda a: a.path.stat().st_size)
