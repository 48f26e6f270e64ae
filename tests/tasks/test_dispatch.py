"""Tasks are found by name, and their options belong to their own runs only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config import validate, validate_tasks
from sdpa_exp.config.plan import read_plan, write_plan
from sdpa_exp.errors import ConfigError
from sdpa_exp.tasks.dispatch import TASKS, get_task
from sdpa_exp.tasks.setup_trial.work import IMPLEMENTATIONS
from tests.tasks.planning import plan_of


def test_every_task_is_known_to_the_config_and_has_a_file() -> None:
    assert set(TASKS) == set(validate.TASKS)
    for name in TASKS:
        assert yaml.safe_load((conf_dir() / "task" / f"{name}.yaml").read_text()) == {"name": name}


def test_every_implementation_is_known_to_the_config() -> None:
    assert set(IMPLEMENTATIONS) == set(validate_tasks.IMPLEMENTATIONS)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_can_be_loaded(name: str) -> None:
    assert callable(get_task(name).load())


def test_an_unknown_task_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="task=trian does not exist: expected one of train, bench, "):
        get_task("trian")


def test_the_parent_knows_all_tasks_without_importing_torch() -> None:
    code = "import sys; import sdpa_exp.launch.launch, sdpa_exp.tasks.dispatch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_doctor_itself_imports_nothing_that_may_be_broken() -> None:
    code = "import sys; import sdpa_exp.tasks.doctor.work as t; print({'torch', 'cv2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_options_of_a_task_are_part_of_its_own_groups_only(tmp_path: Path) -> None:
    def group(task: str, *overrides: str) -> str:
        return plan_of(f"task={task}", *overrides, run_dir=tmp_path).group_id()

    assert group("train", "verify.num_images=9") == group("train")
    assert group("verify", "verify.num_images=9") != group("verify")
    assert group("verify", "setup_trial.time_limit_s=9") == group("verify")


def test_a_plan_with_task_options_is_read_back_as_it_was(tmp_path: Path) -> None:
    plan = plan_of("task=verify", "verify.precisions=[fp32,bf16]", "setup_trial.time_limit_s=30", run_dir=tmp_path)
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


def test_options_of_another_task_are_not_judged(tmp_path: Path) -> None:
    assert plan_of("task=train", "verify.num_images=0", run_dir=tmp_path).verify.num_images == 0
