"""Which figures of a run folder become metrics."""

from __future__ import annotations

from sdpa_exp.runs.record import Record
from sdpa_exp.tracking.points import record_points, sample_points


def test_energy_of_the_training_and_of_the_whole_run_have_names_of_their_own() -> None:
    record = Record(
        status="FINISHED",
        arm="sdpa",
        seed=0,
        group_id="c",
        name="n",
        task="train",
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:01:00+00:00",
        metrics={"energy_j": 4000.0, "net_energy_j": None, "cost": 0.02},
        telemetry={
            "overall": {"energy_j": 9000.0},
            "phases": {"train": {"energy_j": 4000.0, "peak_gpu_power_w": 510.0, "throttled_s": None}},
        },
    )
    values = {point.name: point.value for point in record_points(record)}
    assert values == {
        "final/energy_j": 4000.0,
        "final/cost": 0.02,
        "final/total_energy_j": 9000.0,
        "final/peak_gpu_power_w": 510.0,
    }


def test_other_gpus_of_the_machine_are_no_metrics_of_the_run() -> None:
    sample = {"time_unix_s": 1.0, "mono_s": 2.0, "GPU-a/gpu_power_w": 70.0, "cpu_percent": 50.0, "rss_mib": None}
    assert [point.name for point in sample_points(sample, 0)] == ["system/cpu_percent"]
