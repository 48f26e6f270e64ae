"""Shared set-up: Ultralytics gets a settings folder of its own, and nothing asks the network."""

from __future__ import annotations

import os
import tempfile

_settings = tempfile.mkdtemp(prefix="sdpa_exp_tests_")
os.environ["YOLO_CONFIG_DIR"] = _settings
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: a second thread costs more than it gives
