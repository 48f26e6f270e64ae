"""task=answer on a real, tiny model: what a process measures, which arms it takes, and the time that it plans."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.compare.answer.measurement import measurement_of
from sdpa_exp.errors import BackendUnavailable, ConfigError
from sdpa_exp.tasks.answer import Answer
from sdpa_exp.tasks.answer.process import measure
from sdpa_exp.tasks.answer.same_function import same_function
from sdpa_exp.tasks.answer.setup import Found, Setup, arms_here, named_arms, set_up
from sdpa_exp.tasks.answer.work import choose_baseline, command_for, plan_time
from sdpa_exp.tasks.hardware import resolve_hardware
from tests.tasks.planning import plan_of

OWN = "def doubled(q, k, v, scale):\n    return 2 * ((q @ k.mT * scale).softmax(-1) @ v)\n"
TINY = (
    "task=answer", "hardware=cpu", "hardware.num_threads=1", "hardware.batch=2", "train.imgsz=64",
    "dataset.num_train_images=4", "dataset.num_val_images=3", "dataset.image_px=64",
)  # fmt: skip


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """The model and a batch, with an attention of one's own among the arms."""
    folder = tmp_path_factory.mktemp("answer")
    (folder / "mine.py").write_text(OWN, encoding="utf-8")
    plan = plan_of(*TINY, f"answer.arms=[stock,sdpa,'{folder}/mine.py:doubled']", run_dir=folder)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    return set_up(plan, named_arms(plan)[0])


@pytest.fixture(scope="module")
def arms(setup: Setup) -> dict[str, str]:
    return arms_here(setup, *named_arms(setup.plan)).arms


@pytest.fixture(scope="module")
def measured(setup: Setup, arms: dict[str, str]) -> dict[str, Any]:
    return measure(setup, {"arms": arms, "rounds": 2, "share_s": 60.0}, 0)


def test_a_process_has_times_kernels_and_memory_of_every_arm(arms: dict[str, str], measured: dict[str, Any]) -> None:
    assert list(arms) == ["stock", "sdpa", "doubled"]
    for level in ("step", "inference"):
        assert {arm: len(times) for arm, times in measured[level]["seconds"].items()} == dict.fromkeys(arms, 2)
    assert measured["kernels"]["step"]["sdpa"]["forward"] == ["flash"]
    assert all(measured["memory"][arm]["allocated_mib"] > 1 for arm in arms)


def test_processes_that_repeat_each_other_make_a_measurement(
    setup: Setup, arms: dict[str, str], measured: dict[str, Any]
) -> None:
    functions = same_function(setup, arms, num_images=2)
    content = {
        "where": {}, "baseline": "stock", "arms": arms, "refused": {}, "same_as": {}, "same_function": functions,
        "processes": [measured, {**measured, "kernels": None}],
    }  # fmt: skip
    found = measurement_of(content)
    assert (found.num_processes, found.others) == (2, ("sdpa", "doubled"))
    assert found.functions["sdpa"].ok
    assert not found.functions["doubled"].ok
    assert found.kernels["stock"] == "explicit softmax"


def test_without_names_all_arms_that_train_here_are_taken_and_one_of_those_with_the_same_kernel(setup: Setup) -> None:
    plan = plan_of(*TINY, run_dir=setup.plan.run_dir)
    every = dataclasses.replace(setup, plan=dataclasses.replace(setup.plan, options=plan.options))
    found = arms_here(every, *named_arms(every.plan))
    assert sorted(found.arms) == ["eager", "math", "sdpa", "stock"]
    assert found.same_as == {"flash": "sdpa"}
    assert "answer.arms" in found.refused["flex"]
    assert "efficient" in found.refused
    assert "identity" not in {*found.arms, *found.refused}


def test_a_large_model_gets_fewer_rounds_and_is_announced_as_long() -> None:
    small, large = (plan_time(step_s=step_s, startup_s=5.0, num_arms=4, options=Answer()) for step_s in (0.2, 8.0))
    assert (small.rounds, large.rounds) == (8, 2)
    assert small.total_s < 180 < large.total_s


def test_a_baseline_that_cannot_run_is_refused(setup: Setup) -> None:
    plan = dataclasses.replace(setup.plan, baseline="efficient")
    found = Found(arms={"stock": "stock"}, refused={"efficient": "it has no CPU kernel"}, same_as={})
    with pytest.raises(BackendUnavailable, match=r"baseline=efficient can't run here: it has no CPU kernel. Leave it"):
        choose_baseline(plan, found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("answer.arms=[sdpa]", "answer.arms=\\[sdpa\\] can't work: expected two or more"),
        ("answer.arms=[sdpa,sdpa]", "expected each arm once"),
        ("answer.processes=1", "answer.processes=1"),
        ("answer.rounds=0", "answer.rounds=0"),
        ("answer.arms=[sdpa,flsh]", "Did you mean flash?"),
    ],
)
def test_what_cannot_work_is_refused(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_of("task=answer", line, run_dir=tmp_path)


def test_the_line_to_use_it_keeps_what_was_asked_for(tmp_path: Path) -> None:
    plan = plan_of("task=answer", "model=yolo12s", "answer.rounds=4", run_dir=tmp_path)
    job = dataclasses.replace(plan.job, overrides=("task=answer", "model=yolo12s", "answer.rounds=4"))
    line = command_for(dataclasses.replace(plan, job=job), "sdpa")
    assert line == "python -m sdpa_exp attention=sdpa model=yolo12s"


def test_the_line_to_use_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with a space stays one word, and a container says how it is started."""
    monkeypatch.setenv("SDPA_EXP_COMMAND", "docker compose run --rm train")
    plan = plan_of("task=answer", run_dir=tmp_path)
    job = dataclasses.replace(plan.job, overrides=("dataset=yolo_dir", "dataset.path='my pears/data.yaml'"))
    line = command_for(dataclasses.replace(plan, job=job), "sdpa")
    words = ["docker", "compose", "run", "--rm", "train", "attention=sdpa", *job.overrides]
    assert shlex.split(line) == words
