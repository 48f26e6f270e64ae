"""The NVML probe against the real pynvml module with its device functions replaced, since no driver is needed then."""

from __future__ import annotations

import types
from functools import partial
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from sdpa_exp.telemetry.nvml import METRICS, NvmlProbe
from sdpa_exp.telemetry.run_telemetry import gpu_probe
from sdpa_exp.telemetry.throttle import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

UUID = "GPU-11111111-2222-3333-4444-555555555555"

# NVML function -> the metrics that depend on it
FUNCTIONS = {
    "nvmlDeviceGetUtilizationRates": {"gpu_utilization_percent", "gpu_memory_utilization_percent"},
    "nvmlDeviceGetMemoryInfo": {"gpu_memory_used_mib"},
    "nvmlDeviceGetComputeRunningProcesses": {"gpu_process_memory_mib"},
    "nvmlDeviceGetPowerUsage": {"gpu_power_w"},
    "nvmlDeviceGetTotalEnergyConsumption": {"gpu_energy_j"},
    "nvmlDeviceGetTemperature": {"gpu_temperature_c"},
    "nvmlDeviceGetClockInfo": {"gpu_sm_clock_mhz", "gpu_memory_clock_mhz"},
    "nvmlDeviceGetCurrentClocksEventReasons": {"gpu_throttle_reasons"},
}


def refusing(code: int) -> Callable[..., Any]:
    def refuse(*arguments: object) -> Any:
        raise pynvml.NVMLError(code)

    return refuse


def recorded(handles: list[object], handle: object) -> float:
    handles.append(handle)
    return 0.0


def library(**replaced: Any) -> Any:
    """pynvml with one laptop-like GPU behind it; a misspelt function name fails here."""
    fake = types.SimpleNamespace(**{name: getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML")})
    functions: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: ("handle", uuid),
        "nvmlDeviceGetUtilizationRates": lambda h: types.SimpleNamespace(gpu=97, memory=41),
        "nvmlDeviceGetMemoryInfo": lambda h: types.SimpleNamespace(used=2048 * 2**20),
        "nvmlDeviceGetComputeRunningProcesses": lambda h: [
            types.SimpleNamespace(pid=10, usedGpuMemory=100 * 2**20),
            types.SimpleNamespace(pid=11, usedGpuMemory=20 * 2**20),
            types.SimpleNamespace(pid=99, usedGpuMemory=5 * 2**20),
        ],
        "nvmlDeviceGetPowerUsage": lambda h: 95_500,
        "nvmlDeviceGetTotalEnergyConsumption": lambda h: 1_234_567,
        "nvmlDeviceGetTemperature": lambda h, sensor: 71,
        "nvmlDeviceGetClockInfo": lambda h, kind: {pynvml.NVML_CLOCK_SM: 1905, pynvml.NVML_CLOCK_MEM: 8001}[kind],
        "nvmlDeviceGetCurrentClocksEventReasons": lambda h: 0x24,
        "nvmlDeviceGetCurrentClocksThrottleReasons": refusing(pynvml.NVML_ERROR_DEPRECATED),
        **replaced,
    }
    for name, function in functions.items():
        assert hasattr(pynvml, name)
        setattr(fake, name, function)
    return fake


def probe(fake: Any, *, uuid: str = UUID, pids: frozenset[int] = frozenset((10, 11))) -> NvmlProbe:
    return NvmlProbe(uuid=uuid, pids=lambda: pids, library=fake)


def test_all_metrics_are_read_in_the_units_of_their_names() -> None:
    p = probe(library())
    assert p.read() == {
        "gpu_utilization_percent": 97.0,
        "gpu_memory_utilization_percent": 41.0,
        "gpu_memory_used_mib": 2048.0,
        "gpu_process_memory_mib": 120.0,
        "gpu_power_w": 95.5,
        "gpu_energy_j": 1234.567,
        "gpu_temperature_c": 71.0,
        "gpu_sm_clock_mhz": 1905.0,
        "gpu_memory_clock_mhz": 8001.0,
        "gpu_throttle_reasons": float(0x24),
    }
    assert p.unavailable() == {}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION])
def test_a_refused_function_costs_only_its_own_metrics(function: str, code: int) -> None:
    p = probe(library(**{function: refusing(code)}))
    values = p.read()
    assert {name for name, value in values.items() if value is None} == FUNCTIONS[function]
    word = "Not Supported" if code == pynvml.NVML_ERROR_NOT_SUPPORTED else "Insufficient Permissions"
    assert p.unavailable() == dict.fromkeys(FUNCTIONS[function], f"NVML: {word}")


def test_a_missing_driver_is_a_reason_for_every_metric() -> None:
    p = probe(library(nvmlInit=refusing(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)))
    assert p.read() == dict.fromkeys(METRICS)
    assert set(p.unavailable()) == set(METRICS)
    assert p.unavailable()["gpu_power_w"] == "NVML can't start: NVML Shared Library Not Found"
    p.close()


def test_the_real_library_answers_with_values_or_reasons() -> None:
    p = gpu_probe(UUID, 1)
    values = p.read()
    assert set(values) == set(METRICS)
    assert {name for name, value in values.items() if value is None} == set(p.unavailable())
    p.close()


def test_an_unknown_uuid_is_never_replaced_by_another_gpu() -> None:
    p = probe(library(nvmlDeviceGetHandleByUUID=refusing(pynvml.NVML_ERROR_NOT_FOUND)))
    assert p.read()["gpu_power_w"] is None
    assert p.unavailable()["gpu_power_w"] == f"NVML has no device {UUID}: Not Found"


@pytest.mark.parametrize(
    ("given", "asked"),
    [(UUID, UUID), (UUID.removeprefix("GPU-"), UUID), ("MIG-aaaa", "MIG-aaaa")],
)
def test_uuids_are_taken_as_cuda_and_as_torch_write_them(given: str, asked: str) -> None:
    handles: list[object] = []
    p = probe(library(nvmlDeviceGetPowerUsage=partial(recorded, handles)), uuid=given)
    p.read()
    assert handles == [("handle", asked)]


def test_host_process_ids_in_a_container_give_null_and_not_another_process() -> None:
    p = probe(library(), pids=frozenset((1, 7)))
    assert p.read()["gpu_process_memory_mib"] is None
    reason = p.unavailable()["gpu_process_memory_mib"]
    assert "none of the run's 2 processes is among the 3 that NVML lists" in reason
    assert "container" in reason


def test_process_memory_that_wsl_does_not_give_is_null() -> None:
    listed = [types.SimpleNamespace(pid=10, usedGpuMemory=None)]
    p = probe(library(nvmlDeviceGetComputeRunningProcesses=lambda h: listed))
    assert p.read()["gpu_process_memory_mib"] is None
    assert "WSL" in p.unavailable()["gpu_process_memory_mib"]


def test_an_old_driver_is_asked_for_throttle_reasons_by_the_old_name() -> None:
    p = probe(
        library(
            nvmlDeviceGetCurrentClocksEventReasons=refusing(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND),
            nvmlDeviceGetCurrentClocksThrottleReasons=lambda h: 4,
        )
    )
    assert p.read()["gpu_throttle_reasons"] == 4.0


def test_closing_shuts_down_once_and_survives_a_lost_gpu() -> None:
    calls: list[int] = []
    p = probe(library(nvmlShutdown=lambda: calls.append(1)))
    p.close()
    p.close()
    assert calls == [1]
    assert p.read()["gpu_power_w"] is None
    probe(library(nvmlShutdown=refusing(pynvml.NVML_ERROR_GPU_IS_LOST))).close()


def test_our_names_of_throttle_reasons_are_those_of_the_installed_pynvml() -> None:
    theirs = {
        getattr(pynvml, name): name.removeprefix("nvmlClocksEventReason")
        for name in dir(pynvml)
        if name.startswith("nvmlClocksEventReason") and not name.endswith(("None", "All", "UserDefinedClocks"))
    }
    ours = {bit: name.replace("_", "") for bit, name in REASONS.items()}
    assert ours == {bit: name.lower() for bit, name in theirs.items()}
