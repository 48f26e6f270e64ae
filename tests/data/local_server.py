"""A server on loopback that answers as Roboflow's API does, and hands out files as GitHub does."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.data.small_field import make_field

KEY = "pl4nted-roboflow"  # as tests/launch/conftest.py plants it
PROJECT = "/augmented-startups/weeds-nxe1w/3/yolov8"


@dataclass(kw_only=True)
class Answers:
    """What the server says.

    Attributes:
        files: path -> content.
        cuts_after: bytes of a file that it sends before it goes away.
        num_waits: how often the API answers that the file is still being made.
        asked: method and path of each request, without what is behind the question mark.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts_after: int | None = None
    num_waits: int = 0
    asked: list[str] = field(default_factory=list)


def roboflow_export(folder: Path) -> bytes:
    """A zip file of 3 and 2 images in Roboflow's layout, made in a folder."""
    field, root = make_field(folder / "field").parent, folder / "export"
    for split, name in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            shutil.copytree(field / kind / split, root / name / kind)
    (root / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['crop', 'weed']\n")
    (root / "README.roboflow.txt").write_text("weeds\n")
    return Path(shutil.make_archive(str(root), "zip", root)).read_bytes()


class _Server(ThreadingHTTPServer):
    answers: Answers


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(sends_body=False)

    def do_GET(self) -> None:
        self._answer(sends_body=True)

    def _answer(self, *, sends_body: bool) -> None:
        answers, parts = self.server.answers, urlsplit(self.path)
        answers.asked.append(f"{self.command} {parts.path}")
        if parts.path.endswith("/yolov8"):
            status, body = self._api(parts.path, parse_qs(parts.query).get("api_key", [""])[0])
        else:
            status, body = (200, answers.files[parts.path]) if parts.path in answers.files else (404, b"Not Found")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if sends_body:
            self.wfile.write(body[: answers.cuts_after] if parts.path in answers.files else body)

    def _api(self, path: str, key: str) -> tuple[int, bytes]:
        """Its errors carry a message and a type."""
        answers = self.server.answers
        if key != KEY:
            message = f"This API key does not exist (or has been revoked): {key}"
            return 401, json.dumps({"error": {"message": message, "type": "OAuthException"}}).encode()
        if path != PROJECT:
            message = "Unsupported get request. Export does not exist or cannot be loaded."
            return 404, json.dumps({"error": {"message": message, "type": "GraphMethodException"}}).encode()
        if answers.num_waits:
            answers.num_waits -= 1
            return 202, b'{"progress": 0.5}'
        link = f"http://{self.headers['Host']}/export.zip?signature={KEY}"
        return 200, json.dumps({"export": {"format": "yolov8", "link": link}}).encode()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """The address of the server while it runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answers = answers
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """An address on which nobody listens."""
    with serving(Answers()) as address:
        pass
    yield address
