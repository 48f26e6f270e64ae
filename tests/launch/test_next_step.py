"""The end of a training or a sweep says what to do with its weights, in lines that can be typed."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sdpa_exp.compare.run_compare import compare_sweep
from sdpa_exp.config.plan import Job, Plan, write_plan
from sdpa_exp.launch.next_step import say_weights, say_weights_of
from sdpa_exp.runs.files import best_checkpoint
from tests.compare.folders import crossed, write_sweep
from tests.compare.test_side_by_side import measured
from tests.config.composing import compose_plan


def trained(plan: Plan) -> Plan:
    """A plan whose folder has weights."""
    path = best_checkpoint(plan.run_dir)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return plan


def test_the_lines_have_the_arm_the_data_and_the_folders_of_the_command(tmp_path: Path) -> None:
    command = "python -m sdpa_exp --config-dir my_conf attention=mine dataset=yolo_dir dataset.path=my/data.yaml seed=3"
    overrides = ("attention=sdpa", "dataset=yolo_dir", "dataset.path=my/data.yaml", "seed=3", "train.epochs=2")
    job = Job(run_dir=str(tmp_path), command=command, overrides=overrides)
    screen = io.StringIO()
    say_weights(Console(file=screen), trained(replace(compose_plan("seed=3"), job=job)), {"mAP50-95": 0.5074})
    first, second = screen.getvalue().splitlines()
    words, line = first.split(":  ")
    assert words == "to use best.pt of sdpa (seed 3, mAP50-95 0.507)"
    assert shlex.split(line) == [
        *(["python", "-m", "sdpa_exp", "--config-dir", "my_conf", "task=detect", "attention=sdpa", "dataset=yolo_dir"]),
        "dataset.path=my/data.yaml",
        f"detect.weights={best_checkpoint(tmp_path)}",
    ]
    assert "task=export" in second
    assert f"export.weights={best_checkpoint(tmp_path)}" in second


def test_a_training_without_weights_says_nothing(tmp_path: Path) -> None:
    screen = io.StringIO()
    say_weights(Console(file=screen), replace(compose_plan(), job=Job(run_dir=str(tmp_path))), {})
    assert screen.getvalue() == ""


def test_a_sweep_names_the_best_run_of_the_arm_that_it_recommends(tmp_path: Path) -> None:
    folder = measured(write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 1])))
    comparison = compare_sweep(folder)
    arm = comparison.groups[0].recommendation
    assert arm is not None
    runs = comparison.groups[0].runs.of(arm.arm)
    for run in comparison.runs:
        plan = compose_plan(f"attention={run.arm}", f"seed={run.seed}")
        write_plan(trained(replace(plan, job=Job(run_dir=str(run.folder)))))
    screen = io.StringIO()
    say_weights_of(Console(file=screen), comparison)
    best = max(runs, key=lambda run: run.metrics["mAP50-95"])
    assert f"to use best.pt of {arm.arm} (seed {best.seed}, " in screen.getvalue()
