"""Brings both databases to the schema of the installed MLflow; does nothing where that is done already.

migrate.py [SUFFIX]: the databases with these names and SUFFIX at their end, which restore.sh fills.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from databases import RUNS_URI, USERS_URI
from start import write_auth_config

if __name__ == "__main__":
    write_auth_config()
    suffix = "".join(sys.argv[1:])
    subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", RUNS_URI + suffix], check=True)
    subprocess.run(
        [sys.executable, "-m", "mlflow.server.auth", "db", "upgrade", "--url", USERS_URI + suffix], check=True
    )
    print(f"both schemas are those of MLflow {metadata.version('mlflow')}")
