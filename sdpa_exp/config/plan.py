"""The Plan: everything one run needs to know, frozen, in plain values; `plan.yaml` in the run folder is its file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from sdpa_exp.config.architectures import purpose_of
from sdpa_exp.config.datasets import group_of
from sdpa_exp.config.schema import (
    DATASETS,
    AnyDataset,
    AttentionConfig,
    CompareConfig,
    HardwareConfig,
    ModelConfig,
    ObjectiveConfig,
    PrimaryMetric,
    TaskConfig,
    TelemetryConfig,
    TrackingConfig,
)
from sdpa_exp.config.task import load_task
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.files import PLAN_FILE, SWEEP_FILE, write_text_atomic
from sdpa_exp.runs.purposes import CLASSIFY, Purpose

SCHEMA_VERSION = 1
DEFAULT_IMGSZ = 640  # Ultralytics' own, where the recipe says nothing
CLASSIFY_IMGSZ = 224  # the same, of its ClassificationTrainer

# What may differ between two runs that are still compared: the arm and the seed, and what can't touch a measurement.
_OUTSIDE_GROUP = (
    "attention", "attentions", "seed", "baseline", "name", "tracking", "compare", "job", "on_oom", "objective",
)  # fmt: skip
_PRICES = ("price_per_gpu_hour", "price_per_kwh", "currency")
# What only names a choice whose every setting stands beside it, and how often telemetry looks (0.1 s or more apart).
_LABELS = (
    ("model", "name"),
    ("dataset", "name"),
    ("hardware", "name"),
    ("train", "name"),
    ("telemetry", "name"),
    ("telemetry", "period_s"),
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where a run stands in its sweep.

    Attributes:
        sweep_dir: None for a single run.
        cwd: the folder that the command was typed in.
        continue_from: a checkpoint below the run folder to go on from; None starts from scratch.
        wait: for another run of ours that holds the GPU; without it the run is refused.
        shares_device: with other runs that are told so, at the same time.
        gpus: UUIDs of those that its process may see; empty where nobody has chosen any.
    """

    run_dir: str
    sweep_dir: str | None = None
    num: int = 0
    num_jobs: int = 1
    command: str = ""
    overrides: tuple[str, ...] = ()
    cwd: str = field(default_factory=os.getcwd)
    continue_from: str | None = None
    wait: bool = True
    shares_device: bool = False
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: one arm, one seed, one comparison group. The group values are treated as immutable.

    Attributes:
        options: of the task, as plain values, so that a run of a task that is not installed here can be read; the
            task's class reads them with `of`.
        attentions: options of one's own (below a --config-dir), so that tasks with several arms know them by name.
    """

    name: str
    seed: int
    baseline: str | None
    model: ModelConfig
    dataset: AnyDataset
    attention: AttentionConfig
    hardware: HardwareConfig
    train: TrainConfig
    task: TaskConfig
    telemetry: TelemetryConfig
    tracking: TrackingConfig
    compare: CompareConfig
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    options: dict[str, Any] = field(default_factory=dict)
    determinism: str = "default"
    on_nan: str = "fail"
    on_oom: str = "fail"
    attentions: dict[str, str] = field(default_factory=dict)
    job: Job = field(default_factory=lambda: Job(run_dir="."))

    @property
    def arm(self) -> str:
        """The name of the attention choice."""
        return self.attention.name

    @property
    def imgsz(self) -> int:
        """Edge of a training image in pixels."""
        return self.train.imgsz or (CLASSIFY_IMGSZ if self.purpose is CLASSIFY else DEFAULT_IMGSZ)

    @property
    def purpose(self) -> Purpose:
        """What the model is for: boxes, masks, ..."""
        return purpose_of(self.model.architecture)

    def backend_of(self, arm: str) -> str:
        """The backend that an arm's name stands for in this run."""
        return self.attention.backend if arm == self.arm else self.attentions.get(arm, arm)

    @property
    def title(self) -> str:
        """Names the run for people: `sdpa seed 0`, `verify flash seed 0`, `bench stock, sdpa seed 0`, `data weeds3`."""
        if self.task.name == "data":  # no arm looks at it, and nothing in it is drawn
            return f"data {self.dataset.name}"
        task = "" if self.task.name == "train" else f"{self.task.name} "
        return f"{task}{self._arms()} seed {self.seed}"

    @property
    def recipe(self) -> str:
        """What a training trains: `yolo12n at 160 px, 5 epochs, batch 8, synthetic`."""
        weights = "" if self.model.weights is None else f" from {Path(self.model.weights).name}"
        train, batch = self.train, self.hardware.batch
        size = "Ultralytics' own image size" if train.imgsz is None else f"{train.imgsz} px"
        epochs = "Ultralytics' own number of" if train.epochs is None else f"{train.epochs}"
        return (
            f"{self.model.name}{weights} at {size}, {epochs} epoch{'' if train.epochs == 1 else 's'}, "
            f"batch {'chosen on the machine' if batch is None else batch}, {self.dataset.name}"
        )

    def _arms(self) -> str:
        try:
            has_own_arms = load_task(self).has_own_arms
        except ConfigError:  # of somebody else's task, that is not here
            has_own_arms = False
        if not has_own_arms:
            return self.arm
        return ", ".join(arm.rpartition(":")[2] for arm in self.options["arms"] or ["all arms"])

    @property
    def run_dir(self) -> Path:
        """The run folder."""
        return Path(self.job.run_dir)

    def group(self) -> dict[str, Any]:
        """All settings that must be equal for two arms to be compared; labels and prices are not among them.

        A comparison goes further: it takes data sets in two places for one where their digests are equal.
        """
        group = {key: value for key, value in to_dict(self).items() if key not in _OUTSIDE_GROUP}
        group["task"] = {"name": self.task.name}
        group["hardware"] = {key: value for key, value in group["hardware"].items() if key not in _PRICES}
        if self.hardware.devices == 1:  # the group has the name that it had before there were several
            del group["hardware"]["devices"]
        group["dataset"] = group_of(group["dataset"])
        for block, key in _LABELS:
            del group[block][key]
        return group

    def labels(self) -> dict[str, Any]:
        """What may differ between runs of one comparison group without touching a figure: `hardware.name` and such."""
        return {f"{block}.{key}": getattr(getattr(self, block), key) for block, key in _LABELS}

    def group_id(self) -> str:
        """A short digest of `group()`: runs with the same id differ in nothing but arm and seed."""
        return _digest(self.group())

    def key(self) -> str:
        """A short digest of the group, the arm and the seed: what a run is, wherever it stands in a sweep."""
        return _digest([self.group(), asdict(self.attention), self.seed])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain dicts, lists and scalars, with tuples as lists; the task's options stand below its name."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    options = content.pop("options")
    return content | ({plan.task.name: options} if options else {})


def write_plan(plan: Plan) -> Path:
    """Write `plan.yaml` into the plan's run folder and return its path."""
    plan.run_dir.mkdir(parents=True, exist_ok=True)
    path = plan.run_dir / PLAN_FILE
    content = {"schema_version": SCHEMA_VERSION, "group_id": plan.group_id(), **to_dict(plan)}
    write_text_atomic(path, yaml.safe_dump(content, sort_keys=False))
    return path


def read_plan(run_dir: Path) -> Plan:
    """Read `plan.yaml` of a run folder; the folders in the plan are those it is in now.

    Raises:
        ConfigError: the file is missing, of another schema version, or has wrong keys.
    """
    path = run_dir / PLAN_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: expected a run folder that sdpa_exp wrote.") from error
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2024-13-01 is a ValueError
        raise ConfigError(f"{path} is not readable as YAML: {error}") from error
    if not isinstance(content, dict) or content.pop("schema_version", None) != SCHEMA_VERSION:
        raise ConfigError(f"{path} has another schema version than {SCHEMA_VERSION}: run it with the version it names.")
    content.pop("group_id", None)
    return _at_home(from_dict(content), Path(os.path.abspath(run_dir)))


def _at_home(plan: Plan, run_dir: Path) -> Plan:
    """The plan with the folders it is in now: it may have been moved or copied, alone or with its sweep."""
    job = plan.job
    if job.sweep_dir is not None:
        way_up = os.path.relpath(job.sweep_dir, job.run_dir)
        above = Path(os.path.normpath(run_dir / way_up))
        job = replace(job, sweep_dir=str(above) if (above / SWEEP_FILE).exists() else job.sweep_dir)
    return replace(plan, job=replace(job, run_dir=str(run_dir)))


def from_dict(content: dict[str, Any]) -> Plan:
    """Build a Plan from plain values.

    Raises:
        ConfigError: a key is unknown or missing.
    """
    groups: dict[str, type[Any]] = {
        "model": ModelConfig,
        "attention": AttentionConfig,
        "hardware": HardwareConfig,
        "train": TrainConfig,
        "task": TaskConfig,
        "telemetry": TelemetryConfig,
        "tracking": TrackingConfig,
        "compare": CompareConfig,
        "objective": ObjectiveConfig,
        "job": Job,
    }
    try:
        values = _with_options(content)
        kind = (values.get("dataset") or {}).get("kind")
        if kind not in DATASETS:
            raise ConfigError(f"dataset.kind={kind} is unknown: expected one of {', '.join(DATASETS)}.")
        groups["dataset"] = DATASETS[kind]
        for key, cls in groups.items():
            if key in values:
                values[key] = cls(**values[key])
        values["compare"].primary = {k: PrimaryMetric(**v) for k, v in values["compare"].primary.items()}
        if "job" in values:
            job = {f.name: getattr(values["job"], f.name) for f in fields(Job)}
            values["job"] = Job(**{**job, "overrides": tuple(job["overrides"]), "gpus": tuple(job["gpus"])})
        return Plan(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"the plan can't be read: {error}.") from error


def _with_options(content: dict[str, Any]) -> dict[str, Any]:
    """The values with the block of the task under `options`.

    Plans from before tasks named their class hold the blocks of all other tasks, too, which are left out.
    """
    task = content.get("task") or {}
    name = str(task.get("name"))
    known = {each.name for each in fields(Plan)}
    own = {} if name in known else content.get(name, {})
    values = {key: value for key, value in content.items() if key in known or ("_target_" in task and key != name)}
    return values | {"options": own}
