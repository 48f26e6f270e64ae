"""A container's limits count, in both versions of control groups; what can't be read limits nothing."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from sdpa_exp.runs.limits import CORES_VARIABLE, free_memory_bytes, num_oom_kills, usable_cores

GIB = 2**30
V2 = "0::/slurm/job_7\n"
V1 = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n"


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


def own(tmp_path: Path, text: str) -> Path:
    (tmp_path / "own").write_text(text, encoding="ascii")
    return tmp_path / "own"


@pytest.fixture(autouse=True)
def _big_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = psutil.virtual_memory()._replace(available=100 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def test_without_limits_the_machine_counts(tmp_path: Path) -> None:
    files = {"slurm/job_7/cpu.max": "max 100000\n", "slurm/job_7/memory.max": "max\n", "slurm/memory.current": "5\n"}
    root, mine = make(tmp_path / "cgroup", files), own(tmp_path, V2)
    assert usable_cores(root=root, own=mine) == 64
    assert free_memory_bytes(root=root, own=mine) == 100 * GIB
    assert usable_cores(root=tmp_path / "none", own=tmp_path / "none") == 64


def test_the_affinity_of_the_process_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert usable_cores(root=tmp_path, own=own(tmp_path, V2)) == 2


def test_the_share_that_a_launcher_gives_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CORES_VARIABLE, "8")
    assert usable_cores(root=tmp_path, own=own(tmp_path, V2)) == 8


def test_the_limit_of_a_group_further_up_counts_too(tmp_path: Path) -> None:
    files = {
        "slurm/job_7/cpu.max": "1200000 100000\n",
        "slurm/cpu.max": "450000 100000\n",
        "slurm/job_7/memory.max": f"{16 * GIB}\n",
        "slurm/job_7/memory.current": f"{10 * GIB}\n",
        "slurm/job_7/memory.stat": f"anon 5\ninactive_file {3 * GIB}\n",
        "slurm/memory.max": f"{64 * GIB}\n",
        "slurm/memory.current": f"{20 * GIB}\n",
    }
    root, mine = make(tmp_path / "cgroup", files), own(tmp_path, V2)
    assert usable_cores(root=root, own=mine) == 4
    assert free_memory_bytes(root=root, own=mine) == 9 * GIB  # pages of files count as free


def test_the_first_version_of_control_groups_counts(tmp_path: Path) -> None:
    files = {
        "cpu/docker/abc/cpu.cfs_quota_us": "50000\n",
        "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": f"{8 * GIB}\n",  # in a container its own folder is not to be seen
        "memory/memory.usage_in_bytes": f"{6 * GIB}\n",
        "memory/memory.stat": f"total_inactive_file {GIB}\n",
    }
    root, mine = make(tmp_path / "cgroup", files), own(tmp_path, V1)
    (root / "cpu,cpuacct").symlink_to(root / "cpu")
    assert usable_cores(root=root, own=mine) == 1  # half a core is one
    assert free_memory_bytes(root=root, own=mine) == 3 * GIB


def test_the_kernels_kills_are_counted_where_it_says_so(tmp_path: Path) -> None:
    v2 = make(tmp_path / "v2", {"slurm/job_7/memory.events": "low 0\nhigh 4\nmax 9\noom 3\noom_kill 2\n"})
    v1 = make(
        tmp_path / "v1", {"memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"}
    )
    assert num_oom_kills(root=v2, own=own(tmp_path, V2)) == 2
    assert num_oom_kills(root=v1, own=own(tmp_path, V1)) == 5
    assert num_oom_kills(root=tmp_path / "none", own=own(tmp_path, V2)) is None
