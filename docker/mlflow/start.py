"""Starts the server. Addresses, hosts and passwords come from the environment, none from the command line."""

from __future__ import annotations

import os
import sys

from databases import ensure_users_database, schemas_to_migrate

if __name__ == "__main__":
    ensure_users_database()
    # MLflow itself migrates some older schemas when it starts, without a backup, and refuses others.
    outdated = schemas_to_migrate()
    if outdated:
        sys.exit(f"not started: {'; '.join(outdated)}. docker/upgrade.sh makes a backup and migrates.")
    os.execvp("mlflow", ["mlflow", "server", "--app-name", "basic-auth"])  # noqa: S606, S607
