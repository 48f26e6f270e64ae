"""Starts the server. Addresses, hosts and passwords come from the environment, none from the command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Become the server; end with a sentence where it would not be the one that docker/.env describes."""
    wanted = os.environ.pop("WANTED_DESTINATION", "")
    if wanted and os.environ["MLFLOW_ARTIFACTS_DESTINATION"] != wanted:
        sys.exit(
            f"not started: docker/.env has MLFLOW_S3_DESTINATION={wanted}, and docker-compose.s3.yml was left out. "
            f"With COMPOSE_FILE in docker/.env: cd docker && docker compose up -d, without -f."
        )
    from databases import ensure_users_database, schemas_to_migrate

    ensure_users_database()
    # MLflow itself migrates some older schemas when it starts, without a backup, and refuses others.
    outdated = schemas_to_migrate()
    if outdated:
        sys.exit(f"not started: {'; '.join(outdated)}. docker/upgrade.sh makes a backup and migrates.")
    os.execvp("mlflow", ["mlflow", "server", "--app-name", "basic-auth"])  # noqa: S606, S607


if __name__ == "__main__":
    main()
