"""Sends a sweep folder: the parent run that its runs hang below, and its comparison when there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import COMPARISON_FILE, EVENTS_FILE, HEADLINE_FILE, SWEEP_FILE, TRACKING_LOCK_FILE, read_json
from sdpa_exp.runs.json_lines import read_lines
from sdpa_exp.runs.sweep import Sweep, read_sweep
from sdpa_exp.tracking.artifacts import sweep_artifacts
from sdpa_exp.tracking.exactly_one_run import ensure_run
from sdpa_exp.tracking.note import sweep_note, sweep_title
from sdpa_exp.tracking.params_and_tags import NAME_TAG, NOTE_TAG, clean, sweep_tags
from sdpa_exp.tracking.points import headline_points
from sdpa_exp.tracking.tracking_file import ProgressFile

if TYPE_CHECKING:
    from sdpa_exp.tracking.mlflow_store import MlflowStore, Status


_AGAIN = "RUNNING"  # wanted of a sweep that goes on, until the store has it


class SweepSender:
    """One sweep folder and one store. Several processes of a parallel launcher may ask for the parent at once."""

    def __init__(self, sweep_dir: Path, *, store: MlflowStore, experiment: str) -> None:
        self._dir = sweep_dir
        self._store = store
        self._experiment = experiment
        self._file = ProgressFile(sweep_dir, store.location.uri)

    @classmethod
    def for_child(cls, plan: Plan, *, run_dir: Path, store: MlflowStore) -> SweepSender:
        """The sender of the sweep that a run belongs to: the folder above it, since both may have been moved."""
        assert plan.job.sweep_dir is not None
        above = (folder for folder in run_dir.resolve().parents if (folder / SWEEP_FILE).exists())
        sweep_dir = next(above, Path(plan.job.sweep_dir))
        return cls(sweep_dir, store=store, experiment=plan.name)

    def ensure(self) -> str:
        """The id of the parent run, created at first use.

        Raises:
            TrackingError: the store didn't answer or refused.
        """
        with FileLock(self._dir / TRACKING_LOCK_FILE):
            key, progress = self._file.read()
            sweep = self._sweep()
            ensure_run(
                self._store,
                experiment_id=self._store.experiment_id(self._experiment),
                name=sweep_title(sweep),
                key=key,
                progress=progress,
                file=self._file,
                start_unix_ms=self._start_unix_ms(),
                tags={**sweep_tags(sweep), NOTE_TAG: sweep_note(sweep, None)},
            )
            assert progress.run_id is not None
            return progress.run_id

    def announce(self) -> None:
        """Create the parent run; one of a sweep that goes on is running again, with what sweep.json says now.

        Raises:
            TrackingError: the store didn't answer or refused.
        """
        run_id = self.ensure()
        with FileLock(self._dir / TRACKING_LOCK_FILE):
            _, progress = self._file.read()
            if progress.wanted_status == _AGAIN:
                sweep = self._sweep()
                tags = {**sweep_tags(sweep), NOTE_TAG: sweep_note(sweep, None), NAME_TAG: sweep_title(sweep)}
                self._store.log(run_id, tags=tags)
                self._store.set_status(run_id, "RUNNING")
                progress.wanted_status = None
                self._file.write(progress)

    def reopen(self) -> None:
        """Record that the sweep goes on; asks nobody."""
        with FileLock(self._dir / TRACKING_LOCK_FILE):
            _, progress = self._file.read()
            progress.wanted_status, progress.ended_unix_ms, progress.status = _AGAIN, None, None
            self._file.write(progress)

    def close(self, status: Status, end_unix_ms: int) -> int:
        """Send the comparison and its report, and end the parent; returns the number of requests."""
        run_id = self.ensure()
        with FileLock(self._dir / TRACKING_LOCK_FILE):
            _, progress = self._file.read()
            num = 0
            answer_file = HEADLINE_FILE if (self._dir / HEADLINE_FILE).exists() else COMPARISON_FILE
            for artifact in sweep_artifacts(self._dir):
                version = artifact.version()
                if progress.artifacts.get(artifact.name) != version:
                    if artifact.name == answer_file:
                        points = headline_points(read_json(self._dir / HEADLINE_FILE) or {})
                        num += self._store.log(run_id, points=points, tags=self._answer_tags())
                    self._store.log_artifact(run_id, artifact)
                    progress.artifacts[artifact.name] = version
                    self._file.write(progress)
                    num += 1
            if progress.status != status:
                self._store.set_status(run_id, status, end_unix_ms)
                progress.status = status
                self._file.write(progress)
                num += 1
            return num

    def want_status(self, status: str, ended_unix_ms: int) -> None:
        """Record how and when the sweep ended, so that a later sync knows although nothing could be sent."""
        with FileLock(self._dir / TRACKING_LOCK_FILE):
            _, progress = self._file.read()
            progress.wanted_status, progress.ended_unix_ms = status, ended_unix_ms
            self._file.write(progress)

    def is_closed(self, status: str) -> bool:
        """Whether the store has the end, and the answer with it."""
        return self._file.look().status == status

    def wanted(self) -> tuple[str | None, int | None]:
        """How and when the sweep ended, if its process lived to say so."""
        progress = self._file.look()
        return None if progress.wanted_status == _AGAIN else progress.wanted_status, progress.ended_unix_ms

    def _answer_tags(self) -> dict[str, str]:
        comparison, headline = (read_json(self._dir / name) or {} for name in (COMPARISON_FILE, HEADLINE_FILE))
        findings = [f.get("code", "") for f in comparison.get("findings") or () if isinstance(f, dict)]
        return clean(
            {
                "headline": comparison.get("headline"),
                "findings": ", ".join(findings),
                **(headline.get("tags") or {}),
                NOTE_TAG: sweep_note(self._sweep(), comparison, answer=headline.get("note")),
            }
        )

    def _sweep(self) -> Sweep:
        """What sweep.json says; nothing but the folder where it is gone or of another version."""
        try:
            return read_sweep(self._dir)
        except ComparisonError:
            return Sweep(folder=self._dir, name=self._experiment)

    def _start_unix_ms(self) -> int:
        """When sweep.json was written; a copy of the folder may have lost that, but not the first event log's time."""
        path = self._dir / SWEEP_FILE
        if not path.exists():
            return round(self._dir.stat().st_mtime * 1000)
        first = [line for job in self._sweep().jobs[:1] for line in read_lines(job.run_dir / EVENTS_FILE)[:1]]
        times_s = [path.stat().st_mtime, *(float(line.content["time_unix_s"]) for line in first)]
        return round(min(times_s) * 1000)
