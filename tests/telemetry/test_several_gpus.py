"""Energy of a run on several GPUs: the sum of what each of them drew."""

from __future__ import annotations

from sdpa_exp.telemetry.energy import of_gpus

SAMPLE = {
    "time_unix_s": 1.0,
    "rss_mib": 900.0,
    "GPU-a/gpu_power_w": 90.0,
    "GPU-a/gpu_energy_j": 1000.0,
    "GPU-a/gpu_utilization_percent": 50.0,
    "GPU-b/gpu_power_w": 60.0,
    "GPU-b/gpu_energy_j": None,
    "GPU-b/gpu_utilization_percent": 100.0,
    "GPU-c/gpu_power_w": 300.0,
}


def test_power_and_energy_are_summed_and_utilization_is_averaged_over_the_gpus_of_the_run() -> None:
    (both,) = of_gpus([SAMPLE], ["GPU-a", "GPU-b"])
    assert both == {
        "time_unix_s": 1.0,
        "rss_mib": 900.0,
        "gpu_power_w": 150.0,
        "gpu_energy_j": None,  # one of them has no counter, and half a sum is no sum
        "gpu_utilization_percent": 75.0,
    }


def test_of_one_gpu_the_values_are_its_own() -> None:
    (one,) = of_gpus([SAMPLE], ["GPU-a"])
    assert (one["gpu_power_w"], one["gpu_energy_j"]) == (90.0, 1000.0)
