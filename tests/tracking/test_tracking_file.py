"""`tracking.json`: who may write it, and that looking at it never does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.location import locate
from sdpa_exp.tracking.logged_model import Checkpoints
from sdpa_exp.tracking.mlflow_store import MlflowStore
from sdpa_exp.tracking.run_sender import is_all_sent
from sdpa_exp.tracking.sweep_sender import SweepSender
from sdpa_exp.tracking.tracking_file import Progress, ProgressFile

URI = "http://127.0.0.1:5000"


def test_asking_what_a_store_lacks_leaves_the_folder_to_the_thread_that_sends(tmp_path: Path) -> None:
    """A key made by the one who asks would be another than that of the sender, who tags the MLflow run with its own."""
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    store: Any = SimpleNamespace(location=SimpleNamespace(uri=URI))
    sweep = SweepSender(tmp_path, store=store, experiment="any")
    assert not is_all_sent(tmp_path, store_uri=URI, checkpoints=Checkpoints(sent=False))
    assert not sweep.is_closed("FINISHED")
    assert sweep.wanted() == (None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_the_key_is_made_once_and_each_store_has_a_progress_of_its_own(tmp_path: Path) -> None:
    file, other = ProgressFile(tmp_path, URI), ProgressFile(tmp_path, "sqlite:///mlflow.db")
    key, progress = file.read()
    progress.run_id = "a"
    file.write(progress)
    assert other.read() == (key, Progress())
    assert other.look() == Progress()
    assert ProgressFile(tmp_path, URI).read() == (key, progress)
    assert file.look() == progress


def test_what_is_sent_anew_keeps_how_and_when_the_sweep_ended(tmp_path: Path) -> None:
    store: Any = SimpleNamespace(location=SimpleNamespace(uri=URI))
    sweep = SweepSender(tmp_path, store=store, experiment="any")
    sweep.want_status("FAILED", 1_795_270_742_043)
    key, _ = ProgressFile(tmp_path, URI).read()
    ProgressFile(tmp_path, URI).restart()
    assert sweep.wanted() == ("FAILED", 1_795_270_742_043)
    assert ProgressFile(tmp_path, URI).read()[0] == key


def test_a_server_that_answers_with_errors_is_not_called_absent() -> None:
    store = MlflowStore(locate("http://127.0.0.1:9", environment={}, cwd=Path()), timeout_s=1)
    pool = "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /api"
    for cause, told in (
        (
            "(Caused by ResponseError('too many 500 error responses'))",
            "HTTP 500: an error of its own, and only",
        ),
        (
            "(Caused by ResponseError('too many 429 error responses'))",
            "HTTP 429: too many requests or failed",
        ),
        (
            "(Caused by ProxyError('Unable to connect to proxy'))",
            "the proxy in HTTP_PROXY or",
        ),
        (
            "failed with error code 401 != 200. Response body: ''",
            "HTTP 401: the user or password is no lon",
        ),
        ("(Caused by NewConnectionError(': [Errno 111] Connection refused'))", "it can't be reached"),
    ):
        with pytest.raises(TrackingError, match=told), store.request("send a.txt"):
            raise OSError(f"{pool} {cause}")
