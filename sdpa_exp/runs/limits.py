"""What this process may use of the machine: cores and memory. Containers, Slurm and taskset give less than there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

CORES_VARIABLE = "SDPA_EXP_CORES"
"""Cores that a launcher gives to a job which sees more of them, as Ray's tasks do."""
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_UNLIMITED = 2**60  # cgroup v1 writes a number near 2**63 for "no limit"


def usable_cores(*, root: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Cores that this process may keep busy: its affinity, a control group's quota or a launcher's share, if less."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = []
    for folder in _folders("cpu", root, own):
        quota, period = [*_numbers(folder / "cpu.max"), None, None][:2]  # v2: "200000 100000" or "max 100000"
        if (folder / "cpu.cfs_quota_us").exists():  # v1; -1 is no limit
            quota = next(_numbers(folder / "cpu.cfs_quota_us"), None)
            period = next(_numbers(folder / "cpu.cfs_period_us"), None)
        if quota is not None and period is not None and quota > 0 and period > 0:
            quotas.append(max(1, quota // period))
    given = os.environ.get(CORES_VARIABLE)
    return min([affinity, *quotas, *([int(given)] if given else [])])


def default_num_threads() -> int:
    """CPU threads where `hardware.num_threads` is null, as Ultralytics does: a core stays free for the rest."""
    return min(8, max(1, usable_cores() - 1))


def free_memory_bytes(*, root: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Memory that this process may still take: what the machine has free, or what is left of a control group's limit.

    Pages of files that nobody reads at the moment count as free, as the kernel gives them back.
    """
    left = [psutil.virtual_memory().available]
    for folder in _folders("memory", root, own):
        for limit_name, used_name, file_pages in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = next(_numbers(folder / limit_name), None), next(_numbers(folder / used_name), None)
            if limit is not None and used is not None and limit < _UNLIMITED:
                left.append(max(0, limit - used + _statistic(folder / "memory.stat", file_pages)))
    return min(left)


def num_oom_kills(*, root: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int | None:
    """How many processes of our control group the kernel has ended for want of memory; None if it can't say."""
    for folder in _folders("memory", root, own):
        for name in ("memory.events", "memory.oom_control"):  # v2 and v1
            if "oom_kill" in _text(folder / name).split():
                return _statistic(folder / name, "oom_kill")
    return None


def _folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's control group and of all that it is in; a container may see the last one alone."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or controller in controllers.split(","):
            top = root if controllers == "" else root / controllers
            inside = Path(path.lstrip("/"))
            yield from (top / each for each in (inside, *inside.parents))


def _numbers(file: Path) -> Iterator[int | None]:
    return (int(word) if word.lstrip("-").isdigit() else None for word in _text(file).split())


def _statistic(file: Path, name: str) -> int:
    found = [line.split()[1] for line in _text(file).splitlines() if line.split()[:1] == [name]]
    return int(found[0]) if found else 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
