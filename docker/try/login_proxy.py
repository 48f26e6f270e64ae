"""Logs headless Chromium in: forwards to MLFLOW_TRACKING_URI with user and password, and prints its own address.

Chromium has no dialog to type into when headless, and MLflow's pages refuse an address with credentials in it.
"""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVER = os.environ["MLFLOW_TRACKING_URI"]
LOGIN = base64.b64encode(
    f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}".encode()
).decode()


class Forward(BaseHTTPRequestHandler):
    """One request, forwarded."""

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": self.headers.get("Content-Type", "")}
        request = urllib.request.Request(SERVER + self.path, body, headers, method=self.command)  # noqa: S310
        try:
            answer = urllib.request.urlopen(request, timeout=60)  # noqa: S310
        except urllib.error.HTTPError as error:
            answer = error
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
