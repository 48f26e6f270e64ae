"""Brings both databases to the schema of the installed MLflow; does nothing where that is done already."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from databases import RUNS_URI, USERS_URI, ensure_users_database

if __name__ == "__main__":
    ensure_users_database()
    subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", RUNS_URI], check=True)
    subprocess.run([sys.executable, "-m", "mlflow.server.auth", "db", "upgrade", "--url", USERS_URI], check=True)
    print(f"both schemas are those of MLflow {metadata.version('mlflow')}")
