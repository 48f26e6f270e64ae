"""A training that runs out of memory brings the whole sweep down to a smaller batch: never one arm alone."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sdpa_exp.compare.load.ours import read_sweep as read_runs
from sdpa_exp.config.plan import Job, Plan, read_plan, write_plan
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.launch.before_sweep import describe_sweep, frozen_hardware
from sdpa_exp.launch.make_record import now, record_of
from sdpa_exp.launch.smaller_batch import (
    as_decided,
    come_down,
    half_of,
    images_a_step,
    outgrown,
    settle,
    with_equal_steps,
)
from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.record import Record, write_record
from sdpa_exp.runs.sweep import read_sweep, write_sweep
from sdpa_exp.tracking.tracker import NoTracker
from tests.launch.conftest import TINY, Finished, sdpa_exp
from tests.tasks import hungry
from tests.tasks.planning import plan_of


def sweep_with_a_hungry_arm(cwd: Path, *overrides: str) -> Finished:
    """stock, then an arm that runs out of memory with more than two images; batch 4."""
    (cwd / "conf/attention").mkdir(parents=True)
    shutil.copy(hungry.__file__, cwd / "conf/attention/hungry.py")
    lines = "# An arm that needs much memory.\nname: hungry  # the arm\nbackend: hungry.py:hungry  # a function\n"
    (cwd / "conf/attention/hungry.yaml").write_text(lines)
    small = ("dataset.num_train_images=4", "dataset.num_val_images=2", "hardware.batch=4", "train.epochs=1")
    arms = ("--config-dir", str(cwd / "conf"), "attention=stock,hungry", "seed=0", "-m", "tracking=none")
    return sdpa_exp(*TINY, *small, *arms, *overrides, cwd=cwd)


@pytest.mark.slow
def test_all_arms_get_the_smaller_batch_and_what_had_finished_is_repeated(tmp_path: Path) -> None:
    done = sweep_with_a_hungry_arm(tmp_path, "on_oom=repeat")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hungry seed 0: out of memory: the whole sweep goes on with batch 2" in done.stdout
    assert "on_oom=repeat: stock seed 0 again, since the sweep came down to batch 2" in done.stdout
    for arm, why in (("hungry", "does not fit on cpu (CUDA out of memory"), ("stock", "came down to batch 2")):
        run_dir = done.run_dir(arm, 0)
        assert read_plan(run_dir).hardware.batch == 2
        (attempt,) = earlier_attempts(run_dir)
        assert why in attempt["repeated_because"]
        assert read_plan(run_dir / "attempts/1").hardware.batch == 4
    assert len({run.group_id for run in read_runs(done.sweep_dir).runs}) == 1
    screen = " ".join(done.stdout.split())
    assert "hungry seed 0 ran out of memory with batch 4: all runs of the sweep get batch 2 from then on" in screen


@pytest.mark.slow
def test_what_had_finished_stays_out_of_the_comparison_where_that_is_asked_for(tmp_path: Path) -> None:
    done = sweep_with_a_hungry_arm(tmp_path, "on_oom=exclude")
    assert done.returncode == 9, done.stdout + done.stderr  # one arm is left, and nothing to compare it with
    assert "on_oom=exclude: left out, since its batch is larger: stock seed 0" in done.stdout
    assert read_plan(done.run_dir("stock", 0)).hardware.batch == 4
    assert [job.is_excluded for job in read_sweep(done.sweep_dir).jobs] == [True, False]
    assert [run.arm for run in read_runs(done.sweep_dir).runs] == ["hungry"]


@pytest.mark.slow
def test_nothing_is_made_smaller_where_nobody_asked_for_it(tmp_path: Path) -> None:
    done = sweep_with_a_hungry_arm(tmp_path)
    assert done.returncode == 7
    assert read_plan(done.run_dir("hungry", 0)).hardware.batch == 4
    assert "Set hardware.batch=2 or less for all arms, or let a sweep do so by on_oom=repeat." in " ".join(
        done.stdout.split()
    )


def begun(folder: Path, *overrides: str) -> list[Plan]:
    """A sweep of two arms as it stands before its first job, with the hardware that was found."""
    plans = [
        replace(plan, job=Job(run_dir=str(folder / plan.arm), sweep_dir=str(folder), num=num))
        for num, arm in enumerate(("stock", "sdpa"))
        for plan in [plan_of("hardware=cpu", "hardware.batch=8", f"attention={arm}", *overrides, run_dir=folder)]
    ]
    found = asdict(plans[0].hardware)
    preflight = {"hardware": [{"asked": found, "resolved": found, "reasons": {}}]}
    write_sweep(replace(describe_sweep(plans, folder, "", "stock"), preflight=preflight))
    return plans


def ended(plan: Plan, *, error: str | None = None) -> Record:
    write_plan(plan)
    record = record_of(plan, status="FAILED" if error else "FINISHED", started_at=now(), error=error)
    write_record(plan.run_dir, record)
    return record


def test_one_run_out_of_memory_decides_for_every_arm_and_says_what_has_outgrown(tmp_path: Path) -> None:
    stock, sdpa = begun(tmp_path, "on_oom=exclude")
    ended(stock)
    smaller = come_down(tmp_path, sdpa, ended(sdpa, error="OutOfMemory"))
    assert smaller is not None
    sweep = read_sweep(tmp_path)
    assert [as_decided(plan, sweep).hardware.batch for plan in (stock, sdpa, smaller)] == [4, 4, 4]
    assert frozen_hardware(sweep, stock.hardware) == stock.hardware  # by which a resumed sweep knows its jobs again
    assert [(job.arm, plan.hardware.batch) for job, plan in outgrown(sweep)] == [("stock", 4)]
    assert come_down(tmp_path, sdpa, ended(sdpa, error="OutOfMemory")) == smaller  # another job was first
    ended(smaller)
    settle(tmp_path, NoTracker())
    assert outgrown(read_sweep(tmp_path)) == []
    assert [run.arm for run in read_runs(tmp_path).runs] == ["sdpa"]


def test_no_batch_shrinks_by_another_error_by_policy_by_a_swept_batch_or_below_one(tmp_path: Path) -> None:
    _, sdpa = begun(tmp_path, "on_oom=repeat")
    one = replace(sdpa, hardware=replace(sdpa.hardware, batch=1))
    out = ended(sdpa, error="OutOfMemory")
    assert come_down(tmp_path, sdpa, ended(sdpa, error="RunError")) is None
    assert come_down(tmp_path, one, out) is None
    assert come_down(tmp_path, replace(sdpa, on_oom="fail"), out) is None
    sweep = read_sweep(tmp_path)
    (entry,) = sweep.preflight["hardware"]
    sweep.preflight["hardware"].append({**entry, "resolved": {**entry["resolved"], "batch": 4}})
    write_sweep(sweep)
    assert come_down(tmp_path, sdpa, out) is None


@pytest.mark.parametrize("nbs", [None, 16, 60, 65, 1])
@pytest.mark.parametrize("first", [128, 64, 20, 12, 5, 2])
def test_a_step_of_the_optimiser_sees_as_many_images_and_decays_as_much_as_before(nbs: int | None, first: int) -> None:
    train = TrainConfig(name="own", nbs=nbs)
    images, decay = images_a_step(train, first), _applied_decay(train, first)
    recipe, batch = train, first
    while batch > 1:
        batch = half_of(recipe, batch)
        recipe = with_equal_steps(train, first)
        assert images_a_step(recipe, batch) == images
        assert _applied_decay(recipe, batch) == pytest.approx(decay, rel=1e-12)
        assert with_equal_steps(recipe, first) == recipe


@pytest.mark.parametrize(("first", "num_devices", "batches"), [(20, 2, [10, 4, 2]), (12, 3, [6, 3]), (8, 4, [4])])
def test_a_smaller_batch_is_one_that_the_devices_can_share(first: int, num_devices: int, batches: list[int]) -> None:
    train, batch, found = TrainConfig(name="own"), first, []
    while batch >= 2 * num_devices:
        batch = half_of(with_equal_steps(train, first), batch, num_devices)
        found.append(batch)
    assert found == batches


def _applied_decay(train: TrainConfig, batch: int) -> float:
    """As `_build_train_pipeline` of ultralytics/engine/trainer.py has it."""
    nbs = train.nbs or 64
    accumulate = max(round(nbs / batch), 1)
    return (0.0005 if train.weight_decay is None else train.weight_decay) * batch * accumulate / nbs
