"""The two databases of the server, in one PostgreSQL: runs in `mlflow`, users in `mlflow_auth`."""

from __future__ import annotations

import os

import psycopg
from psycopg import sql

RUNS_URI = os.environ.get("MLFLOW_BACKEND_STORE_URI", "postgresql+psycopg://mlflow@db:5432/mlflow")
USERS_URI = "postgresql+psycopg://mlflow@db:5432/mlflow_auth"  # as in basic_auth.ini
USERS_DATABASE = "mlflow_auth"


def ensure_users_database() -> None:
    """Create the users' database at first start: PostgreSQL's image creates only one."""
    with psycopg.connect(host="db", user="mlflow", dbname="mlflow", autocommit=True, connect_timeout=10) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (USERS_DATABASE,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(USERS_DATABASE)))
