"""Shared set-up: caches and Ultralytics' settings in a folder of the session, and nothing asks the network."""

from __future__ import annotations

import os
import tempfile

import pytest

_session = tempfile.TemporaryDirectory(prefix="sdpa_exp_tests_")
os.environ["SDPA_EXP_CACHE"] = os.path.join(_session.name, "cache")
os.environ["YOLO_CONFIG_DIR"] = os.path.join(_session.name, "ultralytics")
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: a second thread costs more than it gives


@pytest.fixture(scope="session")
def no_trackers() -> None:
    """For tests that train in this process: Ultralytics' own MLflow callback would write where pytest was started."""
    from sdpa_exp.launch.process import switch_off_trackers

    switch_off_trackers()
