"""Shared set-up: caches and Ultralytics' settings in a folder of the session, and nothing asks the network."""

from __future__ import annotations

import os
import tempfile

_session = tempfile.TemporaryDirectory(prefix="sdpa_exp_tests_")
os.environ["SDPA_EXP_CACHE"] = os.path.join(_session.name, "cache")
os.environ["YOLO_CONFIG_DIR"] = os.path.join(_session.name, "ultralytics")
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: a second thread costs more than it gives
