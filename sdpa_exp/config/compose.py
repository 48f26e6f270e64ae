"""From Hydra's config to a Plan: the typed schema it is checked against, and the way out of OmegaConf."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.attentions import absolute_backend, arm_name, attentions_below
from sdpa_exp.config.choices import OUTPUTS
from sdpa_exp.config.datasets import own_name
from sdpa_exp.config.mlflow_source import MLFLOW_SOURCE
from sdpa_exp.config.plan import Job, Plan, from_dict
from sdpa_exp.config.refusing import one_of, refuse_old_name
from sdpa_exp.config.resume import RESUME_KEYS, check_resume
from sdpa_exp.config.schema import DATASETS, Config, PrimaryMetric
from sdpa_exp.config.task import Task, other_task, path_options, task_class, task_names
from sdpa_exp.config.validate import check_plan
from sdpa_exp.errors import ConfigError

SCHEMA_PREFIXES = ("base_schema", "schema_")
_SQLITE = "sqlite:///"


@functools.cache
def register_schemas() -> None:
    """Tell Hydra the types of all keys, once in a process, so that it refuses a wrong key or type by itself."""
    store = ConfigStore.instance()
    # The root is open, so that a task can bring a block of options; _refuse_unknown_keys has the list of keys.
    store.store(name="base_schema", node=OmegaConf.structured(Config, flags={"struct": False}))
    for kind, cls in DATASETS.items():
        store.store(group="dataset", name=f"schema_{kind}", node=cls)


def plan_from_config(cfg: DictConfig, job: Job) -> Plan:
    """The checked Plan of one job; relative paths are taken from the current folder.

    Raises:
        ConfigError: a key that the schema does not know, a value or a combination that can't work.
        OmegaConfBaseException: a value is missing or an interpolation leads nowhere; hydra_errors.py has the sentences.
    """
    content: dict[str, Any] = {
        str(key): OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
        if OmegaConf.is_config(value)
        else value
        for key, value in cfg.items()
        if key != "hydra"
    }
    task = task_class(content["task"]["name"], content["task"]["_target_"])
    _refuse_unknown_keys(content)
    content.pop("run")  # not what a run does: what happens to its folder
    check_resume({key: content.pop(key) for key in RESUME_KEYS})
    one_of("output", content.pop("output"), OUTPUTS)  # not what a run does: how the command shows it
    beside = {"wait": content.pop("wait"), "shares_device": content.pop("allow_shared_device")}
    _check_options(content, task)
    _make_paths_absolute(content, task)
    content["dataset"]["name"] = own_name(content["dataset"])
    _resolve_attentions(content, _config_dirs(cfg))
    plan = from_dict({**content, "job": {**asdict(job), **beside}})
    check_plan(plan)
    return plan


def _config_dirs(cfg: DictConfig) -> list[Path]:
    """The folders that --config-dir names; Hydra's own part is beside the job's config before a run, not in it."""
    hydra = cfg.get("hydra") or (HydraConfig.get() if HydraConfig.initialized() else None)
    sources = hydra.runtime.config_sources if hydra is not None else []
    folders = [Path(source.path) for source in sources if source.schema == "file"]
    return [folder for folder in folders if folder.resolve() != conf_dir()]


def _resolve_attentions(content: dict[str, Any], config_dirs: list[Path]) -> None:
    attention = content["attention"]
    attention["name"] = arm_name(attention["name"], attention["backend"])
    attention["backend"] = absolute_backend("attention.backend", attention["backend"], config_dirs)
    content["attentions"] = attentions_below(config_dirs)
    task = content["task"]["name"]
    options = content.get(task) or {}
    if options.get("arms") is not None:
        options["arms"] = [absolute_backend(f"{task}.arms", arm, config_dirs) for arm in options["arms"]]


def _refuse_unknown_keys(content: dict[str, Any]) -> None:
    """`+key=value` and a file of the root package get past Hydra's check."""
    known = {field.name for field in fields(Config)}
    _refuse_unknown("", set(content) - known - {content["task"].get("name")}, known)
    kind = str((content.get("dataset") or {}).get("kind"))
    classes: dict[str, Any] = {field.name: field.default_factory for field in fields(Config)}
    classes["dataset"] = DATASETS.get(kind)
    for key, cls in classes.items():
        if isinstance(cls, type) and isinstance(content.get(key), dict):
            known = {field.name for field in fields(cls)}
            _refuse_unknown(f"{key}.", set(content[key]) - known, known)
    known = {field.name for field in fields(PrimaryMetric)}
    for name, primary in content["compare"]["primary"].items():
        _refuse_unknown(f"compare.primary.{name}.", set(primary) - known, known)


def _refuse_unknown(prefix: str, unknown: set[str], known: set[str]) -> None:
    for key in sorted(unknown & task_names()):
        raise other_task(key)
    for key in sorted(unknown):
        refuse_old_name(f"{prefix}{key}")
    if unknown:
        names = ", ".join(f"{prefix}{key}" for key in sorted(unknown))
        expected = ", ".join(f"{prefix}{key}" for key in sorted(known)[:20])
        raise ConfigError(f"{names} would have no effect: no such key. Expected one of {expected}. Take it out.")


def _check_options(content: dict[str, Any], task: type[Task]) -> None:
    """Give the task's block its types and defaults; OmegaConf refuses a wrong key or type by name."""
    name = content["task"]["name"]
    if fields(task) and name in {field.name for field in fields(Config)}:
        raise ConfigError(
            f"A task with options can't be called {name}: that is a key of every run. Give it another name, the one "
            f"of its file in conf/task/ and of its module."
        )
    if fields(task) or name not in {field.name for field in fields(Config)}:
        typed = OmegaConf.create({name: OmegaConf.structured(task)})
        merged: Any = OmegaConf.merge(typed, {name: content.get(name) or {}})
        content[name] = OmegaConf.to_container(merged, throw_on_missing=True)[name]  # type: ignore[index]


def _make_paths_absolute(content: dict[str, Any], task: type[Task]) -> None:
    dataset = content.get("dataset") or {}
    if dataset.get("path"):
        dataset["path"] = _absolute(dataset["path"])
    for key in ("architecture", "weights"):  # a file here, or a name that Ultralytics knows
        value = content["model"].get(key)
        if value and Path(value).expanduser().exists():
            content["model"][key] = _absolute(value)
    options = content.get(content["task"]["name"]) or {}
    options |= {key: _absolute(options[key]) for key in path_options(task) if options[key] and _is_path(options[key])}
    content["compare"]["runs"] = [_source(text) for text in content["compare"]["runs"]]
    uri = content["tracking"].get("uri")
    if uri and uri.startswith(_SQLITE) and not uri.startswith(f"{_SQLITE}:memory:"):
        path, mark, query = uri.removeprefix(_SQLITE).partition("?")
        content["tracking"]["uri"] = f"{_SQLITE}{_absolute(path)}{mark}{query}"


def _is_path(text: str) -> bool:
    """Whether a source is no address and no number of a camera."""
    return "://" not in text and (not text.isdecimal() or Path(text).exists())


def _source(text: str) -> str:
    """A path, made absolute, or runs in MLflow, for which the bare id of a run is enough."""
    if text.startswith(MLFLOW_SOURCE):
        return text
    is_run_id = re.fullmatch(r"[0-9a-f]{32}", text) and not Path(text).exists()
    return f"{MLFLOW_SOURCE}{text}" if is_run_id else _absolute(text)


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())
