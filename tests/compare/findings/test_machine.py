"""Findings about the machine while runs trained: each provoked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import read_and_compare
from tests.compare.folders import write_sweep

if TYPE_CHECKING:
    from pathlib import Path


from tests.compare.findings.provoke import clean, only


@pytest.mark.parametrize(
    ("figures", "code", "words"),
    [
        (
            {"wall_s": 100.0, "throttled_s": 12.0, "throttle_reasons_s": {"gpu_idle": 1.0, "sw_power_cap": 12.0}},
            "throttled",
            "The GPU throttled during sdpa seed 1 (sdpa seed 1: 12 % of the time: sw_power_cap)",
        ),
        (
            {"peak_gpu_memory_used_mib": 9000.0, "peak_gpu_process_memory_mib": 4000.0},
            "gpu-shared",
            "Something else held GPU memory during sdpa seed 1 (sdpa seed 1: 5,000 MiB beyond its own)",
        ),
        (
            {"mean_system_cpu_percent": 95.0, "mean_cpu_percent": 100.0},
            "cpu-shared",
            "Other processes kept the CPU busy during sdpa seed 1 (sdpa seed 1: 45 % of the CPU beyond its own)",
        ),
    ],
)
def test_what_telemetry_saw_beside_the_run_is_a_warning(
    tmp_path: Path, figures: dict[str, object], code: str, words: str
) -> None:
    specs = clean()
    for spec in specs:
        spec.environment = {"num_cpus": 2}
        calm = {"wall_s": 100.0, "throttled_s": 0.0, "mean_system_cpu_percent": 52.0, "mean_cpu_percent": 100.0}
        spec.telemetry = {"overall": None, "phases": {"train": calm}}
    specs[3].telemetry = {"overall": None, "phases": {"train": figures}}
    assert words in only(read_and_compare(write_sweep(tmp_path, specs)), code, "warning")
