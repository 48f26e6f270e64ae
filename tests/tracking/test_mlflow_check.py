"""What `check` says of stores that won't take our runs. Servers that misbehave are small stand-ins on loopback."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.tracker import Tracker, make_tracker
from tests.tracking.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def tracker_at(uri: str, timeout_s: float = 5.0) -> Tracker:
    return make_tracker(TrackingConfig(name="t", kind="mlflow", uri=uri, timeout_s=timeout_s), experiment="handmade")


def set_revision(database: Path, revision: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_a_local_store_that_is_there_or_can_be_made_passes(database: Path, tmp_path: Path) -> None:
    tracker_at(f"sqlite:///{database}").check()
    tracker_at(f"sqlite:///{tmp_path}/new/folder/mlflow.db").check()
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_database_of_mlflow_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be looked at" * 50, encoding="utf-8")
    with pytest.raises(TrackingError, match=r"notes\.txt is not a database of MLflow \(file is not a database\)"):
        tracker_at(f"sqlite:///{tmp_path}/notes.txt").check()
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(
        TrackingError, match=r"other\.db is not a database of MLflow \(no such table: alembic_version\)"
    ):
        tracker_at(f"sqlite:///{tmp_path}/other.db").check()


def test_a_database_of_another_mlflow_says_which_way_to_go(database: Path) -> None:
    set_revision(database, "451aebb31d03")  # MLflow 1.0
    with pytest.raises(
        TrackingError, match=r"of an older MLflow: copy the file as a backup, then run `mlflow db upgrade"
    ):
        tracker_at(f"sqlite:///{database}").check()
    set_revision(database, "ffffffffffff")
    with pytest.raises(TrackingError, match="schema ffffffffffff of a newer MLflow: install that version"):
        tracker_at(f"sqlite:///{database}").check()


def test_a_folder_in_the_way_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(TrackingError, match=r"is not writable: set tracking\.uri=sqlite:///FILE to a folder of yours"):
        tracker_at(f"sqlite:///{tmp_path}/file/mlflow.db").check()


@contextmanager
def stand_in(answers: dict[str, tuple[int, str]], seen: list[str | None] | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if seen is not None:
                seen.append(self.headers.get("Authorization"))
            status, text = next((a for path, a in answers.items() if self.path.startswith(path)), (404, "nothing here"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


SEARCH = "/api/2.0/mlflow/experiments/search"


def test_an_unreachable_server_is_named_with_what_to_do() -> None:
    with pytest.raises(
        TrackingError,
        match=r"can't be reached \(Connection refused\): start it, check tracking\.uri \(or MLFLOW_",
    ):
        tracker_at(f"http://ann:s3cr3t@127.0.0.1:{free_port()}").check()


def test_a_server_that_does_not_answer_in_time_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TrackingError, match=r"did not answer within 0\.5 s"):
            tracker_at(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.5).check()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"/version": (401, "")}, "wants a user and password: set MLFLOW_TRACKING_USERNAME"),
        ({"/version": (200, "3.17.2"), SEARCH: (401, "")}, "wants a user and password: set MLFLOW_TRACKING_USERNAME"),
        (
            {
                "/version": (200, "3.17.2"),
                SEARCH: (403, "Invalid Host header - possible DNS rebinding attack detected"),
            },
            "refuses this host name",
        ),
        ({"/version": (200, "2.22.1")}, r"is too old: it runs 2\.22\.1, expected 3\.0 or newer"),
        ({"/version": (200, "<html>a wiki</html>")}, "answers, but not as an MLflow server"),
        ({}, r"answers, but not as an MLflow server \(GET /version: HTTP 404\)"),
        ({"/version": (200, "3.17.2"), SEARCH: (500, "the database is down")}, "does not work: HTTP 500: the database"),
    ],
)
def test_a_server_that_refuses_us_says_how_to_be_accepted(answers: dict[str, tuple[int, str]], words: str) -> None:
    with stand_in(answers) as url, pytest.raises(TrackingError, match=words):
        tracker_at(url).check()


def test_a_password_in_the_address_is_sent_as_a_header_and_shown_nowhere() -> None:
    seen: list[str | None] = []
    with stand_in({"/version": (200, "3.17.2"), SEARCH: (401, "")}, seen) as url:
        tracker = tracker_at(url.replace("//", "//ann:s3cr3t-planted@"))
        with pytest.raises(TrackingError, match="refuses the user or password") as caught:
            tracker.check()
    assert seen[-1] is not None
    assert seen[-1].startswith("Basic ")
    assert "s3cr3t-planted" not in str(caught.value)
    assert "s3cr3t-planted" not in (tracker.ui_command() or "")
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s3cr3t-planted"
