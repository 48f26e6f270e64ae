"""Folders are made by one process alone, held by one, and used once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import EVENTS_FILE, PLAN_FILE, SWEEP_FILE
from sdpa_exp.runs.folder import is_owned, own_folder

MAKE = "from pathlib import Path; from sdpa_exp.runs.folder import make_folder; import sys\n"
MAKE += "sys.stdin.readline(); print([make_folder(Path(sys.argv[1])).name for _ in range(40)])"


def test_processes_that_start_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path / "runs" / "12-00-00")]
    makers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(3)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("now\n")
        maker.stdin.flush()
    made = [name for maker in makers for name in eval(maker.communicate()[0])]
    assert sorted(made) == sorted(["12-00-00", *(f"12-00-00_{num}" for num in range(2, 121))])


def test_the_owner_may_ask_again_and_the_folder_is_free_when_it_is_done(tmp_path: Path) -> None:
    with own_folder(tmp_path / "run"):
        with own_folder(tmp_path / "run"):
            assert is_owned(tmp_path / "run")
        assert is_owned(tmp_path / "run")
    assert not is_owned(tmp_path / "run")


@pytest.mark.parametrize("name", [PLAN_FILE, EVENTS_FILE])
def test_a_used_folder_is_refused_without_a_trace(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="already holds a run: expected a new or an empty folder"):
        own_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_moved_aside_keeps_its_name_and_moves_nothing_else_aside(tmp_path: Path) -> None:
    for content in ("first", "second", "third"):
        with own_folder(tmp_path / "sweep", overwrite=True):
            (tmp_path / "sweep" / SWEEP_FILE).write_text(content, encoding="utf-8")
    found = {path.name: (path / SWEEP_FILE).read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert found == {"sweep_old": "first", "sweep_old2": "second", "sweep": "third"}
