"""Sets up a real training: the data set checked, the arm proved able to run, the trainer built and nothing started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.config.devices import devices_of
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.bad_files import write_left_out
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import OutOfMemory, first_line
from sdpa_exp.injection.trainer import trainer_class
from sdpa_exp.measure.out_of_memory import is_out_of_memory
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_json_atomic
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.auto_attention import resolve_auto
from sdpa_exp.tasks.batch_norm import CODE, batch_norm_warning
from sdpa_exp.tasks.hardware import set_backends
from sdpa_exp.tasks.optimizer_rule import explicit_optimizer
from sdpa_exp.tasks.preflight import require_backend
from sdpa_exp.tasks.several_devices import require_val_images

_AMP = {"fp32": False, "fp16": True, "bf16": "bf16"}
MATH_CODE = "math_chosen"
_CACHE = {"none": False, "ram": "ram", "disk": "disk"}
OUTPUT_FOLDER = "train"


def train_arguments(plan: Plan, data_yaml: Path) -> dict[str, Any]:
    """Overrides for Ultralytics' trainer; its output goes to `<run folder>/train`."""
    recipe = {key: value for key, value in asdict(plan.train).items() if key != "name" and value is not None}
    hardware = plan.hardware
    device = ",".join(each.removeprefix("cuda:") for each in devices_of(hardware))
    return {
        **recipe,
        "task": plan.purpose.name,
        "mode": "train",
        "model": plan.model.architecture,
        "pretrained": plan.model.weights or False,
        "data": str(data_yaml),
        "seed": plan.seed,
        "batch": hardware.batch,
        "workers": hardware.workers,
        "cache": _CACHE[hardware.cache or "none"],
        "amp": _AMP[hardware.precision or "fp32"],
        "channels_last": hardware.channels_last,
        "device": device,
        "project": str(plan.run_dir),
        "name": OUTPUT_FOLDER,
        "exist_ok": True,
        "verbose": True,
    }


AUTO_FILE = "auto_choice.json"


@dataclass(frozen=True, kw_only=True)
class Training:
    """A trainer that is ready for `train()`, and the Ultralytics arguments that it was planned with."""

    trainer: Any
    arguments: dict[str, Any]


def set_up_training(plan: Plan, event_log: EventLog, outcome: Outcome, **changed: Any) -> Training:
    """The plan's trainer with its backend; findings about the data set go to `outcome`.

    Args:
        plan: resolved (no `None` or `auto` left in the hardware group).
        event_log: open event log of the run folder.
        outcome: gets the data set's digest and warnings.
        **changed: Ultralytics arguments that the task needs otherwise than the recipe has them.

    Raises:
        BackendUnavailable: with reasons.
        DatasetError: the data set can't be used.
    """
    advice = require_backend(plan).advice()
    if advice is not None:
        outcome.warn(event_log, MATH_CODE, advice)
    prepared = prepare(plan.dataset, split=plan.train.split, purpose=plan.purpose)
    write_left_out(prepared.left_out, plan.run_dir)
    for message in prepared.warnings:
        outcome.warn(event_log, "data_set", message)
    wrong = batch_norm_warning(plan, num_train_images=prepared.num_train_images)
    if wrong is not None:
        outcome.warn(event_log, CODE, wrong)
    outcome.digests["data_set"] = prepared.digest
    require_val_images(plan.hardware, prepared.num_val_images)
    set_backends(plan.hardware)
    arguments = train_arguments(plan, prepared.yaml_path) | changed
    num_classes = len(prepared.class_names)
    rule = explicit_optimizer(arguments, num_images=prepared.num_train_images, num_classes=num_classes)
    if rule is not None:
        arguments |= rule[0]
        event_log.write("announcement", text=rule[1])
    trainer: Any = trainer_class(plan.model.architecture)(
        backend=plan.attention.backend,
        overrides=arguments,
        choices=_choices(plan),
        is_strict=plan.determinism == "strict",
        trust_weights=plan.model.trust_weights,
        perturb_seed=None if plan.attention.copy_of is None or plan.job.continue_from else plan.seed,
    )
    torch.set_num_threads(plan.hardware.num_threads or 1)  # here, since building a trainer sets it too
    return Training(trainer=trainer, arguments=arguments)


@contextmanager
def memory_errors(plan: Plan) -> Iterator[None]:
    """A training that runs out of memory, said in words that help; in the first epoch the trainer says it itself.

    Raises:
        OutOfMemory: for any error that means that memory is full.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"a training ran out of memory on {plan.hardware.device}: batch {plan.hardware.batch} at "
            f"{plan.imgsz} px does not fit ({first_line(error)}). Set "
            f"hardware.batch={max(1, (plan.hardware.batch_size or 2) // 2)} or less for all arms, or a smaller "
            "train.imgsz; a sweep comes down by itself with on_oom=repeat."
        ) from error


class StepsDone(Exception):  # noqa: N818 - not an error: the way out of Ultralytics' loop
    """All steps that were wanted are done."""


def close_loaders(trainer: Any) -> None:
    """What Ultralytics does behind a loop that was left: loader processes must not outlive it."""
    for loader in (trainer.train_loader, trainer.test_loader):
        if hasattr(loader, "close"):
            loader.close()


def _choices(plan: Plan) -> dict[str, str] | None:
    """What `auto` chose, written into the run folder with its evidence; None for any other arm."""
    if plan.attention.backend != AUTO_NAME:
        return None
    choice = resolve_auto(plan)
    write_json_atomic(plan.run_dir / AUTO_FILE, choice.to_dict())
    return choice.backends
