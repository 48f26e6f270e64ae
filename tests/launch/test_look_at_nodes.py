"""What a node of Ray's cluster says of itself before a sweep: its disk, its software, its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.config.plan import to_dict
from sdpa_exp.launch.look_at_nodes import _look
from sdpa_exp.launch.on_node import needed_on_nodes, software_here
from tests.config.composing import compose_plan

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_node_says_what_it_lacks_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = compose_plan("tracking=none")
    places = needed_on_nodes(plan.tracking, tmp_path / "sweep")
    here, known = software_here(), [to_dict(plan)]
    missing = _look(places, here, known)
    assert missing is not None
    assert missing.startswith(f"it does not see {tmp_path}/sweep, to which jobs write their results: expected a folder")
    (tmp_path / "sweep").mkdir()
    assert _look(places, here, known) is None
    other = _look(places, {**here, "versions": {**here["versions"], "torch": "9.9"}}, known)
    assert "in place of 9.9: expected what the machine has where the command was typed" in str(other)
    elsewhere = compose_plan("dataset=yolo_dir", f"dataset.path={tmp_path}/data.yaml")
    assert f"{tmp_path}/data.yaml" in str(_look(places, here, [to_dict(elsewhere)]))
