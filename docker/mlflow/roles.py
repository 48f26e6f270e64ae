"""The server's role in PostgreSQL and its two databases: made at first start, the password set at every one.

The server is no superuser: who gets at its database gets at no other, at no file and at no program of that machine.
"""

from __future__ import annotations

import os
import sys

import psycopg
from psycopg import sql

DATABASES = ("mlflow", "mlflow_auth")


def main() -> None:
    """Make what is missing; change nothing else."""
    try:
        connection = psycopg.connect(host="db", user="postgres", dbname="postgres", autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        sys.exit(
            f"not started: {str(error).strip().splitlines()[-1]}. Either MLFLOW_DB_ADMIN_PASSWORD in docker/.env is "
            f"not that of the volume, or the volume is of an older stack, whose server was the superuser: "
            f"docker/README.md, Away, backup, restore, upgrade."
        )
    with connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'mlflow'").fetchone() is None:
            connection.execute("CREATE ROLE mlflow")
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        connection.execute(
            sql.SQL(f"ALTER ROLE mlflow WITH {rights} PASSWORD {{}}").format(
                sql.Literal(os.environ["MLFLOW_DB_PASSWORD"])
            )
        )
        for name in ("postgres", "template1"):
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        for name in DATABASES:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER mlflow").format(sql.Identifier(name)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
