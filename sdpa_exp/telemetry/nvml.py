"""The GPU's side of a run, read from NVML: one device, matched by UUID, and all until that is known.

NVML ignores CUDA_VISIBLE_DEVICES and orders devices its own way, so an index would name another GPU. Every metric
can be missing on its own: no driver, WSL, laptops, MIG slices, containers; each is then None with NVML's reason.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from typing import Any

import pynvml

MIB = 2**20

METRICS = (
    "gpu_utilization_percent",
    "gpu_memory_utilization_percent",
    "gpu_memory_used_mib",
    "gpu_process_memory_mib",
    "gpu_power_w",
    "gpu_energy_j",
    "gpu_temperature_c",
    "gpu_sm_clock_mhz",
    "gpu_memory_clock_mhz",
    "gpu_throttle_reasons",
)


class _Nvml:
    """The library, started at most once and shut down as often: it counts."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._is_initialised = False

    def _start(self) -> None:
        self._library.nvmlInit()
        self._is_initialised = True

    def close(self) -> None:
        """Shut NVML down."""
        if self._is_initialised:
            self._is_initialised = False
            try:
                self._library.nvmlShutdown()
            except self._library.NVMLError:  # a GPU that fell off the bus; there is nothing left to give back
                return


class NvmlProbe(_Nvml):
    """Samples one GPU.

    `gpu_energy_j` is a counter (since the driver was loaded): only differences mean something. `gpu_throttle_reasons`
    is NVML's bit mask, see throttle.py. `gpu_memory_used_mib` is the whole device, all processes.

    Args:
        uuid: as CUDA reports it, `GPU-...` or `MIG-...`; torch leaves the prefix out, which is accepted.
        pids: gives the process ids of the run's tree, for `gpu_process_memory_mib`.
        library: the pynvml module, or a stand-in with its functions.
    """

    def __init__(self, *, uuid: str, pids: Callable[[], Set[int]], library: Any = pynvml) -> None:
        super().__init__(library)
        self._uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._pids = pids
        self._handle: Any = None
        self._reasons: dict[str, str] = {}
        self._missing: str | None = None
        try:
            self._start()
            self._handle = library.nvmlDeviceGetHandleByUUID(self._uuid)
        except library.NVMLError as error:
            if self._is_initialised:
                self._missing = f"NVML has no device {self._uuid}: {error}"
            else:
                self._missing = f"NVML can't start: {error}"

    def read(self) -> dict[str, float | None]:
        """One sample; each metric that NVML refuses is None and has a reason."""
        if self._missing is not None:
            self._reasons = dict.fromkeys(METRICS, self._missing)
            return dict.fromkeys(METRICS)
        nvml = self._library
        self._reasons = {}
        values: dict[str, float | None] = {}
        utilization = self._ask(nvml.nvmlDeviceGetUtilizationRates, METRICS[:2])
        values["gpu_utilization_percent"] = None if utilization is None else float(utilization.gpu)
        values["gpu_memory_utilization_percent"] = None if utilization is None else float(utilization.memory)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, ("gpu_memory_used_mib",))
        values["gpu_memory_used_mib"] = None if memory is None else memory.used / MIB
        values["gpu_process_memory_mib"] = self._process_memory_mib()
        milliwatts = self._ask(nvml.nvmlDeviceGetPowerUsage, ("gpu_power_w",))
        values["gpu_power_w"] = None if milliwatts is None else milliwatts / 1000
        millijoules = self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption, ("gpu_energy_j",))
        values["gpu_energy_j"] = None if millijoules is None else millijoules / 1000
        values["gpu_temperature_c"] = self._ask(
            lambda h: float(nvml.nvmlDeviceGetTemperature(h, nvml.NVML_TEMPERATURE_GPU)), ("gpu_temperature_c",)
        )
        for name, clock in (("gpu_sm_clock_mhz", nvml.NVML_CLOCK_SM), ("gpu_memory_clock_mhz", nvml.NVML_CLOCK_MEM)):
            mhz = self._ask(partial(_clock_mhz, nvml, clock), (name,))
            values[name] = None if mhz is None else float(mhz)
        mask = self._ask(self._throttle_mask, ("gpu_throttle_reasons",))
        values["gpu_throttle_reasons"] = None if mask is None else float(mask)
        return values

    def unavailable(self) -> dict[str, str]:
        """Metric -> why the last read gave None for it."""
        return dict(self._reasons)

    def close(self) -> None:
        """Give NVML back."""
        if self._is_initialised:
            self._missing = "the probe is closed"
        super().close()

    def _ask(self, function: Callable[[Any], Any], names: tuple[str, ...]) -> Any:
        try:
            return function(self._handle)
        except self._library.NVMLError as error:
            self._reasons.update(dict.fromkeys(names, f"NVML: {error}"))
            return None

    def _throttle_mask(self, handle: Any) -> int:
        nvml = self._library
        try:
            return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
                raise
            return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))  # its name before driver 535

    def _process_memory_mib(self) -> float | None:
        name = "gpu_process_memory_mib"
        listed = self._ask(self._library.nvmlDeviceGetComputeRunningProcesses, (name,))
        if listed is None:
            return None
        pids = self._pids()
        ours = [process for process in listed if process.pid in pids]
        if not ours:
            self._reasons[name] = (
                f"none of the run's {len(pids)} processes is among the {len(listed)} that NVML lists: no CUDA context "
                f"yet, or a container, where NVML gives the host's process ids"
            )
            return None
        if any(process.usedGpuMemory is None for process in ours):
            self._reasons[name] = "NVML gives no memory per process here (Windows display driver, WSL)"
            return None
        return float(sum(process.usedGpuMemory for process in ours)) / MIB


class AllGpusProbe(_Nvml):
    """Samples power, energy and utilization of every GPU as `<uuid>/<name>`; nothing where there's no GPU.

    The parent learns the UUID of the run's GPU from the worker, when CUDA is awake. What that GPU drew before, idle,
    can only be known by having watched all of them.

    Args:
        library: the pynvml module, or a stand-in with its functions.
    """

    def __init__(self, *, library: Any = pynvml) -> None:
        super().__init__(library)
        self._handles: dict[str, Any] | None = None

    def read(self) -> dict[str, float | None]:
        """One sample; a GPU's metric that NVML refuses is None. The first read starts NVML: that can take seconds."""
        if self._handles is None:
            self._handles = self._find()
        nvml = self._library
        values: dict[str, float | None] = {}
        for uuid, handle in self._handles.items():
            milliwatts = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
            millijoules = self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
            utilization = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
            values[f"{uuid}/gpu_power_w"] = None if milliwatts is None else milliwatts / 1000
            values[f"{uuid}/gpu_energy_j"] = None if millijoules is None else millijoules / 1000
            values[f"{uuid}/gpu_utilization_percent"] = None if utilization is None else float(utilization.gpu)
        return values

    def unavailable(self) -> dict[str, str]:
        """Nothing: the probe of the run's own GPU gives the reasons."""
        return {}

    def _find(self) -> dict[str, Any]:
        nvml = self._library
        try:
            self._start()
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            uuids = [nvml.nvmlDeviceGetUUID(handle) for handle in handles]
        except nvml.NVMLError:  # the probe of the run's own GPU says why
            return {}
        return {
            uuid.decode() if isinstance(uuid, bytes) else uuid: handle
            for uuid, handle in zip(uuids, handles, strict=True)
        }

    def _ask(self, function: Callable[[Any], Any], handle: Any) -> Any:
        try:
            return function(handle)
        except self._library.NVMLError:
            return None


def _clock_mhz(library: Any, kind: int, handle: Any) -> float:
    return float(library.nvmlDeviceGetClockInfo(handle, kind))
