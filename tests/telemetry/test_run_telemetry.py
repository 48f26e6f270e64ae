"""Which probes a run has when: every GPU until the worker has named its own."""

from __future__ import annotations

import os
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from sdpa_exp.config.schema import TelemetryConfig
from sdpa_exp.runs.samples import read_samples
from sdpa_exp.telemetry import run_telemetry
from sdpa_exp.telemetry.nvml import AllGpusProbe
from tests.telemetry.test_nvml import UUID, library, probe, refusing

if TYPE_CHECKING:
    from sdpa_exp.telemetry.probe import Probe

OTHER = "GPU-99999999-2222-3333-4444-555555555555"


def two_gpus(**replaced: Any) -> Any:
    return library(
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: (UUID, OTHER)[index],
        nvmlDeviceGetUUID=lambda handle: handle.encode(),  # bytes in old versions
        **replaced,
    )


def test_every_gpu_is_read_under_its_uuid() -> None:
    values = AllGpusProbe(library=two_gpus()).read()
    assert values[f"{UUID}/gpu_power_w"] == 95.5
    assert values[f"{OTHER}/gpu_energy_j"] == 1234.567
    assert len(values) == 6


def test_a_metric_that_one_gpu_lacks_is_none() -> None:
    refused = refusing(pynvml.NVML_ERROR_NOT_SUPPORTED)
    values = AllGpusProbe(library=two_gpus(nvmlDeviceGetTotalEnergyConsumption=refused)).read()
    assert values[f"{UUID}/gpu_energy_j"] is None
    assert values[f"{UUID}/gpu_power_w"] == 95.5


def test_a_machine_without_nvml_gives_nothing() -> None:
    fake = two_gpus(nvmlInit=refusing(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    assert AllGpusProbe(library=fake).read() == {}


def test_nvml_is_shut_down_as_often_as_it_was_started() -> None:
    calls: list[str] = []
    fake = two_gpus(nvmlInit=lambda: calls.append("init"), nvmlShutdown=lambda: calls.append("shutdown"))
    reader = AllGpusProbe(library=fake)
    reader.read()
    reader.read()
    reader.close()
    reader.close()
    assert calls == ["init", "shutdown"]


def test_all_gpus_are_sampled_until_the_event_log_names_the_runs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(uuid: str, pid: int) -> Probe:
        assert (uuid, pid) == (UUID, os.getpid())
        return probe(library())

    monkeypatch.setattr(run_telemetry, "_all_gpus_probe", lambda: AllGpusProbe(library=two_gpus()))
    monkeypatch.setattr(run_telemetry, "gpu_probe", own)
    telemetry = run_telemetry.RunTelemetry(tmp_path, TelemetryConfig(name="default", period_s=0.02), os.getpid())
    wait_for(tmp_path, f"{OTHER}/gpu_power_w")
    telemetry.event({"event": "run_started"})
    telemetry.event({"event": "environment", "environment": {"gpu_uuid": UUID}})
    wait_for(tmp_path, "gpu_temperature_c")
    telemetry.stop()
    last = read_samples(tmp_path)[-1]
    assert last["gpu_power_w"] == 95.5
    assert not [name for name in last if "/" in name]
    assert "cpu_package_energy_j" in last


def test_no_gpu_is_read_where_the_telemetry_group_forbids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_telemetry, "_all_gpus_probe", types.SimpleNamespace)  # it would fail when it is read
    telemetry = run_telemetry.RunTelemetry(tmp_path, TelemetryConfig(name="off_gpu", gpu=False), os.getpid())
    telemetry.event({"event": "environment", "environment": {"gpu_uuid": UUID}})
    telemetry.stop()
    samples = read_samples(tmp_path)
    assert samples
    assert not [name for sample in samples for name in sample if "gpu" in name]
    assert "unavailable" not in samples[-1] or not any("Namespace" in name for name in samples[-1]["unavailable"])


def wait_for(folder: Path, name: str) -> None:
    deadline_s = time.monotonic() + 20
    while not any(sample.get(name) is not None for sample in read_samples(folder)):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{name} was never sampled")
        time.sleep(0.01)
