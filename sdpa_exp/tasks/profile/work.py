"""task=profile: where a training step goes, in time and in memory, and how much attention could save at most."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from ultralytics.utils.torch_utils import unwrap_model

from sdpa_exp.attention.registry import get_backend
from sdpa_exp.callbacks.attach import attach
from sdpa_exp.callbacks.attestation import attest_step
from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.config.plan import Plan
from sdpa_exp.evidence.attest import Attestation, attestation_from
from sdpa_exp.injection.inject import layer_backend
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.profile import Profile
from sdpa_exp.tasks.profile.attribution import Breakdown, attribute
from sdpa_exp.tasks.profile.figures import draw_memory, draw_step
from sdpa_exp.tasks.profile.memory import MemorySteps, StepMemory
from sdpa_exp.tasks.profile.parts import PARTS
from sdpa_exp.tasks.profile.report import render_profile
from sdpa_exp.tasks.profile.schedule import Schedule, Stage
from sdpa_exp.tasks.profile.timing import StepTimes, Unit, summarise, turns
from sdpa_exp.tasks.profile.trace import ProfiledSteps
from sdpa_exp.tasks.training import StepsDone, close_loaders, memory_errors, set_up_training

PROFILE_FILE = "profile.json"
TRACE_FILE = "trace.json.gz"
SCHEMA_VERSION = 1
# What stands between the steps and is no part of one; and a warm-up of the learning rate would also make the optimiser
# step more often than it does later.
_CHANGED: dict[str, Any] = {"val": False, "save": False, "plots": False, "warmup_epochs": 0.0}


def profile(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Profile a short real training; fills `outcome`, profile.json, report.txt, two pictures and the trace.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: before the first step, with reasons.
        DatasetError: the data set can't be used.
        RunError: out of memory, too few steps, or a profiler that saw too little.
        AttestationError: something else ran than what was asked for.
    """
    training = set_up_training(plan, event_log, outcome, **_CHANGED)
    trainer = training.trainer
    clock = PhaseClock(event_log, started_perf_s=started_perf_s, device=trainer.device)
    steps = _Steps(plan, clock)
    attach(trainer, steps)
    try:
        with memory_errors(plan):
            trainer.train()
    except StepsDone:
        close_loaders(trainer)
    finally:
        clock.close_into(outcome)

    found = steps.found()
    _fill(outcome, event_log, found)
    content = _content(plan, outcome, found)
    write_results(plan.run_dir / PROFILE_FILE, content, render_profile)
    if Profile.of(plan).trace:
        steps.profiled.write_trace(plan.run_dir / TRACE_FILE)
    draw_step(content, plan.run_dir / "profile_step.png")
    draw_memory(content, plan.run_dir / "profile_memory.png")
    found.attestation.raise_if_wrong()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """Everything that was measured."""

    times: StepTimes
    memory: StepMemory
    breakdown: Breakdown
    attestation: Attestation
    accumulate: int


class _Steps:
    """Plans the stages when the model is there, and reads them when they are done."""

    def __init__(self, plan: Plan, clock: PhaseClock) -> None:
        self._plan = plan
        self._clock = clock

    def callbacks(self) -> dict[str, Any]:
        """The stages join the trainer's callbacks as soon as it has its model."""
        return {"on_pretrain_routine_end": self._plan_stages}

    def found(self) -> Found:
        """What the stages measured.

        Raises:
            RunError: the profiler saw too little.
        """
        stock = frozenset(layer.name for layer in self._layers if get_backend(layer_backend(layer)).function is None)
        assert self.memory.result is not None
        return Found(
            times=summarise([unit.result for unit in self._units if unit.result is not None]),
            memory=self.memory.result,
            breakdown=attribute(
                self.profiled.profiler.events(),
                stock_layers=stock,
                expected_layers=[layer.name for layer in self._layers],
                on_cuda=self._device.type == "cuda",
            ),
            attestation=self._attestation,
            accumulate=self._accumulate,
        )

    def _plan_stages(self, trainer: Any) -> None:
        options = Profile.of(self._plan)
        model = unwrap_model(trainer.model)
        self._device = trainer.device
        self._layers = find_layers(model)
        self._accumulate = update = trainer.accumulate
        self._units = [Unit("timing", update, self._layers, is_identity=flag) for flag in turns(options.num_pairs)]
        self.memory = MemorySteps("memory", update, model, self._layers)
        self.profiled = ProfiledSteps("profiled", _multiple(options.num_steps, update), model, self._layers)
        stages: list[Stage] = [
            Stage("warmup", _multiple(options.warmup_steps, update)),
            Unit("warmup", update, self._layers, is_identity=True),
            *self._units,
            self.memory,
            self.profiled,
        ]
        attach(trainer, Schedule(stages, at_end=self._attest, on_stage=self._clock.enter))

    def _attest(self, trainer: Any) -> None:
        self._clock.enter("attestation")
        evidence = attest_step(trainer, precision=self._plan.hardware.precision or "fp32")
        self._attestation = attestation_from(evidence, self._layers)


def _multiple(count: int, of: int) -> int:
    """The least multiple of `of` that is not below `count`."""
    return -(-count // of) * of


def _fill(outcome: Outcome, event_log: EventLog, found: Found) -> None:
    times, breakdown, memory = found.times, found.breakdown, found.memory
    share = breakdown.share("product")
    outcome.metrics |= {
        "step_s": times.step_s,
        "product_share": share,
        "amdahl_bound": 1 / (1 - share),
        "identity_speedup": times.speedup,
        "data_wait_share": times.data_s / times.step_s,
        "profiler_slowdown": breakdown.step_s / times.step_s,
        "peak_tensors_mib": memory.peak,
        "saved_activations_mib": memory.saved,
        "saved_in_attention_mib": memory.saved_attention,
    }
    outcome.attest(event_log, found.attestation.summary())


def _content(plan: Plan, outcome: Outcome, found: Found) -> dict[str, Any]:
    """What profile.json holds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "arm": plan.arm,
        "backend": plan.attention.backend,
        "model": plan.model.name,
        "dataset": plan.dataset.name,
        "recipe": plan.train.name,
        "imgsz": plan.imgsz,
        "batch": plan.hardware.batch,
        "precision": plan.hardware.precision,
        "device": plan.hardware.device,
        "num_threads": torch.get_num_threads(),
        "workers": plan.hardware.workers,
        "num_layers": found.attestation.num_layers,
        "accumulate": found.accumulate,
        "changed_arguments": _CHANGED,
        "versions": {"torch": torch.__version__},
        "parts": {part.key: part.meaning for part in PARTS},
        "metrics": outcome.metrics,
        "times": dataclasses.asdict(found.times),
        "step": dataclasses.asdict(found.breakdown),
        "memory": dataclasses.asdict(found.memory),
        "attestation": found.attestation.summary(),
    }
