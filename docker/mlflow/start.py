"""Starts the server. Addresses, hosts and passwords come from the environment, none from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PERMISSIONS = ("EDIT", "READ", "NO_PERMISSIONS")
# By these names the proxy and people on this machine call it; `[[]` is fnmatch's way to write a bracket.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "proxy")


def main() -> None:
    """Become the server; end with a sentence where it would not be the one that docker/.env describes."""
    wanted = os.environ.pop("WANTED_DESTINATION", "")
    if wanted and os.environ["MLFLOW_ARTIFACTS_DESTINATION"] != wanted:
        sys.exit(
            f"not started: docker/.env has MLFLOW_S3_DESTINATION={wanted}, and docker-compose.s3.yml was left out. "
            f"With COMPOSE_FILE in docker/.env: cd docker && docker compose up -d, without -f."
        )
    if os.environ.pop("GONE_SETTINGS", ""):
        sys.exit(
            "not started: MLFLOW_ALLOWED_HOSTS and MLFLOW_CORS_ORIGINS in docker/.env are MLFLOW_SERVER_NAMES by now: "
            "the names alone, such as MLFLOW_SERVER_NAMES=mlflow.example.org,192.0.2.7"
        )
    write_auth_config()
    names = [name.strip() for name in os.environ.pop("SERVER_NAMES", "").split(",") if name.strip()]
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(allowed_hosts(names))
    os.environ["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(allowed_origins(names))

    from databases import why_not_to_start

    # MLflow itself migrates some older schemas when it starts, without a backup, and refuses others.
    reason = why_not_to_start()
    if reason:
        sys.exit(f"not started: {reason}")
    os.execvp("mlflow", ["mlflow", "server", "--app-name", "basic-auth"])  # noqa: S606, S607


def write_auth_config() -> None:
    """What MLflow's login reads, wherever it is imported: the template with this server's default permission."""
    permission = os.environ.get("DEFAULT_PERMISSION", "EDIT")
    if permission not in PERMISSIONS:
        sys.exit(f"not started: MLFLOW_DEFAULT_PERMISSION={permission}: expected one of {', '.join(PERMISSIONS)}.")
    template = Path(__file__).with_name("basic_auth.ini").read_text(encoding="utf-8")
    path = Path(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
    path.write_text(template.format(default_permission=permission), encoding="utf-8")


def allowed_hosts(names: list[str]) -> list[str]:
    """Host headers, with a port and without: MLflow reads those with a star as patterns."""
    hosts = [*LOCAL_HOSTS, *names]
    return [*hosts, *(f"{host.replace('[', '[[]')}:*" for host in hosts), "mlflow:5000"]


def allowed_origins(names: list[str]) -> list[str]:
    """Pages that may change something from a browser."""
    return [f"https://{host.replace('[', '[[]')}{port}" for host in [*LOCAL_HOSTS, *names] for port in ("", ":*")]


if __name__ == "__main__":
    main()
