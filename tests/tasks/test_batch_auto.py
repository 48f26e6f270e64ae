"""hardware.batch=auto: trial steps find the largest batch that fits the hungriest arm, once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import BackendUnavailable, ConfigError, DatasetError
from sdpa_exp.launch.before_sweep import describe_sweep, frozen_hardware
from sdpa_exp.tasks.batch_search import measured_batch
from sdpa_exp.tasks.batch_trial import Trial, try_batch
from tests.tasks import hungry
from tests.tasks.planning import plan_of

HUNGRY = f"attention.backend={Path(hungry.__file__)}:hungry"
TINY = ("experiment=smoke", "hardware=cpu", "dataset.num_train_images=4", "train.epochs=3", "tracking=none")


def holding(per_image_mib: dict[str, float], *, free_mib: float, num_images: int = 1000) -> Callable[[Plan], Trial]:
    """Trials of arms that hold 600 MiB and so much for each image, and that run out where nothing is free any more."""

    def trial(plan: Plan) -> Trial:
        if plan.arm == "flash":
            raise BackendUnavailable("not here")
        peak_mib = 600 + per_image_mib[plan.arm] * min(plan.hardware.batch_size or 0, num_images)
        tried.append((plan.arm, plan.hardware.batch_size))
        return Trial(peak_mib=peak_mib if peak_mib <= free_mib else None, free_mib=free_mib, num_images=num_images)

    return trial


tried: list[tuple[str, int | None]] = []


@pytest.mark.parametrize(
    ("device", "free_mib", "per_image_mib", "batch", "arm"),
    [
        ("cuda:0", 8000, {"stock": 100, "sdpa": 80}, 48, "stock"),
        ("cuda:0", 8000, {"stock": 80, "sdpa": 100}, 48, "sdpa"),  # found with the second arm
        ("cuda:0", 1e6, {"stock": 80, "sdpa": 100}, 256, "sdpa"),
        ("cuda:0", 820, {"stock": 80, "sdpa": 90}, 1, "sdpa"),
        ("cpu", 2000, {"stock": 100, "sdpa": 80}, 8, "stock"),
        ("cpu", 1e6, {"stock": 100, "sdpa": 80}, 16, "stock"),
    ],
)
def test_the_largest_batch_that_fits_the_hungriest_arm_is_taken(
    device: str, free_mib: float, per_image_mib: dict[str, float], batch: int, arm: str
) -> None:
    plans = [plan_of(f"attention={name}", run_dir=Path("/nowhere")) for name in ("stock", "flash", "sdpa")]
    hardware = HardwareConfig(name="auto", device=device)
    tried.clear()
    found = measured_batch(plans, hardware, holding(per_image_mib, free_mib=free_mib))
    assert found is not None
    assert found[0] == batch
    assert f"trial steps of {arm}, the hungriest of 3 arms, held {600 + per_image_mib[arm] * batch:.0f} MiB" in found[1]
    assert len(tried) == len(set(tried)) <= 8


def test_a_batch_has_no_more_images_than_there_are() -> None:
    plan = plan_of("attention=stock", run_dir=Path("/nowhere"))
    hardware = HardwareConfig(name="auto", device="cuda:0")
    found = measured_batch([plan], hardware, holding({"stock": 10}, free_mib=1e6, num_images=30))
    assert found is not None
    assert found[0] == 24


def test_nothing_that_fits_and_nothing_to_measure_are_refused_by_name() -> None:
    plan = plan_of("attention=stock", run_dir=Path("/nowhere"))
    trial = holding({"stock": 100}, free_mib=700)
    with pytest.raises(ConfigError, match=r"no batch that fits: stock held 700 MiB with one image at 160 px.*smaller"):
        measured_batch([plan], HardwareConfig(name="auto", device="cuda:0"), trial)
    with pytest.raises(ConfigError, match=r"can't be measured on mps: expected CUDA or a CPU\. Set hardware"):
        measured_batch([plan], HardwareConfig(name="auto", device="mps"), trial)
    flash = plan_of("attention=flash", run_dir=Path("/nowhere"))
    assert measured_batch([flash], HardwareConfig(name="auto", device="cuda:0"), trial) is None


def test_a_sweeper_that_chooses_as_it_goes_gets_no_batch_measured_job_by_job(tmp_path: Path) -> None:
    asked = plan_of("hardware.batch=auto", run_dir=tmp_path).hardware
    with pytest.raises(ConfigError, match=r"measured before a sweep, once for all arms, and this sweeper chooses"):
        frozen_hardware(describe_sweep([], tmp_path, "", None), asked)


@pytest.mark.slow
def test_a_trial_is_a_real_training_in_a_process_of_its_own_and_runs_out_of_memory_alone(tmp_path: Path) -> None:
    plan = plan_of(*TINY, HUNGRY, "hardware.batch=2", run_dir=tmp_path)
    fits = try_batch(plan)
    assert fits.num_images == 4
    assert fits.peak_mib is not None
    assert 100 < fits.peak_mib < fits.free_mib
    plan.hardware.batch = 4
    assert try_batch(plan).peak_mib is None
    plan.train.split = "test"
    with pytest.raises(DatasetError, match="dataset=synthetic has train and val"):
        try_batch(plan)
    assert list(tmp_path.iterdir()) == []
