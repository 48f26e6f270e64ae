"""A whole run replayed from a hand-made folder: energy, idle baseline and cost, checked against sums done by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.config.plan import Plan, write_plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.launch.make_record import with_telemetry
from sdpa_exp.runs.files import TELEMETRY_FILE
from sdpa_exp.runs.record import Record
from tests.config.composing import compose_plan

if TYPE_CHECKING:
    from collections.abc import Callable

TRACE = Path(__file__).parent / "traces" / "handmade_gpu_run"
RUN_GPU = "GPU-aaaaaaaa-0000-0000-0000-000000000001"
GPU = HardwareConfig(name="h200", device="cuda:0", precision="bf16")
RECORD = Record(
    status="FINISHED",
    arm="sdpa",
    seed=0,
    group_id="handmade",
    name="handmade",
    task="train",
    started_at="2026-01-01T00:00:00+00:00",
    ended_at="2026-01-01T00:00:28+00:00",
    metrics={"train_s": 8.0, "images_per_s": 40.0, "total_s": 36.0},
)
OF_GPU = ("energy_j", "net_energy_j", "energy_per_epoch_j", "energy_per_image_j", "mean_gpu_power_w")


def plan_in(folder: Path, **hardware: Any) -> Plan:
    plan = compose_plan("tracking=none")
    job = dataclasses.replace(plan.job, run_dir=str(folder))
    return dataclasses.replace(plan, job=job, hardware=dataclasses.replace(GPU, **hardware))


def replay(
    folder: Path, *, change: Callable[[dict[str, Any]], None] | None = None, record: Record = RECORD, **hardware: Any
) -> Record:
    """The record as the parent completes it, from the trace; `change` edits each of its samples."""
    shutil.copytree(TRACE, folder, dirs_exist_ok=True)
    if change is not None:
        samples = [json.loads(line) for line in (folder / TELEMETRY_FILE).read_text(encoding="utf-8").splitlines()]
        for sample in samples:
            change(sample)
        text = "".join(json.dumps(sample) + "\n" for sample in samples)
        (folder / TELEMETRY_FILE).write_text(text, encoding="utf-8")
    plan = plan_in(folder, **hardware)
    write_plan(plan)
    return with_telemetry(plan, record)


def train_of(record: Record) -> dict[str, Any]:
    assert record.telemetry is not None
    return record.telemetry["phases"]["train"]  # type: ignore[no-any-return]


def test_a_run_has_gross_and_net_energy_by_epoch_and_by_image(tmp_path: Path) -> None:
    record = replay(tmp_path)
    assert record.metrics["energy_j"] == pytest.approx(8 * 500)
    assert record.metrics["net_energy_j"] == pytest.approx(8 * (500 - 70))
    assert record.metrics["energy_per_epoch_j"] == pytest.approx(2000)
    assert record.metrics["energy_per_image_j"] == pytest.approx(4000 / 320)
    assert record.metrics["mean_gpu_power_w"] == pytest.approx(500)
    assert record.metrics["cpu_energy_j"] == pytest.approx(8 * 80)
    assert record.metrics["train_s"] == 8.0  # the worker's own stay
    train = train_of(record)
    assert (train["energy_source"], train["cpu_energy_source"]) == ("counter", "rapl")
    assert train["peak_gpu_power_w"] == 500
    assert train["throttle_reasons_s"] == {"sw_power_cap": 2.0}
    assert train["max_gpu_temperature_c"] == 59


def test_the_idle_power_is_that_of_the_runs_own_gpu_before_it_was_touched(tmp_path: Path) -> None:
    record = replay(tmp_path)
    assert record.telemetry is not None
    idle = record.telemetry["idle"]
    assert idle["power_w"] == pytest.approx(70)  # not the 90 W it settled from, not the other GPU's 350 W
    assert idle["window_s"] == 3
    assert idle["reason"] is None


def test_the_whole_run_has_its_energy_from_the_first_second_on(tmp_path: Path) -> None:
    record = replay(tmp_path)
    assert record.telemetry is not None
    overall = record.telemetry["overall"]
    by_hand = 2 * 90 + 4 * 70 + 4 * 120 + 12 * 500 + 3 * 300 + 3 * 200
    assert overall["energy_j"] == pytest.approx(by_hand)
    assert overall["net_energy_j"] == pytest.approx(by_hand - 28 * 70)


def test_a_gpu_that_others_use_has_no_idle_power_and_the_gross_energy_stays(tmp_path: Path) -> None:
    def busy(sample: dict[str, Any]) -> None:
        if f"{RUN_GPU}/gpu_utilization_percent" in sample:
            sample[f"{RUN_GPU}/gpu_utilization_percent"] = 40.0

    record = replay(tmp_path, change=busy)
    assert record.metrics["energy_j"] == pytest.approx(4000)
    assert record.metrics["net_energy_j"] is None
    assert "another process used the GPU at up to 40 % before the run touched it" in record.unmeasured["net_energy_j"]


def test_imports_that_took_too_short_leave_no_idle_power(tmp_path: Path) -> None:
    def late(sample: dict[str, Any]) -> None:
        if sample["mono_s"] < 1005:
            for name in ("gpu_power_w", "gpu_energy_j"):
                sample[f"{RUN_GPU}/{name}"] = None

    reason = replay(tmp_path, change=late).unmeasured["net_energy_j"]
    assert "the GPU was sampled for 1.0 s before the run touched it, and 2 s are needed" in reason


def test_without_a_counter_all_comes_from_polled_power_and_is_labelled(tmp_path: Path) -> None:
    def no_counter(sample: dict[str, Any]) -> None:
        for name in ("gpu_energy_j", f"{RUN_GPU}/gpu_energy_j"):
            if name in sample:
                sample[name] = None

    record = replay(tmp_path, change=no_counter)
    assert train_of(record)["energy_source"] == "polling"
    assert record.telemetry is not None
    assert record.telemetry["idle"]["source"] == "polling"
    energy_j = record.metrics["energy_j"]
    assert energy_j is not None
    assert 0.9 * 4000 < energy_j < 4000  # trapezoids cut the corners of the trace's steps
    assert [w["code"] for w in record.warnings] == ["energy_polled"]


def test_a_cpu_run_has_no_gpu_energy_although_the_machine_has_a_gpu(tmp_path: Path) -> None:
    record = replay(tmp_path, device="cpu")
    for name in OF_GPU:
        assert record.metrics[name] is None
        assert record.unmeasured[name] == "the run used cpu, and energy is read from NVIDIA GPUs"
    assert record.metrics["cpu_energy_j"] == pytest.approx(640)


def test_a_run_that_failed_has_no_energy_of_its_training(tmp_path: Path) -> None:
    record = replay(tmp_path, record=dataclasses.replace(RECORD, status="FAILED"))
    assert record.metrics["energy_j"] is None
    assert record.unmeasured["energy_j"] == "the run ended FAILED"


def test_a_run_without_telemetry_says_why_there_is_no_energy(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    write_plan(plan)
    record = with_telemetry(plan, RECORD)
    assert record.telemetry is None
    assert record.metrics["cpu_energy_j"] is None
    assert "telemetry.enabled is false" in record.unmeasured["cpu_energy_j"]


def test_cost_is_hours_and_kilowatt_hours_at_their_prices(tmp_path: Path) -> None:
    hours = replay(tmp_path / "a", price_per_gpu_hour=2.5, currency="EUR")
    assert hours.metrics["cost"] == pytest.approx(36 / 3600 * 2.5)
    energy_j = 2 * 90 + 4 * 70 + 4 * 120 + 12 * 500 + 3 * 300 + 3 * 200 + 13 * 40 + 15 * 80
    power = replay(tmp_path / "b", price_per_kwh=0.3, currency="EUR")
    assert power.metrics["cost"] == pytest.approx(energy_j / 3.6e6 * 0.3)
    both = replay(tmp_path / "c", price_per_gpu_hour=2.5, price_per_kwh=0.3, currency="EUR")
    assert both.metrics["cost"] == pytest.approx(36 / 3600 * 2.5 + energy_j / 3.6e6 * 0.3)
    assert both.prices == {"currency": "EUR", "price_per_gpu_hour": 2.5, "price_per_kwh": 0.3}


def test_nothing_is_invented_where_a_price_or_an_energy_is_missing(tmp_path: Path) -> None:
    def no_power(sample: dict[str, Any]) -> None:
        for name in list(sample):
            if name.endswith(("gpu_power_w", "gpu_energy_j")):
                sample[name] = None

    unpriced = replay(tmp_path / "a")
    assert (unpriced.metrics["cost"], unpriced.prices) == (None, None)
    assert unpriced.unmeasured["cost"].startswith("no price is set: hardware.price_per_gpu_hour or")
    unmeasured = replay(tmp_path / "b", change=no_power, price_per_gpu_hour=2.0, price_per_kwh=0.3, currency="EUR")
    assert unmeasured.metrics["cost"] is None  # a part of the cost would look like all of it
    assert "the energy was not measured" in unmeasured.unmeasured["cost"]
    on_cpu = replay(tmp_path / "c", device="cpu", price_per_gpu_hour=2.0, currency="EUR")
    assert "is the price of a GPU, and the run used cpu" in on_cpu.unmeasured["cost"]
