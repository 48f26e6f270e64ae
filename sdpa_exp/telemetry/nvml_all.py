"""Power of every GPU of the machine, read until the run says which one it uses.

The parent learns the GPU's UUID from the worker, when CUDA is awake. What the GPU drew before that, idle, can only be
known by having watched all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

if TYPE_CHECKING:
    from collections.abc import Callable


class AllGpusProbe:
    """Samples gpu_power_w, gpu_energy_j and gpu_utilization_percent as `<uuid>/<name>`; nothing where there's no GPU.

    Args:
        library: the pynvml module, or a stand-in with its functions.
    """

    def __init__(self, *, library: Any = pynvml) -> None:
        self._library = library
        self._handles: dict[str, Any] | None = None
        self._is_initialised = False

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

    def close(self) -> None:
        """Shut NVML down as often as it was started (it counts)."""
        if self._is_initialised:
            self._is_initialised = False
            try:
                self._library.nvmlShutdown()
            except self._library.NVMLError:
                return

    def _find(self) -> dict[str, Any]:
        nvml = self._library
        handles: dict[str, Any] = {}
        try:
            nvml.nvmlInit()
            self._is_initialised = True
            for index in range(nvml.nvmlDeviceGetCount()):
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                handles[_text(nvml.nvmlDeviceGetUUID(handle))] = handle
        except nvml.NVMLError:  # the probe of the run's own GPU says why
            return {}
        return handles

    def _ask(self, function: Callable[[Any], Any], handle: Any) -> Any:
        try:
            return function(handle)
        except self._library.NVMLError:
            return None


def _text(uuid: str | bytes) -> str:
    return uuid.decode() if isinstance(uuid, bytes) else uuid
