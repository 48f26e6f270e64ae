"""A real MLflow server with users, passwords and a host header check: what `check` says when it refuses us."""

from __future__ import annotations

import importlib.util
import secrets
from typing import TYPE_CHECKING

import pytest
import requests

from sdpa_exp.errors import TrackingError
from tests.tracking.server import basic_auth, free_port, mlflow_server
from tests.tracking.test_mlflow_check import tracker_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HAS_AUTH = importlib.util.find_spec("flask_wtf") is not None
needs_auth = pytest.mark.skipif(not HAS_AUTH, reason="MLflow's basic auth needs flask-wtf, which is not installed")
PASSWORD = secrets.token_hex()


@pytest.fixture(scope="module")
def guarded(schema: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that answers to 127.0.0.1 but not to localhost, and to admin alone if it can."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "mlflow.db").write_bytes(schema.read_bytes())
    options = ("--allowed-hosts", "127.0.0.1:*", *(("--app-name", "basic-auth") if HAS_AUTH else ()))
    variables = basic_auth(folder, PASSWORD)
    with mlflow_server(folder, folder / "mlflow.db", port := free_port(), *options, variables=variables):
        yield port


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


@pytest.mark.usefixtures("admin")
def test_who_is_allowed_passes(guarded: int) -> None:
    tracker_at(f"http://127.0.0.1:{guarded}", timeout_s=20).check()


@pytest.mark.usefixtures("admin")
def test_a_refused_host_name_is_named_with_the_servers_option(guarded: int) -> None:
    with pytest.raises(TrackingError, match=r"localhost.*refuses this host name .* start it with --allowed-hosts"):
        tracker_at(f"http://localhost:{guarded}", timeout_s=20).check()


@needs_auth
def test_without_a_password_it_says_which_variables_to_set(guarded: int) -> None:
    with pytest.raises(TrackingError, match="wants a user and password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACK"):
        tracker_at(f"http://127.0.0.1:{guarded}", timeout_s=20).check()


@needs_auth
@pytest.mark.usefixtures("admin")
def test_a_wrong_password_is_refused_and_not_repeated(guarded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cr3t-planted")
    with pytest.raises(TrackingError, match="refuses the user or password: correct MLFLOW_TRACKING_USERNAME") as caught:
        tracker_at(f"http://127.0.0.1:{guarded}", timeout_s=20).check()
    assert "s3cr3t" not in str(caught.value)


@needs_auth
def test_a_wrong_token_is_refused_and_not_repeated(guarded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cr3t-planted")
    with pytest.raises(
        TrackingError,
        match=r"own accounts take none\. Unset MLFLOW_TRACKING_TOKEN",
    ) as caught:
        tracker_at(f"http://127.0.0.1:{guarded}", timeout_s=20).check()
    assert "s3cr3t" not in str(caught.value)


@needs_auth
@pytest.mark.usefixtures("admin")
def test_a_user_who_may_only_read_is_told_whom_to_ask(guarded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{guarded}"
    tracker_at(url, timeout_s=20).check()  # the experiment is admin's from now on
    guest = {"username": "guest", "password": "guest-guest-guest"}
    made = requests.post(f"{url}/api/2.0/mlflow/users/create", json=guest, auth=("admin", PASSWORD), timeout=20)
    assert made.status_code == 200, made.text
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", guest["username"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", guest["password"])
    with pytest.raises(TrackingError, match=r"may not write to the experiment 'handmade'.*ask its owner for the EDIT"):
        tracker_at(url, timeout_s=20).check()
