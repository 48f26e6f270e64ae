"""The options of single tasks, checked only where that task runs: a leftover in a preset hurts nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdpa_exp.config.attentions import check_backend_name
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, multiple_of_32, one_of, refuse
from sdpa_exp.config.task_schema import PredictConfig

PRECISIONS = ("fp32", "fp16", "bf16")
PREDICT_PRECISIONS = ("fp32", "fp16")  # Ultralytics' predictor has no bf16
BENCH_LEVELS = ("op", "module", "inference", "step")
IMPLEMENTATIONS = ("pytorch", "flash_attn")
_MAX_PROFILED = 50


def check_task_options(plan: Plan) -> None:
    """Check the options of the plan's own task.

    Raises:
        ConfigError: one sentence about the first that can't work.
    """
    check = _CHECKS.get(plan.task.name)
    if check is not None:
        check(plan)


def _check_doctor(plan: Plan) -> None:
    at_least("doctor.time_limit_s", plan.doctor.time_limit_s, 1, "Set doctor.time_limit_s=60.")


def _check_verify(plan: Plan) -> None:
    at_least("verify.num_images", plan.verify.num_images, 1, "Set verify.num_images=4.")
    at_least("verify.max_ratio", plan.verify.max_ratio, 1, "Set verify.max_ratio=2, the rule of this project.")
    for precision in plan.verify.precisions or ():
        one_of("verify.precisions", precision, PRECISIONS)
    if plan.verify.precisions == []:
        refuse("verify.precisions", "[]", "one or more precisions", "Set verify.precisions=null for all there are.")
    if plan.verify.weights and not Path(plan.verify.weights).is_file():
        refuse("verify.weights", plan.verify.weights, "a checkpoint that exists", "Give the path of a best.pt.")


def _check_predict(plan: Plan) -> None:
    options = plan.predict
    for key, wanted in (("weights", "a checkpoint"), ("source", "an image, a folder or a video")):
        value = getattr(options, key)
        if value and not Path(value).exists():
            next_step = "Check the path; relative ones are taken from the current folder."
            refuse(f"predict.{key}", value, f"{wanted} that exists", next_step)
    at_least("predict.num_images", options.num_images, 1, "Set predict.num_images=64.")
    at_least("predict.num_batches", options.num_batches, 1, "Set predict.num_batches=100.")
    at_least("predict.time_limit_s", options.time_limit_s, 1, "Set predict.time_limit_s=40.")
    for key in ("batches", "precisions", "channels_last"):
        if getattr(options, key) == []:
            refuse(f"predict.{key}", "[]", "one or more values", f"Leave predict.{key} out for its default.")
    for batch in options.batches:
        at_least("predict.batches", batch, 1, "Set predict.batches=[1,8].")
    for precision in options.precisions or ():
        one_of("predict.precisions", precision, PREDICT_PRECISIONS)
    for arm in options.arms or ():
        check_backend_name("predict.arms", arm, plan.attentions)
    _check_predictor(options)


def _check_predictor(options: PredictConfig) -> None:
    """What Ultralytics' predictor is told."""
    if options.imgsz is not None:
        multiple_of_32("predict.imgsz", options.imgsz)
    if not 0 <= options.conf < 1:
        refuse("predict.conf", options.conf, "a confidence from 0 to below 1", "Set predict.conf=0.25.")
    if options.nms is True:
        next_step = "Set predict.nms=null for NMS outside the model, false for a head without it."
        refuse("predict.nms", "true", "null or false, as only exported models hold an NMS", next_step)


def _check_profile(plan: Plan) -> None:
    at_least("profile.warmup_steps", plan.profile.warmup_steps, 1, "Set profile.warmup_steps=4.")
    at_least("profile.num_pairs", plan.profile.num_pairs, 2, "Set profile.num_pairs=6; one pair has no spread.")
    at_least("profile.num_steps", plan.profile.num_steps, 1, "Set profile.num_steps=3.")
    if plan.profile.num_steps > _MAX_PROFILED:
        next_step = "Set profile.num_steps=3; each step makes the trace larger and its reading longer."
        refuse("profile.num_steps", plan.profile.num_steps, f"at most {_MAX_PROFILED}", next_step)
    if plan.train.compile:
        next_step = "Leave train.compile out: the parts of a compiled step can't be told apart."
        refuse("train.compile", plan.train.compile, "false with task=profile", next_step)


def _check_setup_trial(plan: Plan) -> None:
    at_least("setup_trial.time_limit_s", plan.setup_trial.time_limit_s, 1, "Set setup_trial.time_limit_s=600.")
    if not plan.setup_trial.implementations:
        next_step = f"Set setup_trial.implementations=[{','.join(IMPLEMENTATIONS)}]."
        refuse("setup_trial.implementations", "[]", "one or more implementations", next_step)
    for name in plan.setup_trial.implementations:
        one_of("setup_trial.implementations", name, IMPLEMENTATIONS)


def _check_bench(plan: Plan) -> None:
    options = plan.bench
    leave = "Leave it out for the default."
    for key in ("arms", "levels", "precisions", "op_shapes", "imgsz", "batches", "inference_batches"):
        if getattr(options, key) == []:
            refuse(f"bench.{key}", "[]", "one or more", leave)
    _check_bench_names(plan)
    for shape in options.op_shapes or ():
        if len(shape) not in (4, 5) or min(shape) < 1:
            refuse("bench.op_shapes", shape, "[B,H,N,D] of numbers from 1 on", "Set bench.op_shapes=[[8,8,256,64]].")
    for key in ("imgsz", "inference_batches", "batches"):
        for value in getattr(options, key) or ():
            at_least(f"bench.{key}", value, 1, leave)
    at_least("bench.rounds", options.rounds, 2, "Set bench.rounds=10.")
    at_least("bench.time_limit_s", options.time_limit_s, 1, "Set bench.time_limit_s=170.")
    if not 0 <= options.margin < 1:
        refuse("bench.margin", options.margin, "a share from 0 to 1", "Set bench.margin=0.02.")


def _check_bench_names(plan: Plan) -> None:
    options = plan.bench
    for level in options.levels:
        one_of("bench.levels", level, BENCH_LEVELS)
    for precision in options.precisions or ():
        one_of("bench.precisions", precision, PRECISIONS)
    arms = options.arms or []
    for key, name in [("bench.arms", arm) for arm in arms] + [("attention", plan.attention.backend)]:
        check_backend_name(key, name, plan.attentions)
        if name == "auto":
            next_step = "Take it out: what is fastest here is what task=bench finds out."
            refuse(key, name, "attentions that can be timed, and auto is a choice among them", next_step)
        if arms.count(name) > 1:
            refuse("bench.arms", f"[{','.join(arms)}]", "each arm once", f"Take out one {name}.")


_CHECKS: dict[str, Callable[[Plan], None]] = {
    "bench": _check_bench,
    "doctor": _check_doctor,
    "verify": _check_verify,
    "predict": _check_predict,
    "profile": _check_profile,
    "setup_trial": _check_setup_trial,
}
