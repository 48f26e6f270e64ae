"""Starts the server. Addresses, hosts and passwords come from the environment, none from the command line."""

from __future__ import annotations

import os

from databases import ensure_users_database

if __name__ == "__main__":
    ensure_users_database()
    os.execvp("mlflow", ["mlflow", "server", "--app-name", "basic-auth"])  # noqa: S606, S607
