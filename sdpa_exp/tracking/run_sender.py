"""Sends one run folder to the store, as far as it has got, from where it stopped the last time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.runs.files import ATTEMPT_FILE, EVENTS_FILE, PLAN_FILE, RESULT_FILE, TELEMETRY_FILE, read_json
from sdpa_exp.runs.json_lines import Line, read_lines
from sdpa_exp.runs.record import Record, read_record
from sdpa_exp.tracking.abandoned import last_sign_unix_ms
from sdpa_exp.tracking.artifacts import Artifact, run_artifacts
from sdpa_exp.tracking.exactly_one_run import ensure_run
from sdpa_exp.tracking.logged_model import Checkpoints, log_model
from sdpa_exp.tracking.mlflow_store import MAX_METRICS, MlflowStore
from sdpa_exp.tracking.note import run_note
from sdpa_exp.tracking.params_and_tags import (
    NAME_TAG,
    NOTE_TAG,
    PARENT_TAG,
    SUPERSEDED_TAG,
    attestation_tags,
    clean,
    environment_tags,
    plan_params,
    plan_tags,
    record_tags,
)
from sdpa_exp.tracking.points import Point, event_points, record_points, sample_points, unix_ms
from sdpa_exp.tracking.sweep_sender import SweepSender
from sdpa_exp.tracking.tracking_file import ProgressFile

_NO_RESULT = "its processes ended without writing a result: killed, out of memory, or the machine went down"
# While a run goes on, telemetry alone is no reason for a request before this many samples have come in.
_SAMPLES_WORTH_A_REQUEST = 10


class RunSender:
    """One run folder and one store. Call `send` again and again; each call sends what is new.

    The caller holds the folder's tracking lock, so that no other process sends the same folder.
    """

    def __init__(self, run_dir: Path, *, store: MlflowStore, checkpoints: Checkpoints) -> None:
        self._run_dir = run_dir
        self._store = store
        self._checkpoints = checkpoints
        self._file = ProgressFile(run_dir, store.location.uri)
        self._key, self._progress = self._file.read()
        self._plan: Plan | None = None
        self._is_checked = False
        self._has_epoch = False  # MLflow's compare view starts with the first metric it got: let that be accuracy

    def send(self, *, has_ended: bool) -> int:
        """Send what is new and return the number of requests.

        Args:
            has_ended: the folder is complete: send the rest of the telemetry, the result, files and status too.

        Raises:
            TrackingError: the store didn't take something; what was sent before that is recorded.
        """
        if not (self._run_dir / PLAN_FILE).exists():
            return 0
        if not has_ended and not _has_begun(self._run_dir):
            return 0  # the worker of a single run still completes the plan, and MLflow's params can't be changed
        if self._plan is None:
            self._plan = read_plan(self._run_dir)
        plan = self._plan
        num = self._ensure_run(plan, has_ended=has_ended)
        num += self._send_params(plan)
        num_events = self._send_events()
        num += num_events
        if has_ended or self._has_epoch:
            num += self._send_samples(is_worth_it=has_ended or num_events > 0)
        if not has_ended:
            return num
        num += self._send_superseded(plan)
        return num + (self._send_result(plan) if (self._run_dir / RESULT_FILE).exists() else self._end_without_result())

    def _end_without_result(self) -> int:
        """End a run whose processes are gone and that left no result."""
        run_id, progress = self._progress.run_id, self._progress
        assert run_id is not None
        num = 0
        if progress.status is None:
            num += self._store.log(run_id, tags={"reason": _NO_RESULT})
            self._store.set_status(run_id, "KILLED", last_sign_unix_ms(self._run_dir))
            num += 1
            progress.status = "KILLED"
            self._file.write(progress)
        return num + self._send_artifacts(run_id)

    def _ensure_run(self, plan: Plan, *, has_ended: bool) -> int:
        if self._is_checked and not (has_ended and self._progress.num_creations > 1):
            return 0
        experiment_id = self._store.experiment_id(plan.name)
        tags = plan_tags(plan)
        if plan.job.sweep_dir is not None:
            parent = SweepSender.for_child(plan, run_dir=self._run_dir, store=self._store).ensure()
            tags[PARENT_TAG] = parent
        num = ensure_run(
            self._store,
            experiment_id=experiment_id,
            name=plan.title,
            key=self._key,
            progress=self._progress,
            file=self._file,
            start_unix_ms=self._start_unix_ms(),
            tags=tags,
        )
        is_resumed = self._progress.status is not None and not has_ended
        if is_resumed and not (self._run_dir / RESULT_FILE).exists():
            assert self._progress.run_id is not None
            self._store.set_status(self._progress.run_id, "RUNNING")
            self._progress.status = None
            num += 1
        self._is_checked = True
        return num

    def _start_unix_ms(self) -> int:
        if (self._run_dir / RESULT_FILE).exists():
            return unix_ms(read_record(self._run_dir).started_at)
        first = read_lines(self._run_dir / EVENTS_FILE, 0)[:1]
        if first:
            return int(first[0].content["time_unix_s"] * 1000)
        return round((self._run_dir / PLAN_FILE).stat().st_mtime * 1000)

    def _send_params(self, plan: Plan) -> int:
        progress = self._progress
        if progress.has_params:
            return 0
        assert progress.run_id is not None
        num = self._store.log(progress.run_id, params=plan_params(plan))
        self._store.log_artifact(progress.run_id, Artifact(path=self._run_dir / PLAN_FILE, folder=""))
        progress.has_params = True
        self._file.write(progress)
        return num + 1

    def _send_events(self) -> int:
        """One request for an epoch as it comes; what has piled up goes in requests as large as MLflow takes."""
        points: list[Point] = []
        tags: dict[str, str] = {}
        num, behind = 0, self._progress.events_offset
        for line in read_lines(self._run_dir / EVENTS_FILE, self._progress.events_offset):
            new = event_points(line.content)
            if len(points) + len(new) > MAX_METRICS - 100:
                num += self._send_batch(points, tags, events_offset=behind)
                points, tags = [], {}
            points += new
            self._has_epoch |= bool(new)
            tags.update(_event_tags(line.content))
            behind = line.end_offset
        return num + self._send_batch(points, tags, events_offset=behind)

    def _send_samples(self, *, is_worth_it: bool) -> int:
        lines = read_lines(self._run_dir / TELEMETRY_FILE, self._progress.samples_offset)
        if not lines or (not is_worth_it and len(lines) < _SAMPLES_WORTH_A_REQUEST):
            return 0
        num = 0
        points: list[Point] = []
        sent: Line | None = None
        index = self._progress.num_samples
        for line in lines:
            new = sample_points(line.content, index)
            if len(points) + len(new) > MAX_METRICS:
                assert sent is not None
                num += self._send_batch(points, {}, samples_offset=sent.end_offset, num_samples=index)
                points = []
            points += new
            sent, index = line, index + 1
        assert sent is not None
        return num + self._send_batch(points, {}, samples_offset=sent.end_offset, num_samples=index)

    def _send_batch(self, points: list[Point], tags: dict[str, str], **reached: int) -> int:
        """Send, then record how far the store is: in this order, since a kill between the two only sends twice."""
        assert self._progress.run_id is not None
        num = self._store.log(self._progress.run_id, points=points, tags=tags)
        if any(getattr(self._progress, name) != value for name, value in reached.items()):
            for name, value in reached.items():
                setattr(self._progress, name, value)
            self._file.write(self._progress)
        return num

    def _send_result(self, plan: Plan) -> int:
        progress, run_id = self._progress, self._progress.run_id
        assert run_id is not None
        digest = _digest(self._run_dir)
        num = 0
        if progress.result != digest:
            record = read_record(self._run_dir)
            tags = {**record_tags(record), NOTE_TAG: run_note(plan, record)}
            num += self._store.log(run_id, points=record_points(record), tags=tags)
            num += self._send_dataset(plan, record)
            self._store.set_status(run_id, record.status, unix_ms(record.ended_at))
            num += 1
            progress.result, progress.status = digest, record.status
            self._file.write(progress)
        return num + self._send_artifacts(run_id) + self._send_model(plan, run_id)

    def _send_dataset(self, plan: Plan, record: Record) -> int:
        digest = record.digests.get("data_set")
        if digest is None or self._progress.run_id is None:
            return 0  # a data set that was never read has no digest to show
        source = getattr(plan.dataset, "path", None) or plan.dataset.kind
        self._store.log_dataset(self._progress.run_id, name=plan.dataset.name, digest=digest, source=source)
        return 1

    def _send_artifacts(self, run_id: str) -> int:
        num = 0
        for artifact in run_artifacts(self._run_dir, with_checkpoint=self._checkpoints.is_file(self._run_dir)):
            version = artifact.version()
            if self._progress.artifacts.get(artifact.name) != version:
                self._store.log_artifact(run_id, artifact)
                self._progress.artifacts[artifact.name] = version
                self._file.write(self._progress)
                num += 1
        return num

    def _send_model(self, plan: Plan, run_id: str) -> int:
        version = self._checkpoints.version(self._run_dir)
        if version is None or self._progress.model == version:
            return 0
        log_model(
            self._store,
            run_id,
            experiment_id=self._store.experiment_id(plan.name),
            plan=plan,
            record=read_record(self._run_dir),
            register_as=self._checkpoints.register_as,
        )
        self._progress.model = version
        self._file.write(self._progress)
        return 1

    def _send_superseded(self, plan: Plan) -> int:
        """Tell an attempt after which another came from the run that counts, and why there was another."""
        attempt, progress = read_json(self._run_dir / ATTEMPT_FILE), self._progress
        if attempt is None or progress.is_superseded or progress.run_id is None:
            return 0
        why = f"attempt {attempt['num']}, run again: {attempt['repeated_because']}"
        tags = clean({SUPERSEDED_TAG: why, NAME_TAG: f"{plan.title} (attempt {attempt['num']})"})
        num = self._store.log(progress.run_id, tags=tags)
        progress.is_superseded = True
        self._file.write(progress)
        return num


def is_all_sent(run_dir: Path, *, store_uri: str, checkpoints: Checkpoints) -> bool:
    """Whether a store has all of a run that has ended, as far as the folder knows; asks nobody."""
    progress = ProgressFile(run_dir, store_uri).look()
    artifacts = run_artifacts(run_dir, with_checkpoint=checkpoints.is_file(run_dir))
    if (run_dir / ATTEMPT_FILE).exists() and not progress.is_superseded:
        return False
    if not (run_dir / RESULT_FILE).exists():
        return progress.status is not None
    has_model = checkpoints.version(run_dir) in (None, progress.model)
    return (
        has_model
        and progress.result == _digest(run_dir)
        and all(progress.artifacts.get(artifact.name) == artifact.version() for artifact in artifacts)
    )


def _digest(run_dir: Path) -> str:
    return hashlib.sha256((run_dir / RESULT_FILE).read_bytes()).hexdigest()


def _has_begun(run_dir: Path) -> bool:
    path = run_dir / EVENTS_FILE
    return path.exists() and path.stat().st_size > 0


def _event_tags(event: dict[str, Any]) -> dict[str, str]:
    if event["event"] == "environment":
        return environment_tags(event.get("environment") or {})
    if event["event"] == "attestation":
        return attestation_tags(event.get("summary") or {})
    return {}
