"""The two databases of the server, in one PostgreSQL: runs in `mlflow`, users in `mlflow_auth`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql

RUNS_URI = "postgresql+psycopg://mlflow@db:5432/mlflow"  # as in docker-compose.yml
USERS_URI = "postgresql+psycopg://mlflow@db:5432/mlflow_auth"  # as in basic_auth.ini
# Database -> the table that holds its schema's revision, and where MLflow keeps the revisions.
_SCHEMAS = {
    "mlflow": ("alembic_version", "store/db_migrations"),
    "mlflow_auth": ("alembic_version_auth", "server/auth/db/migrations"),
}


def ensure_users_database() -> None:
    """Create the users' database at first start: PostgreSQL's image creates only one."""
    with _connect("mlflow") as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'mlflow_auth'").fetchone()
        if found is None:
            connection.execute("CREATE DATABASE mlflow_auth")


def schemas_to_migrate() -> list[str]:
    """What is of another MLflow than the installed one, in words; a database without tables is not."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    found = []
    for database, (table, folder) in _SCHEMAS.items():
        wanted = ScriptDirectory(str(Path(spec.origin).parent / folder)).get_current_head()
        with _connect(database) as connection:
            if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
                continue
            row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
        if row is not None and row[0] != wanted:
            found.append(f"{database} has schema {row[0]}, this MLflow wants {wanted}")
    return found


def _connect(database: str) -> psycopg.Connection:
    return psycopg.connect(host="db", user="mlflow", dbname=database, autocommit=True, connect_timeout=10)
