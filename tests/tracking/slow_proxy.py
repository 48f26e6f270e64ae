"""A proxy on loopback that holds requests back, refuses or drops them, and remembers when each was answered."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A request that got its answer."""

    what: str
    came_unix_s: float
    answered_unix_s: float


@contextmanager
def slow_proxy(
    behind: int | str,
    delay_s: float | Callable[[str], float],
    *,
    refused: Callable[[str], int | None] = lambda what: None,
    authority: str | None = None,
    port: int = 0,
) -> Iterator[tuple[str, list[Passed]]]:
    """Its address, and the requests answered so far.

    Args:
        behind: the server that it forwards to: a port of this machine, or an address.
        delay_s: how long a request is held back before it goes on; one number, or by its "METHOD /path".
        refused: the status that a request, by its "METHOD /path", gets in place of the server's answer; 0 closes the
            connection without one. 429 says Retry-After.
        authority: the file of the authority that signed the certificate of an https server.
        port: of this proxy; 0 takes any.
    """
    passed: list[Passed] = []
    host = f"127.0.0.1:{behind}" if isinstance(behind, int) else urlsplit(behind).netloc
    context = None if authority is None else ssl.create_default_context(cafile=authority)

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            came_unix_s = time.time()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(delay_s(f"{self.command} {self.path}") if callable(delay_s) else delay_s)
            status = refused(f"{self.command} {self.path}")
            if status == 0:
                self.close_connection = True
                return
            if status is not None:
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "3")
                self.end_headers()
                self.wfile.write(b"refused by the proxy")
                return
            connection = (
                http.client.HTTPConnection(host, timeout=120)
                if context is None
                else http.client.HTTPSConnection(host, timeout=120, context=context)
            )
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            what = f"{self.command} {self.path}"
            passed.append(Passed(what=what, came_unix_s=came_unix_s, answered_unix_s=time.time()))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", passed
    finally:
        server.shutdown()
        server.server_close()
