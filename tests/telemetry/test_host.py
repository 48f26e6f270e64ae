"""The host probe on real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from sdpa_exp.telemetry.host import HostProbe, tree_pids

if TYPE_CHECKING:
    from pathlib import Path

# Starts a child that spins, says so, and waits for the end of its input.
_PARENT_WITH_BUSY_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True)\\nwhile True: pass"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
child.kill(); child.wait()
print("child gone", flush=True)
sys.stdin.readline()
"""


def test_a_childs_cpu_time_and_memory_count_until_it_vanishes(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT_WITH_BUSY_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        assert tree_pids(process.pid) == {process.pid, child_pid}
        probe = HostProbe(pid=process.pid, run_dir=tmp_path)
        first = probe.read()
        assert first["cpu_percent"] is None
        assert probe.unavailable()["cpu_percent"] == "the first sample only sets the mark"
        time.sleep(0.3)
        second = probe.read()
        assert second["num_processes"] == 2
        assert second["cpu_percent"] is not None
        assert second["cpu_percent"] > 0
        assert probe.unavailable() == {}

        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        third = probe.read()
        assert third["num_processes"] == 1
        assert third["rss_mib"] is not None
        assert second["rss_mib"] is not None
        assert third["rss_mib"] < second["rss_mib"]

        process.stdin.close()
        process.wait()
    gone = probe.read()
    assert gone["rss_mib"] is None
    assert probe.unavailable()["rss_mib"] == f"process {process.pid} is gone"
    assert gone["system_memory_used_mib"] is not None


def test_what_the_tree_writes_is_counted_from_the_first_read_on(tmp_path: Path) -> None:
    probe = HostProbe(pid=os.getpid(), run_dir=tmp_path)
    first = probe.read()
    with (tmp_path / "written").open("wb") as file:
        file.write(b"\0" * 8 * 2**20)
        file.flush()
        os.fsync(file.fileno())
    second = probe.read()
    assert first["written_mib"] == 0 or "written_mib" in probe.unavailable()
    assert second["written_mib"] is None or second["written_mib"] >= 8


def test_a_missing_run_folder_costs_only_the_disk_metric(tmp_path: Path) -> None:
    probe = HostProbe(pid=os.getpid(), run_dir=tmp_path / "gone")
    values = probe.read()
    assert values["disk_free_mib"] is None
    assert probe.unavailable()["disk_free_mib"].startswith("FileNotFoundError")
    assert values["rss_mib"] is not None


def test_a_process_that_has_ended_and_was_not_waited_for_has_no_memory_of_0(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        probe = HostProbe(pid=process.pid, run_dir=tmp_path)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is a zombie still
        assert probe.read()["rss_mib"] is None
        assert probe.unavailable()["rss_mib"] == f"process {process.pid} is gone"
