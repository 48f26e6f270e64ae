"""MLflow's settings for this process: quiet, bounded, and without calls to anyone but the store.

MLflow reads these from environment variables only, at import or at each request, so they have to be set there. They
are set in our process, never in the user's shell.
"""

from __future__ import annotations

import logging
import os

from sdpa_exp.tracking.location import Location


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
            # A bar for each model that is logged, in the middle of a sweep's lines.
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
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
