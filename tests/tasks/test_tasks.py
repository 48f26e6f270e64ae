"""Tasks are found by name, and their options belong to their own runs only."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.plan import from_dict, read_plan, to_dict, write_plan
from sdpa_exp.config.task import load_task, task_class
from sdpa_exp.errors import ConfigError
from sdpa_exp.tracking.params_and_tags import plan_params
from tests.tasks.planning import plan_of

TASKS = sorted(file.stem for file in (conf_dir() / "task").glob("*.yaml"))
NEEDS = {"detect": ("detect.weights=best.pt",), "export": ("export.weights=best.pt", "export.format=torchscript")}


@pytest.mark.parametrize("name", TASKS)
def test_every_option_of_a_task_stands_in_its_file_with_the_default_of_its_class(name: str, tmp_path: Path) -> None:
    content = yaml.safe_load((conf_dir() / "task" / f"{name}.yaml").read_text())
    cls = task_class(name, content["task"]["_target_"])
    assert content.get(name, {}) == dataclasses.asdict(cls())
    assert isinstance(load_task(plan_of(f"task={name}", *NEEDS.get(name, ()), run_dir=tmp_path)), cls)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_an_experiment_of_its_own_name_and_trainings_are_the_comparison(name: str, tmp_path: Path) -> None:
    overrides = (f"task={name}", *NEEDS.get(name, ()))
    assert plan_of(*overrides, run_dir=tmp_path).name == ("comparison" if name == "train" else name)
    assert plan_of(*overrides, "name=mine", run_dir=tmp_path).name == "mine"


def test_a_run_has_the_options_of_its_own_task_and_of_no_other(tmp_path: Path) -> None:
    assert not set(to_dict(plan_of(run_dir=tmp_path))) & (set(TASKS) - {"compare", "train"})
    plan = plan_of("task=bench", "bench.rounds=3", run_dir=tmp_path)
    assert set(to_dict(plan)) & (set(TASKS) - {"compare", "train"}) == {"bench"}
    assert plan_params(plan)["bench.rounds"] == "3"
    params = plan_params(plan_of(run_dir=tmp_path))
    assert not [key for key in params if key.startswith(("bench.", "latency.", "task."))]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere.train.Train", "task=train can't be loaded: No module named 'nowhere'. Expected the class that"),
        ("sdpa_exp.tasks.train.Nothing", "has no attribute 'Nothing'"),
        ("tests.tasks.train", "task.name=train can't work: expected tasks, the module that"),
        ("sdpa_exp.tasks.train.dataclass", "is no task. Expected a subclass of sdpa_exp.config.task.Task."),
    ],
)
def test_a_class_that_is_no_task_is_refused(target: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(f"task._target_={target}", run_dir=tmp_path)
    assert words in str(caught.value)


def test_a_plan_from_before_tasks_named_their_class_can_be_read(tmp_path: Path) -> None:
    plan = plan_of("task=verify", "verify.num_images=9", run_dir=tmp_path)
    content = to_dict(plan) | {"task": {"name": "verify"}, "bench": {"rounds": 10}, "sync": {"folder": "multirun"}}
    before = from_dict(content)
    assert (before.options, before.group_id()) == (plan.options, plan.group_id())


def test_a_run_of_a_task_that_is_not_installed_here_can_still_be_read(tmp_path: Path) -> None:
    content = to_dict(plan_of("task=bench", run_dir=tmp_path))
    content["task"] = {"name": "theirs", "_target_": "theirs.Theirs"}
    content["theirs"] = content.pop("bench")
    plan = from_dict(content)
    assert (plan.options["rounds"], plan.title) == (10, "theirs sdpa seed 0")


def test_the_parent_knows_all_tasks_without_importing_torch() -> None:
    code = "import sys; import sdpa_exp.launch.launch, sdpa_exp.config.validate; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_doctor_itself_imports_nothing_that_may_be_broken() -> None:
    code = "import sys; import sdpa_exp.tasks.doctor.work as t; print({'torch', 'cv2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_options_of_a_task_are_part_of_its_own_groups_only(tmp_path: Path) -> None:
    def group(task: str, *overrides: str) -> str:
        return plan_of(f"task={task}", *overrides, run_dir=tmp_path).group_id()

    assert group("verify", "verify.num_images=9") != group("verify")
    assert group("verify", "seed=9") == group("verify")


def test_a_plan_with_task_options_is_read_back_as_it_was(tmp_path: Path) -> None:
    plan = plan_of("task=verify", "verify.precisions=[fp32,bf16]", run_dir=tmp_path)
    write_plan(plan)
    assert read_plan(tmp_path) == plan


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["task=verify", "verify.num_images=0"], "verify.num_images=0 can't work: expected 1 or more"),
        (["task=verify", "verify.max_ratio=0.5"], "verify.max_ratio=0.5 can't work: expected 1 or more"),
        (
            ["task=verify", "verify.precisions=[fp8]"],
            "verify.precisions=fp8 can't work: expected one of fp32, fp16, bf16",
        ),
        (["task=verify", "verify.precisions=[]"], "expected one or more precisions"),
        (["task=verify", "verify.weights=nowhere.pt"], "nowhere.pt can't work: expected a checkpoint that exists"),
        (["task=setup_trial", "setup_trial.time_limit_s=0"], "setup_trial.time_limit_s=0.0 can't work"),
        (["task=setup_trial", "setup_trial.implementations=[xformers]"], "expected one of pytorch, flash_attn"),
        (["task=setup_trial", "setup_trial.implementations=[]"], "expected one or more implementations"),
        (["task=doctor", "doctor.time_limit_s=0"], "doctor.time_limit_s=0.0 can't work: expected 1 or more"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(*overrides, run_dir=tmp_path)
    assert sentence in str(caught.value)
