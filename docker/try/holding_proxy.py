"""Forwards to MLFLOW_TRACKING_URI, and holds the first creation of a run back for the seconds that it is given.

Prints its own address, on loopback, and its process id. The client's login goes through as it is.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SERVER = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
HOLD_S = float(sys.argv[1])
CONTEXT = ssl.create_default_context(cafile=os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])
first = iter([True])


class Forward(BaseHTTPRequestHandler):
    """One request, forwarded."""

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        if self.path.endswith("/runs/create") and next(first, False):
            time.sleep(HOLD_S)
        assert SERVER.hostname is not None
        connection = http.client.HTTPSConnection(SERVER.hostname, SERVER.port, timeout=120, context=CONTEXT)
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "accept-encoding")
        }
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        print(f"http://127.0.0.1:{server.server_port} {os.getpid()}", flush=True)
        server.serve_forever()
