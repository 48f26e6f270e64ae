"""Figures for Prometheus, where docker-compose.metrics.yml adds it: requests, errors, databases and the disk.

Requests, their time and logins are counted by the proxy; the rest is looked up when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import psycopg
from databases import connect

PROXY = "http://proxy:8081/metrics"
PORT = 9464


def lines() -> Iterator[str]:
    """The whole page."""
    try:
        with urlopen(PROXY, timeout=5) as answer:
            yield answer.read().decode().rstrip()
        yield "mlflow_proxy_up 1"
    except OSError:
        yield "mlflow_proxy_up 0"
    for database in ("mlflow", "mlflow_auth"):
        label = f'{{database="{database}"}}'
        try:
            with connect(database, timeout_s=5) as connection:
                row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            yield f"mlflow_database_up{label} 1"
            yield f"mlflow_database_bytes{label} {row[0] if row else 0}"
        except psycopg.Error:
            yield f"mlflow_database_up{label} 0"
    disk = os.statvfs("/mlartifacts")
    yield f"mlflow_artifacts_disk_bytes {disk.f_blocks * disk.f_frsize}"
    yield f"mlflow_artifacts_disk_free_bytes {disk.f_bavail * disk.f_frsize}"


class Page(BaseHTTPRequestHandler):
    """Answers GET /metrics."""

    def do_GET(self) -> None:
        """One look."""
        if self.path != "/metrics":
            self.send_error(404)
            return
        content = ("\n".join(lines()) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", PORT), Page).serve_forever()  # noqa: S104 - published on 127.0.0.1
