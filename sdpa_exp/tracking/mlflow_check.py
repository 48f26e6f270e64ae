"""Whether a local MLflow store will take our runs, asked before anything starts; no MLflow is loaded for it."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sdpa_exp.errors import StoreAway, TrackingError
from sdpa_exp.tracking.local_database import locked

_REVISION = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)


def check_database(database: Path, *, timeout_s: float) -> None:
    """Look at a local store without loading MLflow, which takes seconds.

    Raises:
        TrackingError: not writable, not a database of MLflow, or of another MLflow version.
        StoreAway: another process keeps it locked for longer than `timeout_s`.
    """
    folder = database.parent
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if (
        not existing.is_dir()
        or not os.access(existing, os.W_OK)
        or (database.exists() and not os.access(database, os.W_OK))
    ):
        raise TrackingError(
            f"the MLflow store {database} is not writable: set tracking.uri=sqlite:///FILE to a folder of yours, "
            f"or use tracking=none."
        )
    if not database.exists() or database.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=timeout_s)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise StoreAway(f"the MLflow store {locked(database)}, or use tracking=none.") from error
        raise TrackingError(
            f"{database} is not a database of MLflow ({error}): set tracking.uri=sqlite:///FILE to another file."
        ) from error
    known, heads = _installed_revisions()
    version = None if found is None else found[0]
    if known and version not in known:
        raise TrackingError(
            f"{database} has the schema {version} of a newer MLflow: install that version, or give another file with "
            f"tracking.uri=sqlite:///FILE."
        )
    if known and version not in heads:
        raise TrackingError(
            f"{database} has the schema {version} of an older MLflow: copy the file as a backup, then run "
            f"`mlflow db upgrade sqlite:///{database.as_posix()}`."
        )


def _installed_revisions() -> tuple[set[str], set[str]]:
    """Schema revisions that the installed MLflow knows, and the newest; empty if they are kept elsewhere by now."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        raise TrackingError("mlflow is not installed: pip install 'mlflow>=3.17', or use tracking=none.")
    texts = [
        path.read_text(encoding="utf-8")
        for path in (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py")
    ]
    known = {revision for text in texts for revision in _REVISION.findall(text)}
    return known, known - {revision for text in texts for revision in _DOWN_REVISION.findall(text)}
