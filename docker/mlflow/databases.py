"""The two databases of the server, in one PostgreSQL: runs in `mlflow`, users in `mlflow_auth`, and their schemas.

databases.py known RUNS_REVISION USERS_REVISION, databases.py not-newer: whether the installed MLflow knows both
schemas, those of a backup or those that are there.
"""

from __future__ import annotations

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

RUNS_URI = "postgresql+psycopg://mlflow@db:5432/mlflow"  # as in docker-compose.yml
USERS_URI = "postgresql+psycopg://mlflow@db:5432/mlflow_auth"  # as in basic_auth.ini
# Database -> the table that holds its schema's revision, and where MLflow keeps the revisions.
_SCHEMAS = {
    "mlflow": ("alembic_version", "store/db_migrations"),
    "mlflow_auth": ("alembic_version_auth", "server/auth/db/migrations"),
}


def installed_revisions() -> dict[str, str]:
    """The schema of each database that has one."""
    found = {}
    for database, (table, _) in _SCHEMAS.items():
        with connect(database) as connection:
            if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
                continue
            row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
        if row is not None:
            found[database] = str(row[0])
    return found


def why_not_to_start() -> str | None:
    """One sentence where a schema is of another MLflow than the installed one."""
    revisions = installed_revisions()
    outdated = [
        f"{database} has schema {it}"
        for database, it in revisions.items()
        if it != _scripts(database).get_current_head()
    ]
    newer = unknown_schemas(revisions)
    version = metadata.version("mlflow")
    if newer:
        return (
            f"{'; '.join(newer)} of a newer MLflow than this {version}: check out the version that it is of, or "
            f"restore a backup that was made with this one."
        )
    if outdated:
        return f"{'; '.join(outdated)} of an older MLflow than this {version}. docker/upgrade.sh saves it and migrates."
    return None


def unknown_schemas(revisions: dict[str, str]) -> list[str]:
    """Of these revisions by database those that the installed MLflow doesn't know: they are of a newer one."""
    from alembic.util import CommandError

    found = []
    for database, revision in revisions.items():
        try:
            _scripts(database).get_revision(revision)
        except CommandError:
            found.append(f"{database} has schema {revision}")
    return found


def connect(database: str, timeout_s: int = 10) -> psycopg.Connection:
    """As the server's own role; the password comes from PGPASSWORD."""
    return psycopg.connect(host="db", user="mlflow", dbname=database, autocommit=True, connect_timeout=timeout_s)


def _scripts(database: str) -> Any:
    from alembic.script import ScriptDirectory  # not for the health check, which does without

    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return ScriptDirectory(str(Path(spec.origin).parent / _SCHEMAS[database][1]))


if __name__ == "__main__":
    revisions = installed_revisions() if sys.argv[1] == "not-newer" else dict(zip(_SCHEMAS, sys.argv[2:], strict=True))
    unknown = unknown_schemas(revisions)
    if unknown:
        sys.exit(f"{'; '.join(unknown)}, which MLflow {metadata.version('mlflow')} of this image does not know")
