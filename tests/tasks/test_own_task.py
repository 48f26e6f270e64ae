"""A task of one's own: one folder and one YAML file, in a folder that knows nothing of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLASS = '''
from dataclasses import dataclass

from sdpa_exp.config.refusing import at_least
from sdpa_exp.config.task import Task
from sdpa_exp.runs.files import REPORT_FILE


@dataclass
class Count(Task):
    """What is counted."""

    times: int = 1

    def check(self, plan):
        at_least("count.times", self.times, 1, "Set count.times=1.")

    def run(self, plan, event_log, outcome, *, started_perf_s):
        from count.work import layers

        outcome.metrics["num_layers"] = float(self.times * layers(plan))
        (plan.run_dir / REPORT_FILE).write_text(f"{plan.arm}: {outcome.metrics['num_layers']:.0f} layers")
'''
WORK = """
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.layers import find_layers


def layers(plan):
    return len(find_layers(build_network(plan.model.architecture)))
"""
OPTION = """# @package _global_
# How many attention layers has this model?
task:
  name: count              # as this file, and the module of its class
  _target_: count.Count    # its class
count:
  times: 1                 # how often each layer counts
"""


def sdpa_exp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdpa_exp", "--config-dir", "my_conf", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Somebody's own folder with a task in it."""
    for name, text in {"count/__init__.py": CLASS, "count/work.py": WORK, "my_conf/task/count.yaml": OPTION}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_task_of_ones_own_is_one_folder_and_one_file(folder: Path) -> None:
    done = sdpa_exp(folder, "task=count", "count.times=2", "hardware=cpu", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert "sdpa: 16 layers" in done.stdout
    (run_dir,) = (folder / "multirun" / "count").iterdir()
    assert json.loads((run_dir / "result.json").read_text())["metrics"] == {"num_layers": 16.0}


def test_its_options_are_checked_and_it_is_in_the_help(folder: Path) -> None:
    assert "count.times=0 can't work: expected 1 or more" in sdpa_exp(folder, "task=count", "count.times=0").stderr
    assert "count.times=x has the wrong type" in sdpa_exp(folder, "task=count", "count.times=x").stderr
    assert "count         How many attention layers has this model?" in sdpa_exp(folder, "--help", "task").stdout
    assert "count" in sdpa_exp(folder, "--help").stdout
