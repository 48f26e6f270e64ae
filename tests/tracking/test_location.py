"""Addresses of stores, and that passwords in them go no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.config.credentials import redact
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.location import locate
from sdpa_exp.tracking.tracker import NoTracker, make_tracker


def test_a_relative_sqlite_file_is_resolved_against_the_folder_of_the_command(tmp_path: Path) -> None:
    location = locate("sqlite:///multirun/mlflow.db", environment={}, cwd=tmp_path)
    assert location.uri == f"sqlite:///{tmp_path}/multirun/mlflow.db"
    assert location.artifact_root == tmp_path / "multirun" / "mlartifacts"


def test_user_and_password_are_taken_out_of_the_address() -> None:
    location = locate("https://ann:p%40ss@host:5000/mlflow/", environment={}, cwd=Path())
    assert location.uri == "https://host:5000/mlflow"
    assert (location.user, location.password) == ("ann", "p@ss")
    assert "p@ss" not in repr(location)
    assert "ann" not in repr(location)


def test_links_lead_where_people_open_the_store() -> None:
    config = TrackingConfig(name="server", kind="mlflow", uri="http://mlflow:5000", page_uri="http://127.0.0.1:5001/")
    tracker = make_tracker(config, experiment="x")
    assert tracker.ui_command() == "http://127.0.0.1:5001"
    assert str(tracker.ui_page()).startswith("http://127.0.0.1:5001/#/experiments")
    config.page_uri = None
    assert make_tracker(config, experiment="x").ui_command() == "http://mlflow:5000"


def test_without_an_address_mlflows_own_variable_is_used() -> None:
    assert locate(None, environment={"MLFLOW_TRACKING_URI": "http://host:1"}, cwd=Path()).uri == "http://host:1"
    with pytest.raises(TrackingError, match=r"set tracking\.uri=http://HOST:PORT or the environment variable"):
        locate(None, environment={}, cwd=Path())


@pytest.mark.parametrize(
    "uri", ["mlruns", "file:///mlruns", "postgresql://ann:s3cr3t@db/mlflow", "http://", "databricks"]
)
def test_other_kinds_of_stores_are_refused_without_showing_a_password(uri: str) -> None:
    with pytest.raises(TrackingError, match="is no store we can use: expected sqlite:///FILE, or http") as caught:
        locate(uri, environment={}, cwd=Path())
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("uri", ["sqlite:///", "sqlite:///:memory:"])
def test_an_sqlite_address_must_name_a_file(uri: str) -> None:
    with pytest.raises(TrackingError, match="names no file: expected sqlite:///FILE"):
        locate(uri, environment={}, cwd=Path())


def test_redaction_finds_credentials_in_the_middle_of_a_text_and_given_secrets() -> None:
    assert redact("GET http://a:b@h/x and pw tok3n.", "tok3n", None) == "GET http://***@h/x and pw ***."
    assert redact("mail ann@host, see http://h/@x") == "mail ann@host, see http://h/@x"


def test_tracking_none_does_nothing_and_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    tracker = make_tracker(TrackingConfig(name="none", kind="none"), experiment="x")
    assert isinstance(tracker, NoTracker)
    tracker.check()
    tracker.follow(tmp_path)
    assert tracker.finish(tmp_path, 1)
    assert tracker.sync(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TrackingError, match=r"tracking\.kind=wandb is unknown: expected mlflow or none"):
        make_tracker(TrackingConfig(name="x", kind="wandb"), experiment="x")
