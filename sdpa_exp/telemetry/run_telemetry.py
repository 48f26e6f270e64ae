"""The sampling of one run: which probes run when."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from sdpa_exp.config.schema import TelemetryConfig
from sdpa_exp.runs.environment import gpus_of
from sdpa_exp.telemetry.host import HostProbe, tree_pids
from sdpa_exp.telemetry.probe import Probe
from sdpa_exp.telemetry.rapl import RaplProbe
from sdpa_exp.telemetry.sampler import Sampler


class RunTelemetry:
    """Samples host, CPU energy and GPU from its making until `stop`; nothing where the telemetry group says so.

    All GPUs are read at first, for the idle power of the one that the worker will name in its event log.
    """

    def __init__(self, run_dir: Path, config: TelemetryConfig, pid: int) -> None:
        self._pid = pid
        self._sampler: Sampler | None = None
        self._all_gpus: Probe | None = None
        if not config.enabled:
            return
        probes: list[Probe] = [HostProbe(pid=pid, run_dir=run_dir), RaplProbe()]
        self._sampler = Sampler(run_dir, period_s=config.period_s, probes=probes)
        self._sampler.start()
        if config.gpu:
            self._all_gpus = _all_gpus_probe()
            self._sampler.add(self._all_gpus)

    def event(self, event: dict[str, Any]) -> None:
        """Take in one event of the event log: the environment names the GPU."""
        if event["event"] != "environment" or self._sampler is None or self._all_gpus is None:
            return
        uuids = gpus_of(event["environment"])
        if len(uuids) > 1:  # all are sampled on, and the run's are summed up at the end
            return
        self._sampler.remove(self._all_gpus)
        self._all_gpus = None
        if uuids:
            self._sampler.add(gpu_probe(uuids[0], self._pid))

    def stop(self) -> None:
        """Take a last sample and end."""
        if self._sampler is not None:
            self._sampler.stop()


def gpu_probe(uuid: str, pid: int) -> Probe:
    """The probe for the GPU with this UUID; without a driver it gives None and says why."""
    from sdpa_exp.telemetry.nvml import NvmlProbe

    return NvmlProbe(uuid=uuid, pids=partial(tree_pids, pid))


def _all_gpus_probe() -> Probe:
    from sdpa_exp.telemetry.nvml import AllGpusProbe

    return AllGpusProbe()
