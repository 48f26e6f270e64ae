"""MLflow's settings for this process: quiet, bounded, and without calls to anyone but the store.

MLflow reads these from environment variables only, at import or at each request, so they have to be set there. They
are set in our process, never in the user's shell. What we start later needs no store and gets `without_credentials`:
what a process doesn't have, no log, traceback or kernel of somebody else's can show.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdpa_exp.tracking.location import Location

# What opens MLflow's server, the stores behind it, or the places of its artifacts.
_SECRET_VARIABLES = frozenset(
    (
        *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
        *("MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_BACKEND_STORE_URI"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY", "DATABRICKS_TOKEN"),
    )
)
_USER_INFO = re.compile(r"(?<=://).*@")


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that open a store; MLflow's addresses stay, without user and password."""
    return {
        name: _USER_INFO.sub("", value) if name.startswith("MLFLOW_") else value
        for name, value in environment.items()
        if name not in _SECRET_VARIABLES
    }


def prepare(location: Location, *, timeout_s: float) -> None:
    """Set the variables; before MLflow is imported for the first time."""
    os.environ.update(
        {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            # Our own loop repeats requests. MLflow's would do it for minutes inside one call, and repeats a creation
            # whose answer was merely late.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(timeout_s))),
            "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        }
    )
    if location.user is not None:
        os.environ["MLFLOW_TRACKING_USERNAME"] = location.user
    if location.password is not None:
        os.environ["MLFLOW_TRACKING_PASSWORD"] = location.password
    for name in ("alembic", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.ERROR)
