"""Preflight where the jobs run: once for each class of node, and a node that is not like the driver says so."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, cast

import pytest

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import RunError
from sdpa_exp.launch import on_node
from sdpa_exp.launch.before_sweep import frozen_hardware, known_hardware
from sdpa_exp.launch.launch import run_job
from sdpa_exp.runs.sweep import Sweep, read_sweep, write_sweep
from tests.config.composing import compose_plan

PLAN = compose_plan("hardware.batch=auto", "tracking=none")
ASKED = PLAN.hardware


def _sweep(folder: Path) -> Sweep:
    folder.mkdir()
    sweep = Sweep(folder=folder, name="s", preflight=on_node.left_to_nodes([PLAN], folder))
    write_sweep(sweep)
    return sweep


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[HardwareConfig]:
    """What the preflight process says on each node in turn; it takes torch, and is tested with every sweep."""
    found: list[HardwareConfig] = []

    def ask(plans: list[Any], sweep_dir: Path) -> dict[str, Any]:
        (plan,) = plans
        entry = {
            "asked": dataclasses.asdict(plan.hardware),
            "resolved": dataclasses.asdict(found.pop(0)),
            "reasons": {},
        }
        return {"error": None, "hardware": [entry], "arms": [], "same_kernel": [], "warnings": ["w"], "data_sets": []}

    monkeypatch.setattr(on_node, "ask_preflight", ask)
    return found


def test_the_first_job_on_a_class_of_node_finds_out_and_the_others_take_it(
    tmp_path: Path, answers: list[HardwareConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = _sweep(tmp_path / "sweep")
    assert frozen_hardware(sweep, ASKED) == ASKED, "the driver says nothing of the nodes"
    big, small = (dataclasses.replace(ASKED, device="cuda:0", batch=batch) for batch in (64, 16))
    answers += [big, small]
    for node, expected in (("A100, 8 cores", big), ("A100, 8 cores", big), ("T4, 4 cores", small)):
        monkeypatch.setattr(on_node, "node_class", lambda node=node: node)
        sweep = on_node.look_at_node(sweep, PLAN.tracking)
        assert frozen_hardware(sweep, ASKED, node) == expected
    assert answers == []
    again = read_sweep(tmp_path / "sweep")
    assert again.preflight["nodes"] == ["A100, 8 cores", "T4, 4 cores"]
    assert again.preflight["warnings"] == ["w"]
    assert known_hardware(again, ASKED) is None
    assert known_hardware(again, ASKED, "H200, 8 cores") is None


def test_a_node_with_other_versions_is_refused_before_its_run(tmp_path: Path) -> None:
    sweep = _sweep(tmp_path / "sweep")
    software = sweep.preflight["software"]
    changed = {**software, "python": "3.99.0", "versions": {**software["versions"], "torch": "9.9"}}
    sweep = dataclasses.replace(sweep, preflight={**sweep.preflight, "software": changed})
    with pytest.raises(RunError, match=r"node \S+ has Python 3\.\S+ in place of 3\.99\.0 and torch \S+ in place"):
        on_node.look_at_node(sweep, PLAN.tracking)


def test_a_sweep_on_this_machine_is_left_as_it_is(tmp_path: Path) -> None:
    sweep = Sweep(folder=tmp_path, name="s", preflight={"hardware": []})
    assert on_node.look_at_node(sweep, PLAN.tracking) is sweep


def test_a_node_is_known_by_its_processor_or_gpus_and_the_cores_it_gives() -> None:
    assert on_node.node_class().endswith(" cores")


def test_a_node_that_does_not_see_the_tracking_store_would_make_one_of_its_own_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_node, "_STORE_IS_MADE_S", 0.0)
    sweep_dir, database = tmp_path / "shared" / "sweep", tmp_path / "login" / "mlflow.db"
    store = dataclasses.replace(PLAN.tracking, kind="mlflow", uri=f"sqlite:///{database}")
    with pytest.raises(RunError, match=r"node \S+ does not see \S+/login/mlflow\.db, the tracking store: .* that all"):
        on_node.require_store(store, sweep_dir)
    on_node.require_store(dataclasses.replace(store, uri=f"sqlite:///{tmp_path}/shared/mlflow.db"), sweep_dir)
    on_node.require_store(dataclasses.replace(store, uri="http://127.0.0.1:5000"), sweep_dir)
    on_node.require_store(dataclasses.replace(store, kind="none"), sweep_dir)
    assert {str(sweep_dir), str(database.parent)} < set(on_node.needed_on_nodes(store, sweep_dir))
    database.touch()
    on_node.require_store(store, sweep_dir)
    assert str(database) in on_node.needed_on_nodes(store, sweep_dir)


def test_a_job_on_a_node_without_the_sweeps_disk_says_so_and_leaves_nothing_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = dataclasses.replace(PLAN.job, run_dir=str(tmp_path / "sweep" / "0"), sweep_dir=str(tmp_path / "sweep"))
    assert math.isnan(cast("float", run_job(dataclasses.replace(PLAN, job=job))))
    assert "does not see" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
