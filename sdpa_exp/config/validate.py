"""Values and combinations that can't work, refused by name before anything starts.

Types and key names are Hydra's business (schema.py). What depends on the machine, such as whether an attention can run
on it, is checked there: once for a sweep, and in the worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from sdpa_exp.config.architectures import check_model
from sdpa_exp.config.attentions import check_backend_name
from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.choices import (
    CACHES,
    CONTROLS,
    DETERMINISM,
    MARGIN_KINDS,
    ON_NAN,
    ON_OOM,
    OPTIMIZERS,
    SPEEDS,
    SPLITS,
    TRACKERS,
)
from sdpa_exp.config.credentials import refuse_credentials
from sdpa_exp.config.datasets import check_dataset
from sdpa_exp.config.devices import check_devices
from sdpa_exp.config.plan import Plan, to_dict
from sdpa_exp.config.refusing import PRECISIONS, at_least, multiple_of_32, one_of, refuse
from sdpa_exp.config.schema import AUTO_BATCH
from sdpa_exp.config.task import Task, load_task
from sdpa_exp.config.train_ranges import check_ranges
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.purposes import AUTO

FINETUNE = "finetune"
WIDEST_MARGIN = 0.05  # of a share: five points

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SECRET_IN_URI = re.compile(r"https?://.*[@?]|(?!sqlite:)[\w+.-]+://.*@", re.IGNORECASE)
_SHARE = re.compile(r"(last/|mask_|pose_)?(mAP|precision|recall|F1|top\d)")
_MAX_SEED = 2**31 - 1


def check_plan(plan: Plan) -> None:
    """Check one plan.

    Raises:
        ConfigError: one sentence about the first thing that can't work.
    """
    _check_names(plan)
    at_least("seed", plan.seed, 0, "Set seed=0.")
    if plan.seed > _MAX_SEED:
        refuse("seed", plan.seed, f"at most {_MAX_SEED}", "Set seed=0.")
    task = load_task(plan)
    if not (task.in_parent or task.examines):
        check_model(plan, task)
    check_devices(plan, task)
    _check_hardware(plan)
    _check_batch(plan, task)
    check_backend_name("attention.backend", plan.attention.backend, plan.attentions)
    _check_determinism(plan)
    _check_train(plan)
    check_dataset(plan.dataset)
    if not plan.telemetry.period_s >= 0.1:
        refuse("telemetry.period_s", plan.telemetry.period_s, "0.1 s or more", "Set telemetry.period_s=1.")
    _check_tracking(plan)
    refuse_credentials(to_dict(plan))
    _check_compare(plan)
    task.check(plan)


def _check_tracking(plan: Plan) -> None:
    one_of("tracking.kind", plan.tracking.kind, TRACKERS)
    for key in ("uri", "page_uri"):
        if not _SECRET_IN_URI.match(getattr(plan.tracking, key) or ""):
            continue
        raise ConfigError(
            f"tracking.{key} holds a user, a password or a query, which would end up in files and logs: expected an "
            "address without them, such as http://HOST:PORT. Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD in the environment instead."
        )


def check_sweep(plans: Sequence[Plan]) -> None:
    """Check the jobs of a sweep against each other.

    Raises:
        ConfigError: two jobs are the same run, the baseline is not among the arms, or the task can't be swept.
    """
    for task in dict.fromkeys(plan.task.name for plan in plans if load_task(plan).in_parent):
        raise ConfigError(
            f"task={task} can't be a sweep: it reads folders once, whatever the arm or seed. Leave out -m, lists of "
            f"values and presets with arms, and name all folders in one line; see --help."
        )
    _check_own_arms(plans)
    num_seeds, most = len({plan.seed for plan in plans}), plans[0].compare.max_seeds if plans else None
    if most is not None and most < num_seeds:
        next_step = f"Set compare.max_seeds={num_seeds}, or leave it out."
        refuse("compare.max_seeds", most, f"at least the {num_seeds} seeds of this sweep", next_step)
    seen: dict[tuple[str, str, str, int], tuple[int, Plan]] = {}
    for num, plan in enumerate(plans):
        key = (plan.name, plan.group_id(), plan.arm, plan.seed)
        first_num, first = seen.setdefault(key, (num, plan))
        if first_num == num:
            continue
        if first.attention != plan.attention:
            raise ConfigError(
                f"Two arms are called {plan.arm}: {first.attention.backend} and {plan.attention.backend} "
                f"(jobs {first_num} and {num}). Give each its own attention.name."
            )
        raise ConfigError(
            f"The sweep has attention={plan.arm} with seed={plan.seed} twice (jobs {first_num} and {num}), "
            f"expected each arm and seed once. Take the repeated value out; to see the noise, add seeds."
        )
    if plans:
        arms = list(dict.fromkeys(plan.arm for plan in plans))
        for baseline in dict.fromkeys(plan.baseline for plan in plans):
            resolve_baseline(arms, baseline)
    _check_copies(plans)


def _check_copies(plans: Sequence[Plan]) -> None:
    backends = {plan.arm: plan.attention.backend for plan in plans}
    for plan in plans:
        original = plan.attention.copy_of
        if original is not None and (original == plan.arm or backends.get(original) != plan.attention.backend):
            raise ConfigError(
                f"attention.copy_of={original} does not fit {plan.arm}: expected another arm of this sweep with "
                f"backend {plan.attention.backend}. Leave it out; compare.control=aa adds a copy of the baseline arm."
            )
        if plan.baseline is not None and plan.baseline == plan.arm and original is not None:
            raise ConfigError(
                f"baseline={plan.baseline} is the A/A copy of {original}: expected an arm that is no copy. "
                f"Set baseline={original}."
            )


def _check_own_arms(plans: Sequence[Plan]) -> None:
    own = [plan for plan in plans if load_task(plan).has_own_arms]
    arms = list(dict.fromkeys(plan.arm for plan in own))
    if len(arms) > 1:
        task = own[0].task.name
        raise ConfigError(
            f"task={task} compares its arms inside one process, so attention={','.join(arms)} -m would time each "
            f"alone, minutes apart: expected them in one run. Set '{task}.arms=[{','.join(arms)}]' and leave attention "
            f"out."
        )


def _check_names(plan: Plan) -> None:
    for key, value in (("name", plan.name), ("attention.name", plan.attention.name)):
        if not _FOLDER_NAME.fullmatch(value):
            wanted = "at most 100 letters, digits, dots, dashes and underscores, as it becomes a folder name"
            refuse(key, value, wanted, f"Set {key}={_folder_name(value)}.")


def _check_hardware(plan: Plan) -> None:
    hardware = plan.hardware
    if hardware.workers is not None:
        at_least("hardware.workers", hardware.workers, 0, "Set hardware.workers=0 to load images in the main process.")
    if hardware.num_threads is not None:
        at_least("hardware.num_threads", hardware.num_threads, 1, "Set it to null for all usable cores but one.")
    if hardware.precision is not None:
        one_of("hardware.precision", hardware.precision, PRECISIONS)
    if hardware.cache is not None:
        one_of("hardware.cache", hardware.cache, CACHES)
    _check_prices(plan)
    device = hardware.device
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        refuse("hardware.device", device, "auto, cpu, mps, cuda or cuda:N", "Set hardware.device=auto.")
    if device in ("cpu", "mps") and hardware.precision == "fp16":
        next_step = "Set hardware.precision=fp32."
        refuse("hardware.precision", "fp16", f"fp32 with device={device}, where AMP has no fp16", next_step)


def _check_batch(plan: Plan, task: Task) -> None:
    batch, next_step = plan.hardware.batch, "Set hardware.batch=8, or null to let the machine decide."
    if isinstance(batch, int):
        at_least("hardware.batch", batch, 1, next_step)
    elif batch not in (None, AUTO_BATCH):
        refuse("hardware.batch", batch, f"a whole number, {AUTO_BATCH} or null", next_step)
    elif batch == AUTO_BATCH and not (task.trains or task.examines):
        expected = f"a number or null with task={plan.task.name}, since it is measured with steps of a training"
        refuse("hardware.batch", batch, expected, next_step)


def _check_prices(plan: Plan) -> None:
    for name in ("price_per_gpu_hour", "price_per_kwh"):
        price = getattr(plan.hardware, name)
        if price is None:
            continue
        key = f"hardware.{name}"
        if not (math.isfinite(price) and price >= 0):
            refuse(key, price, "0 or more", f"Set {key} to the price you pay, or to null where there is none.")
        if not plan.hardware.currency:
            raise ConfigError(
                f"{key}={price} has no currency: expected hardware.currency beside it. Set hardware.currency=EUR, or "
                f"the one you pay in."
            )


def _check_determinism(plan: Plan) -> None:
    one_of("determinism", plan.determinism, DETERMINISM)
    one_of("on_nan", plan.on_nan, ON_NAN)
    one_of("on_oom", plan.on_oom, ON_OOM)
    if plan.determinism == "strict" and plan.train.deterministic is False:
        raise ConfigError(
            "determinism=strict and train.deterministic=false contradict each other: expected one of them. Take "
            "train.deterministic out."
        )


def _check_train(plan: Plan) -> None:
    train = plan.train
    if train.name == FINETUNE and plan.model.weights is None and load_task(plan).trains:
        raise ConfigError(
            f"model.weights is missing: train={FINETUNE} goes on from weights, and expects a checkpoint. Set "
            "model.weights=path/to/best.pt, or take train=own to start from scratch."
        )
    if train.epochs is not None:
        at_least("train.epochs", train.epochs, 1, "Set train.epochs=1 for the shortest training.")
    if train.imgsz is not None:
        multiple_of_32("train.imgsz", train.imgsz)
    if train.split is not None:
        one_of("train.split", train.split, SPLITS)
    if train.val is False:
        refuse("train.val", "false", "true, since accuracy comes from validation", "Leave train.val out.")
    if train.save is False:
        refuse("train.save", "false", "true, since best.pt is what gets evaluated", "Leave train.save out.")
    if train.time is not None:
        next_step = "Set train.epochs instead: a time limit stops arms at different epochs, and they no longer compare."
        refuse("train.time", train.time, "null", next_step)
    check_ranges(train)
    _check_ignored(train)
    if train.optimizer is not None and train.optimizer.lower() not in {name.lower() for name in OPTIMIZERS}:
        one_of("train.optimizer", train.optimizer, OPTIMIZERS)


def _check_ignored(train: TrainConfig) -> None:
    """Arguments that Ultralytics would pass over beside others."""
    if (train.optimizer or "auto").lower() == "auto":
        for key in ("lr0", "momentum"):
            value = getattr(train, key)
            if value is not None:
                next_step = f"Set train.{key}=null, or name an optimizer, such as train.optimizer=AdamW."
                refuse(f"train.{key}", value, "null with optimizer=auto, which chooses it and ignores this", next_step)
    for key in ("mosaic", "mixup", "cutmix") if train.rect else ():
        if getattr(train, key):
            wanted = "0 or null with train.rect=true, which turns it off"
            refuse(f"train.{key}", getattr(train, key), wanted, f"Set train.{key}=0, or leave train.rect out.")


def _check_compare(plan: Plan) -> None:
    if not 0 < plan.compare.alpha < 1:
        refuse("compare.alpha", plan.compare.alpha, "a level between 0 and 1", "Set compare.alpha=0.05.")
    if plan.compare.control is not None:
        one_of("compare.control", plan.compare.control, CONTROLS)
    one_of("compare.speed", plan.compare.speed, SPEEDS)
    for name, primary in plan.compare.primary.items():
        key = f"compare.primary.{name}"
        one_of(f"{key}.metric", primary.metric, (AUTO, *METRICS))
        one_of(f"{key}.margin_kind", primary.margin_kind, MARGIN_KINDS)
        if not primary.margin > 0:
            next_step = f"Set {key}.margin to the smallest difference that would matter to you."
            refuse(f"{key}.margin", primary.margin, "more than 0", next_step)
        if primary.margin_kind == "relative" and primary.margin >= 1:
            next_step = f"Set {key}.margin=0.02 for 2 %."
            refuse(f"{key}.margin", primary.margin, "a share of the baseline below 1", next_step)
        metric = plan.purpose.accuracy if primary.metric == AUTO else primary.metric
        is_share = _SHARE.match(metric) is not None
        if is_share and primary.margin_kind == "absolute" and primary.margin > WIDEST_MARGIN and not primary.allow:
            expected = f"at most {WIDEST_MARGIN:g}: {metric} runs from 0 to 1, and {primary.margin:g} of it is "
            next_step = f"Set {key}.margin=0.005 for half a point, or {key}.allow=true if you mean it."
            refuse(f"{key}.margin", primary.margin, f"{expected}{100 * primary.margin:g} points", next_step)


def _folder_name(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", value).strip("._-")[:100] or "comparison"
