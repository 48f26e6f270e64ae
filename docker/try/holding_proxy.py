"""Forwards to MLFLOW_TRACKING_URI, and holds the first creation of a run back for the seconds that it is given.

Prints its own address, on loopback, and its process id. The client's login goes through as it is.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.tracking.slow_proxy import slow_proxy

if __name__ == "__main__":
    first = iter([True])

    def hold_the_first_creation(what: str) -> float:
        """Seconds."""
        return float(sys.argv[1]) if what.endswith("/runs/create") and next(first, False) else 0.0

    authority = os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"]
    with slow_proxy(os.environ["MLFLOW_TRACKING_URI"], hold_the_first_creation, authority=authority) as (url, _):
        print(url, os.getpid(), flush=True)
        signal.pause()
