"""`tracking.json`: who may write it, and that looking at it never does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sdpa_exp.tracking.progress import Progress, ProgressFile
from sdpa_exp.tracking.run_sender import is_all_sent
from sdpa_exp.tracking.sweep_sender import SweepSender

URI = "http://127.0.0.1:5000"


def test_asking_what_a_store_lacks_leaves_the_folder_to_the_thread_that_sends(tmp_path: Path) -> None:
    """A key made by the one who asks would be another than that of the sender, who tags the MLflow run with its own."""
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    store: Any = SimpleNamespace(location=SimpleNamespace(uri=URI))
    sweep = SweepSender(tmp_path, store=store, experiment="any")
    assert not is_all_sent(tmp_path, store_uri=URI, with_checkpoint=False)
    assert not sweep.is_closed("FINISHED")
    assert sweep.wanted_status() is None
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
