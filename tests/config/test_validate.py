from __future__ import annotations

import dataclasses
import shlex

import pytest

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.validate import check_plan, check_sweep
from sdpa_exp.errors import ConfigError
from tests.config.composing import compose_plan


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("hardware.batch=-4", "hardware.batch=-4 can't work: expected 1 or more. Set hardware.batch=8, or null"),
        ("hardware.batch=big", "hardware.batch=big can't work: expected a whole number, auto or null. Set hardware.ba"),
        (
            "hardware.batch=auto task=verify",
            "hardware.batch=auto can't work: expected a number or null with task=veri",
        ),
        ("hardware.batch=0", "hardware.batch=0 can't work: expected 1 or more."),
        ("on_oom=retry", "on_oom=retry can't work: expected one of fail, repeat, exclude. Set on_oom="),
        ("on_nan=stop", "on_nan=stop can't work: expected one of fail, continue. Set on_nan="),
        (
            "dataset=yolo_dir dataset.path=/x dataset.on_bad=ignore",
            "dataset.on_bad=ignore can't work: expected one of refuse, drop. Set dataset.on_bad=",
        ),
        ("hardware.workers=-1", "hardware.workers=-1 can't work: expected 0 or more."),
        ("hardware.num_threads=0", "hardware.num_threads=0 can't work: expected 1 or more."),
        (
            "hardware.precision=fp61",
            "hardware.precision=fp61 can't work: expected one of fp32, fp16, bf16. Set hardware",
        ),
        (
            "hardware.cache=rma",
            "hardware.cache=rma can't work: expected one of none, ram, disk. Set hardware.cache=ram.",
        ),
        (
            "hardware.price_per_kwh=-0.3 hardware.currency=EUR",
            "hardware.price_per_kwh=-0.3 can't work: expected 0 or more. Set hardware.price_per_kwh to the price you",
        ),
        ("hardware.price_per_gpu_hour=nan hardware.currency=EUR", "hardware.price_per_gpu_hour=nan can't work"),
        (
            "hardware.price_per_gpu_hour=2.5",
            "hardware.price_per_gpu_hour=2.5 has no currency: expected hardware.currency beside it. Set hardware.curr",
        ),
        ("hardware.device=gpu", "hardware.device=gpu can't work: expected auto, cpu, mps, cuda or cuda:N."),
        (
            "hardware.device='0,1'",
            "expected the first device. For two in one run write cuda:0, and hardware.devices=2.",
        ),
        ("hardware.device='cuda:0,cuda:1'", "expected the first device."),
        ("hardware.devices=0", "hardware.devices=0 can't work: expected 1 or more."),
        ("hardware=cpu hardware.precision=fp16", "hardware.precision=fp16 can't work: expected fp32 with device=cpu"),
        (
            "attention.backend=flsh",
            "attention.backend=flsh can't work: expected one of auto, cudnn, eager, efficient, flash, flash3, flash4, ",
        ),
        ("attention.backend=flsh", "package.module:name for your own. Did you mean flash?"),
        ("attention.backend=no_such_file.py:mine", "expected a Python file that exists (relative paths are taken from"),
        ("task=bench bench.arms=[stock,mine]", "Write attention/mine.yaml: see --help attention."),
        ("task=bench bench.arms=[stock,auto]", "bench.arms=auto can't work: expected attentions that can be timed"),
        ("task=bench attention=auto", "attention=auto can't work: expected attentions that can be timed"),
        ("attention.name=a/b", "attention.name=a/b can't work: expected at most 100 letters, digits, dots, dashes"),
        ("name=my/runs", "as it becomes a folder name. Set name=my_runs."),
        (f"name={'x' * 257}", "expected at most 100 letters, digits, dots, dashes and underscores"),
        ("name=..", "name=.. can't work"),
        ("seed=-1", "seed=-1 can't work: expected 0 or more. Set seed=0."),
        ("seed=2147483648", "seed=2147483648 can't work: expected at most 2147483647."),
        ("task.name=trian", "task.name=trian can't work: expected train, the module that"),
        ("train.epochs=0", "train.epochs=0 can't work: expected 1 or more."),
        ("train.imgsz=100", "train.imgsz=100 can't work: expected a multiple of 32 from 32 on. Set train.imgsz=96."),
        ("train.imgsz=0", "Set train.imgsz=32."),
        ("train.val=false", "train.val=false can't work: expected true, since accuracy comes from validation."),
        ("train.save=false", "train.save=false can't work: expected true, since best.pt is what gets evaluated."),
        ("train.time=0.5", "train.time=0.5 can't work: expected null. Set train.epochs instead"),
        ("train.optimizer=AdmW", "Set train.optimizer=AdamW."),
        ("train.split=validation", "train.split=validation can't work: expected one of train, val, test."),
        ("train.optimizer=auto", "train.lr0=0.005 can't work: expected null with optimizer=auto, which chooses it"),
        ("train.rect=true train.mosaic=1", "train.mosaic=1.0 can't work: expected 0 or null with train.rect=true"),
        ("model.architecture=yolo12", "model.architecture=yolo12 leaves the size open: expected one of yolo12n.yaml"),
        ("dataset=yolo_dir", "dataset.path is missing: dataset=yolo_dir expects a data.yaml, or a folder with images/"),
        ("dataset.num_train_images=0", "dataset.num_train_images=0 can't work: expected 1 or more."),
        ("telemetry.period_s=0.01", "telemetry.period_s=0.01 can't work: expected 0.1 s or more."),
        (
            "tracking.kind=mflow",
            "tracking.kind=mflow can't work: expected one of mlflow, none. Set tracking.kind=mlflow.",
        ),
        ("compare.alpha=5", "compare.alpha=5.0 can't work: expected a level between 0 and 1."),
        ("compare.primary.speed.margin=0", "compare.primary.speed.margin=0.0 can't work: expected more than 0."),
        ("compare.primary.speed.margin_kind=percent", "expected one of absolute, relative."),
        ("compare.primary.speed.margin=2", "margin=2.0 can't work: expected a share of the baseline below 1."),
        ("compare.primary.accuracy.margin=0.5", "mAP50-95 runs from 0 to 1, and 0.5 of it is 50 points."),
        (
            "compare.primary.accuracy.metric=mAP5",
            "compare.primary.accuracy.metric=mAP5 can't work: expected one of auto, mAP50",
        ),
        ("+hardware.foo=1", "hardware.foo would have no effect: no such key. Expected one of hardware.allocator,"),
        ("+foo=1", "foo would have no effect: no such key."),
        ("dataset.kind=folder", "dataset.kind=folder is unknown: expected one of synthetic, yolo_dir, coco_json,"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_in_one_sentence(overrides: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_plan(*_split(overrides))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        "attention=flash hardware=a100 hardware.precision=fp32",
        "attention=efficient hardware=cpu",
        "attention=cudnn determinism=strict",
        "hardware.device=cuda:1",
        "hardware.price_per_gpu_hour=2.5 hardware.price_per_kwh=0 hardware.currency=EUR",
        "attention.backend=my_package.kernels:Fast attention.name=fast",
        "train.optimizer=adamw",
        "seed=2147483647",
        "compare.primary.memory.margin_kind=absolute compare.primary.memory.margin=50",
        "compare.primary.accuracy.margin=0.1 compare.primary.accuracy.allow=true",
    ],
)
def test_what_can_work_is_not_refused(overrides: str) -> None:
    check_plan(compose_plan(*_split(overrides)))


def test_a_sweep_with_the_same_run_twice_is_refused() -> None:
    plan = compose_plan("attention=flash", "seed=3")
    with pytest.raises(ConfigError, match=r"The sweep has attention=flash with seed=3 twice \(jobs 0 and 1\)"):
        check_sweep([plan, plan])


def test_two_arms_with_one_name_are_refused() -> None:
    plans = [compose_plan("attention=flash"), compose_plan("attention=flash", "attention.backend=math")]
    with pytest.raises(ConfigError, match=r"Two arms are called flash: flash and math \(jobs 0 and 1\)\. Give each"):
        check_sweep(plans)


def test_the_same_arm_and_seed_in_another_group_is_no_repetition() -> None:
    check_sweep([compose_plan("train.imgsz=320"), compose_plan("train.imgsz=640")])


def test_prices_do_not_change_the_group_so_that_runs_are_still_compared() -> None:
    unpriced, priced = compose_plan(), compose_plan("hardware.price_per_kwh=0.3", "hardware.currency=EUR")
    assert priced.hardware.price_per_kwh == 0.3
    assert priced.group_id() == unpriced.group_id() != compose_plan("hardware.batch=3").group_id()


@pytest.mark.parametrize(
    "override",
    [
        "model.name=mine",
        "dataset.name=mine",
        "hardware.name=my_laptop",
        "train.name=mine",
        "telemetry.name=mine",
        "telemetry.period_s=5",
    ],
)
def test_labels_do_not_change_the_group_so_that_runs_are_still_compared(override: str) -> None:
    plan, other = compose_plan(), compose_plan(override)
    assert other.labels() != plan.labels()
    assert other.group_id() == plan.group_id()


@pytest.mark.parametrize(
    "override",
    [
        "model.architecture=yolo12s.yaml",
        "dataset.render_seed=1",
        "hardware.num_threads=1",
        "train.epochs=9",
        "telemetry.enabled=false",
        "telemetry.gpu=false",
        "determinism=strict",
    ],
)
def test_settings_that_can_touch_a_figure_change_the_group(override: str) -> None:
    assert compose_plan(override).group_id() != compose_plan().group_id()


def test_a_baseline_outside_the_sweep_is_refused_with_the_arms() -> None:
    plans: list[Plan] = [compose_plan(f"attention={arm}", "baseline=math") for arm in ("stock", "sdpa")]
    with pytest.raises(ConfigError, match="baseline=math is not among the arms: expected one of stock, sdpa"):
        check_sweep(plans)
    check_sweep([dataclasses.replace(plan, baseline="sdpa") for plan in plans])


def _split(overrides: str) -> list[str]:
    return shlex.split(overrides, posix=False)


@pytest.mark.parametrize("key", ["uri", "page_uri"])
@pytest.mark.parametrize(
    "uri",
    [
        "http://me:geheim@127.0.0.1:5000",
        "https://me:ge/heim@127.0.0.1:5000/geheim",
        "http://geheim@127.0.0.1:5000",
        "http://127.0.0.1:5000/?token=geheim",
        "postgresql+psycopg2://me:geheim@db/mlflow",
    ],
)
def test_a_password_in_an_address_of_the_store_is_refused_without_being_repeated(uri: str, key: str) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD in the environment instead") as caught:
        compose_plan("tracking=server", f"tracking.{key}='{uri}'")
    assert f"tracking.{key} holds" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_arms_of_a_benchmark_swept_one_by_one_are_refused_with_the_line_that_works() -> None:
    plans = [compose_plan("task=bench", f"attention={arm}") for arm in ("stock", "flash")]
    with pytest.raises(ConfigError, match=r"Set 'bench\.arms=\[stock,flash\]' and leave attention out"):
        check_sweep(plans)


def test_a_benchmark_can_be_swept_over_models() -> None:
    check_sweep([compose_plan("task=bench", f"model={model}") for model in ("yolo12n", "yolo12s")])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("task=bench",), "hardware.devices=2 can't work: expected 1 with task=bench, which uses one."),
        (("hardware.device=mps",), "expected 1 with hardware.device=mps."),
        (("hardware.batch=auto",), "expected a number with several devices, since trial steps use one."),
        (("hardware.batch=9",), "expected a multiple of hardware.devices=2, which share it. Set hardware.batch=8."),
        (
            ("dataset.num_val_images=1",),
            "dataset.num_val_images=1 can't work: expected 2 or more, one for each process of hardware.devices=2.",
        ),
        (("on_nan=continue",), "expected fail with several devices, which have to leave out the same batches."),
        (("attention=auto",), "expected a named one with several devices, each of which would choose."),
        (("train.rect=true", "train.mosaic=0"), "expected false with several devices"),
    ],
)
def test_what_several_processes_cannot_do_together_is_refused(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_plan("hardware.devices=2", *overrides)
    assert words in str(caught.value)


def test_the_number_of_devices_is_part_of_the_comparison_group_from_two_on() -> None:
    one, two = compose_plan(), compose_plan("hardware.devices=2")
    assert "devices" not in one.group()["hardware"]  # as before there were several: old runs keep their group
    assert two.group()["hardware"]["devices"] == 2
