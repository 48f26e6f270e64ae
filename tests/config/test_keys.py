"""What a key means and takes, as `--help` and the documentation's reference say it."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.keys import keys
from tests.config.composing import compose_config


def test_every_key_of_the_configuration_is_known_with_its_meaning() -> None:
    known = keys([conf_dir()])
    composed = {name for task in sorted(conf_dir().glob("task/*.yaml")) for name in _leaves(task.stem)}
    assert sorted(name for name in composed if name not in known) == []
    unexplained = [key.name for key in known.values() if not key.meaning and key.name.rpartition(".")[2] != "name"]
    assert unexplained == []


def test_a_key_says_what_it_takes_and_what_each_file_sets_it_to() -> None:
    batch = keys([conf_dir()])["hardware.batch"]
    assert batch.values["train=quick"] == "8"
    assert batch.values["hardware=a100"] == "64"
    assert keys([conf_dir()])["bench.levels"].takes == "a list of step, inference, module or op, or null"
    assert keys([conf_dir()])["bench.rounds"].takes == "a whole number"


def test_a_folder_of_ones_own_adds_its_keys(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    file = tmp_path / "task" / "count.yaml"
    file.write_text("# @package _global_\n# How many?\ncount:\n  times: 1   # how often # each\n", encoding="utf-8")
    assert keys([conf_dir(), tmp_path])["count.times"].meaning == "how often # each"


def _leaves(task: str) -> set[str]:
    """The dotted names of all values of a configuration, but for Hydra's own and the folders of a job."""
    found: set[str] = set()
    todo = [("", compose_config(f"task={task}"))]
    while todo:
        above, node = todo.pop()
        for name in map(str, node):
            key = f"{above}{name}"
            if name in ("_target_", "hydra", "copy_of"):
                continue
            if hasattr(node[name], "keys"):
                todo.append((f"{key}.", node[name]))
            else:
                found.add(key)
    return found
