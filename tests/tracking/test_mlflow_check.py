"""What `check` says of stores that won't take our runs. Servers that misbehave are small stand-ins on loopback."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.location import locate
from sdpa_exp.tracking.mlflow_answers import brief, unreachable
from sdpa_exp.tracking.tracker import Tracker, make_tracker
from tests.tracking.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            if status == 302:
                self.send_header("Location", text)
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
        (
            {"/version": (200, "3.17.2"), SEARCH: (500, "the database is down")},
            r"does not work: HTTP 500: an error of its own.*\(the database is down\)",
        ),
        ({"/version": (503, "")}, "does not work: HTTP 503: not ready: it is starting, stopped or in a backup"),
        ({"/version": (502, "")}, "does not work: HTTP 502: the proxy before it doesn't reach it"),
        ({"/version": (429, "")}, r"no more requests from this address for now \(HTTP 429: .*: wait a minute"),
        ({"/version": (403, "no entry")}, r"refuses every request \(HTTP 403: 'no entry'\): a proxy or firewall"),
        (
            {"/version": (407, "")},
            r"wants a password \(HTTP 407\): set HTTP_PROXY=http://USER:PASSWORD@HOST:PORT, or add",
        ),
        (
            {"/version": (302, "https://example.org/version")},
            r"sends us on to https://example\.org: set tracking\.uri=",
        ),
        (
            {"/version": (302, "https://sso.example.org/login?x=1")},
            r"to https://sso\.example\.org/login, which is no MLflow",
        ),
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


@pytest.mark.parametrize("answers", [{"/version": (401, "")}, {"/version": (500, "")}], ids=["401", "500"])
def test_a_token_that_no_account_of_mlflow_takes_is_the_cause(
    answers: dict[str, tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cr3t-planted")
    with stand_in(answers) as url, pytest.raises(TrackingError, match="Unset MLFLOW_TRACKING_TOKEN and set") as caught:
        tracker_at(url).check()
    assert "s3cr3t-planted" not in str(caught.value)


def test_a_dead_proxy_of_the_environment_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://ann:s3cr3t@127.0.0.1:{(port := free_port())}")
    with pytest.raises(TrackingError) as caught:
        tracker_at("http://mlflow.example.org").check()
    assert f"the proxy http://***@127.0.0.1:{port} (http_proxy in the environment) can't be reached" in str(
        caught.value
    )
    assert "add mlflow.example.org to NO_PROXY" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "SSLError([SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer certificate)",
            "isn't trusted here: set MLF",
        ),
        (
            "SSLError([SSL: CERTIFICATE_VERIFY_FAILED] IP address mismatch, not valid for '10.0.0.1')",
            "is for other names",
        ),
        ("SSLError([SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired)", "has expired: it needs a new one"),
        (
            "SSLError([SSL: WRONG_VERSION_NUMBER] wrong version number)",
            r"speaks no TLS: set tracking\.uri=http://mlflow",
        ),
        (
            "Could not find a suitable TLS CA certificate bundle, invalid path: /x",
            "and that file is not there: correct it",
        ),
        ("Tunnel connection failed: 407 Proxy Authentication Required", r"wants a password \(HTTP 407\)"),
    ],
)
def test_each_way_that_https_fails_is_told_from_the_others(error: str, words: str) -> None:
    location = locate("https://mlflow.example.org", environment={}, cwd=Path())
    assert re.search(words, unreachable(location, error, 5.0))


def test_a_password_over_http_is_warned_of_unless_it_stays_on_this_machine(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TrackingError):
        tracker_at(f"http://ann:s3cr3t@127.0.0.1:{free_port()}").check()
    assert "readable for everyone on the way" not in caplog.text
    with pytest.raises(TrackingError):
        tracker_at("http://ann:s3cr3t@host.invalid").check()
    assert "the password goes to http://host.invalid over http, readable for everyone on the way" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_name_longer_than_the_servers_column_is_refused_before_the_database_does() -> None:
    config = TrackingConfig(name="t", kind="mlflow", uri="http://127.0.0.1:9", timeout_s=1.0)
    with stand_in({"/version": (200, "3.17.2"), SEARCH: (200, "{}")}) as url:
        config.uri = url
        with pytest.raises(TrackingError, match="the experiment has 257 characters, and an MLflow server takes 256"):
            make_tracker(config, experiment="x" * 257).check()


@pytest.mark.parametrize(
    "message",
    ["API request to endpoint failed with error code 401 != 200.", "User with username=ann not found"],
)
def test_a_user_who_was_removed_is_told_so_in_both_ways_in_which_the_server_says_it(message: str) -> None:
    assert brief("log", message).startswith("did not log: it answers HTTP 401: the user or password is no longer acc")
