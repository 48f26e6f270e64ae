"""The host's side of a run: CPU, memory, disk and swap, for the run's process tree and for the whole machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

MIB = 2**20


def tree_pids(pid: int) -> set[int]:
    """The process and its descendants (dataloader workers, DDP children); empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return {pid, *(child.pid for child in root.children(recursive=True))}
    except psutil.NoSuchProcess:
        return set()


class HostProbe:
    """Samples the process tree below `pid` and the machine around it.

    Metrics:
        cpu_percent: of one core, summed over the tree, so it can exceed 100; None on the first read, which only
            sets the mark. A process that ends between two reads takes its last interval with it.
        rss_mib: resident sets summed. Pages that processes share (forked dataloader workers) count once for each.
        num_processes: size of the tree.
        read_mib, written_mib: what the tree has moved to and from storage since the first read.
        system_cpu_percent: the whole machine, 0 to 100: what others do shows here.
        system_memory_used_mib, system_memory_available_mib, swap_used_mib: the whole machine.
        disk_free_mib: of the disk that holds `run_dir`.
    """

    def __init__(self, *, pid: int, run_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._run_dir = run_dir
        self._clock = clock
        self._processes: dict[int, psutil.Process] = {}
        self._cpu_s: dict[int, float] = {}
        self._io_bytes: dict[int, tuple[int, int]] = {}
        self._moved_bytes = [0, 0]
        self._read_at_s: float | None = None
        self._reasons: dict[str, str] = {}
        psutil.cpu_percent(None)  # the first call only sets psutil's mark

    def read(self) -> dict[str, float | None]:
        """One sample; the values of the tree are None once its root is gone."""
        self._reasons = {}
        values = self._read_tree()
        memory = psutil.virtual_memory()
        values["system_cpu_percent"] = psutil.cpu_percent(None)
        values["system_memory_used_mib"] = memory.used / MIB
        values["system_memory_available_mib"] = memory.available / MIB
        values["swap_used_mib"] = self._or_reason("swap_used_mib", lambda: psutil.swap_memory().used / MIB)
        values["disk_free_mib"] = self._or_reason(
            "disk_free_mib", lambda: psutil.disk_usage(str(self._run_dir)).free / MIB
        )
        return values

    def unavailable(self) -> dict[str, str]:
        """Metric -> why the last read gave None for it."""
        return dict(self._reasons)

    def close(self) -> None:
        """Nothing is held."""

    def _read_tree(self) -> dict[str, float | None]:
        now_s = self._clock()
        elapsed_s = None if self._read_at_s is None else now_s - self._read_at_s
        is_first = self._read_at_s is None
        self._read_at_s = now_s
        self._follow_tree()
        cpu_s, rss_bytes = 0.0, 0
        for process in list(self._processes.values()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss_bytes += process.memory_info().rss
            except psutil.Error:  # ended, or became a zombie, since it was listed
                continue
            total_s = times.user + times.system
            cpu_s += total_s - self._cpu_s.get(process.pid, total_s if is_first else 0.0)
            self._cpu_s[process.pid] = total_s
            self._count_io(process, is_first=is_first)
        if not rss_bytes:  # also of a process that has ended, and that its parent has not taken notice of
            names = ("cpu_percent", "rss_mib", "num_processes", "read_mib", "written_mib")
            self._reasons.update(dict.fromkeys(names, f"process {self._pid} is gone"))
            return dict.fromkeys(names)
        has_io = "read_mib" not in self._reasons
        if not elapsed_s:
            self._reasons["cpu_percent"] = "the first sample only sets the mark"
        return {
            "cpu_percent": 100.0 * cpu_s / elapsed_s if elapsed_s else None,
            "rss_mib": rss_bytes / MIB,
            "num_processes": float(len(self._processes)),
            "read_mib": self._moved_bytes[0] / MIB if has_io else None,
            "written_mib": self._moved_bytes[1] / MIB if has_io else None,
        }

    def _follow_tree(self) -> None:
        pids = tree_pids(self._pid)
        for pid in self._processes.keys() - pids:
            del self._processes[pid]
            self._cpu_s.pop(pid, None)
            self._io_bytes.pop(pid, None)
        for pid in pids - self._processes.keys():
            try:
                self._processes[pid] = psutil.Process(pid)
            except psutil.NoSuchProcess:
                continue

    def _count_io(self, process: psutil.Process, *, is_first: bool) -> None:
        try:
            counters = process.io_counters()  # type: ignore[attr-defined, unused-ignore]  # absent on macOS
        except AttributeError:
            self._reasons.update(dict.fromkeys(("read_mib", "written_mib"), "this platform has no I/O counters"))
            return
        except psutil.AccessDenied:
            self._reasons.update(dict.fromkeys(("read_mib", "written_mib"), "no permission for the I/O counters"))
            return
        except psutil.NoSuchProcess:
            return
        now = (counters.read_bytes, counters.write_bytes)
        before = self._io_bytes.get(process.pid, now if is_first else (0, 0))
        self._io_bytes[process.pid] = now
        self._moved_bytes[0] += now[0] - before[0]
        self._moved_bytes[1] += now[1] - before[1]

    def _or_reason(self, name: str, read: Callable[[], float]) -> float | None:
        try:
            return read()
        except (OSError, RuntimeError, psutil.Error) as error:
            self._reasons[name] = f"{type(error).__name__}: {error}"
            return None
