"""Whether the server can work: it answers, and both its databases answer it. For the container's health check."""

from __future__ import annotations

import sys
from urllib.request import urlopen

import psycopg
from databases import connect

if __name__ == "__main__":
    try:
        urlopen("http://127.0.0.1:5000/health", timeout=5)
        for database in ("mlflow", "mlflow_auth"):
            with connect(database, timeout_s=5) as connection:
                connection.execute("SELECT 1")
    except (OSError, psycopg.Error) as error:
        sys.exit(f"{type(error).__name__}: {error}")
