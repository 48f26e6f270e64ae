"""`mlflow gc` on the server itself: deleted runs and experiments of some age, with their files.

MLflow removes files through the server, as an admin: this makes one for the time being.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from databases import RUNS_URI
from users import open_store

if __name__ == "__main__":
    store = open_store()
    name, password = f"gc-{secrets.token_hex(8)}", secrets.token_urlsafe(24)
    store.create_user(name, password, is_admin=True)
    try:
        server = {
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
        }
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", RUNS_URI, "--older-than", sys.argv[1]]
        sys.exit(subprocess.run(command, env=os.environ | server, check=False).returncode)
    finally:
        store.delete_user(name)
