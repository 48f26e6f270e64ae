"""Shared set-up: caches and Ultralytics' settings in a folder of the session, and nothing asks the network.

With pytest-xdist (`make test`) the session is the whole run: its workers share the folder. Tests that share a costly
fixture (scope "module" or "package") run in one worker, which makes it once; `--dist loadgroup` keeps them together.
"""

from __future__ import annotations

import os
import tempfile

import pytest

if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker inherits what its controller has set
    _session = tempfile.TemporaryDirectory(prefix="sdpa_exp_tests_")
    os.environ["SDPA_EXP_CACHE"] = os.path.join(_session.name, "cache")
    os.environ["YOLO_CONFIG_DIR"] = os.path.join(_session.name, "ultralytics")
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: a second thread costs more than it gives


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of tests that a costly fixture is shared by; a package's goes before a module's."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 - pytest has no public way
    shared = [found[-1] for found in definitions if found[-1].scope in ("module", "package")]
    if shared:
        group = next((each.baseid for each in shared if each.scope == "package"), item.nodeid.partition("::")[0])
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def no_trackers() -> None:
    """For tests that train in this process: Ultralytics' own MLflow callback would write where pytest was started."""
    from sdpa_exp.launch.worker_setup import switch_off_trackers

    switch_off_trackers()
