"""What a store has of a folder: `tracking.json`, written after each request that succeeded.

Requests are sent at least once and MLflow drops what it already has (same name, step, timestamp and value), so a
kill between a request and this file loses nothing and doubles nothing. The key in the file is also a tag of the
MLflow run: a run whose id was never recorded, or whose database was moved, is found again by it.
"""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.files import TRACKING_FILE, write_json_atomic

SCHEMA_VERSION = 1


@dataclass(kw_only=True)
class Progress:
    """How far one store is with one folder. Mutable: it is the one thing here that changes.

    Attributes:
        page: the run's page in the store's UI, for links.
        num_creations: attempts to create the MLflow run; after more than one there may be strays to delete.
        has_params: the plan's params, tags and file are there.
        events_offset, samples_offset: bytes of events.jsonl and telemetry.jsonl that are there.
        num_samples: telemetry lines before `samples_offset`, which are the steps of the samples.
        artifacts: artifact path -> size and modification time of the file that is there.
        model: version of best.pt that is there as a model, and the name it is registered as.
        result: digest of the result that is there.
        status: the final status that is there.
        is_superseded: the store knows that the run was started again, and that this is an earlier attempt.
        wanted_status: of a sweep: the status it closed with.
        ended_unix_ms: of a sweep: when it closed.
        host: where the folder was followed last.
    """

    run_id: str | None = None
    page: str | None = None
    num_creations: int = 0
    has_params: bool = False
    events_offset: int = 0
    samples_offset: int = 0
    num_samples: int = 0
    artifacts: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    result: str | None = None
    status: str | None = None
    is_superseded: bool = False
    wanted_status: str | None = None
    ended_unix_ms: int | None = None
    host: str = field(default_factory=socket.gethostname)


class ProgressFile:
    """`tracking.json` of a run or sweep folder: one key, and a Progress for each store it was sent to."""

    def __init__(self, folder: Path, store_uri: str) -> None:
        self._path = folder / TRACKING_FILE
        self._store_uri = store_uri

    def read(self) -> tuple[str, Progress]:
        """The folder's key, made at first use, and the progress with our store; for those who hold the folder's lock.

        Raises:
            TrackingError: the file is of another version.
        """
        content = self._content()
        return content["key"], self._progress_in(content)

    def look(self) -> Progress:
        """The progress with our store as it is now. Writes nothing, so that nobody needs the lock for it.

        Raises:
            TrackingError: the file is of another version.
        """
        return self._progress_in(self._stored())

    def write(self, progress: Progress) -> None:
        """Record the progress with our store; that with other stores stays. For those who hold the folder's lock."""
        content = self._content()
        content["stores"][self._store_uri] = asdict(progress)
        write_json_atomic(self._path, content)

    def restart(self) -> None:
        """Take nothing as sent to our store; the key stays, by which what is there is found again."""
        _, progress = self.read()
        self.write(Progress(wanted_status=progress.wanted_status, ended_unix_ms=progress.ended_unix_ms))

    def _progress_in(self, content: dict[str, Any] | None) -> Progress:
        stored = content["stores"].get(self._store_uri) if content else None
        return Progress(**stored) if stored else Progress()

    def _content(self) -> dict[str, Any]:
        content = self._stored()
        if content is None:
            content = {"schema_version": SCHEMA_VERSION, "key": uuid.uuid4().hex, "stores": {}}
            write_json_atomic(self._path, content)
        return content

    def _stored(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if content.get("schema_version") != SCHEMA_VERSION:
            raise TrackingError(
                f"{self._path} has another schema version than {SCHEMA_VERSION}: sync it with the version that wrote "
                f"it, or delete the file to send the folder anew."
            )
        return content  # type: ignore[no-any-return]
