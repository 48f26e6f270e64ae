"""The probes of a run, ready to sample."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sdpa_exp.telemetry.host import HostProbe, tree_pids
from sdpa_exp.telemetry.rapl import RaplProbe

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.telemetry.probe import Probe


def host_probe(pid: int, run_dir: Path) -> Probe:
    """The probe for the process tree below `pid` and the machine around it."""
    return HostProbe(pid=pid, run_dir=run_dir)


def cpu_energy_probe() -> Probe:
    """The probe for the energy of the machine's CPU packages; without readable counters it gives None and says why."""
    return RaplProbe()


def all_gpus_probe() -> Probe:
    """The probe for every GPU of the machine, for as long as the run's own is not known."""
    from sdpa_exp.telemetry.nvml_all import AllGpusProbe

    return AllGpusProbe()


def gpu_probe(uuid: str, pid: int) -> Probe:
    """The probe for the GPU with this UUID; without a driver it gives None and says why."""
    from sdpa_exp.telemetry.nvml import NvmlProbe

    return NvmlProbe(uuid=uuid, pids=partial(tree_pids, pid))
