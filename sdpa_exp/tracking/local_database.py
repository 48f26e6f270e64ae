"""The sqlite file of a local store: made whole or not at all, who writes into it, and its artifacts kept beside it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sdpa_exp.tracking.location import sqlite_uri

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def create_database(database: Path) -> None:
    """Make MLflow's tables in a file beside it, then rename that: a creation that is killed leaves no half a store.

    The caller holds a lock; a second creation at once would use the same draft.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = database.with_name(f".{database.name}.draft")
    for left in (draft, draft.with_name(f"{draft.name}-journal")):  # by a creation that was killed
        left.unlink(missing_ok=True)
    store = SqlAlchemyStore(sqlite_uri(draft), (database.parent / "mlartifacts").as_uri())
    store.engine.dispose()
    draft.replace(database)


def locked(database: Path) -> str:
    """In a sentence: that another process writes into the file, and which, as far as this user may see."""
    import psutil

    holders = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(file.path == str(database) for file in process.open_files()):
                holders.append(f"process {process.pid} ({' '.join(' '.join(process.cmdline()).split())[:80]})")
    who = " and ".join(holders) or "a process that this user can't see"
    return f"{database} is locked: {who} writes into it. Wait for it, or end it"


def move_artifacts(database: Path, old_root_uri: str, root: Path) -> int:
    """Let every address below an old root lead below the new one; how many runs that were.

    Runs of a store that was copied without its artifacts keep the place where those still are.
    """
    places = _PLACES if root.exists() else _PLACES[:1]
    old = f"{old_root_uri}/"
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        counts = [
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - names of ours
                (f"{root.as_uri()}/", len(old) + 1, len(old), old),
            ).rowcount
            for table, column in places
        ]
    return counts[1] if len(counts) > 1 else 0
