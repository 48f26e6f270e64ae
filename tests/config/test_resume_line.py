"""resume=FOLDER stands for the command that began it, with what is typed beside it in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdpa_exp.config.resume import resume_line, resumed_arguments
from sdpa_exp.errors import ConfigError
from tests.runs.folders import start_run, write_sweep

COMMAND = (
    "python -m sdpa_exp attention=stock,flash seed=0,1 'train.imgsz=320' hydra.sweep.dir=here run.overwrite=true -m"
)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path / "sweep", [("stock", 0), ("flash", 0)], command=COMMAND, cwd=str(tmp_path))
    return tmp_path / "sweep"


@pytest.mark.parametrize(
    ("typed", "merged"),
    [
        ([], ["attention=stock,flash", "seed=0,1", "train.imgsz=320", "-m"]),
        (["seed=0,1,7"], ["attention=stock,flash", "seed=0,1,7", "train.imgsz=320", "-m"]),
        (["hardware=cpu", "-m"], ["attention=stock,flash", "seed=0,1", "train.imgsz=320", "-m", "hardware=cpu"]),
        (["+train.imgsz=64"], ["attention=stock,flash", "seed=0,1", "+train.imgsz=64", "-m"]),
        (
            ["--config-dir", "mine", "resume_changed=keep"],
            [
                "attention=stock,flash",
                "seed=0,1",
                "train.imgsz=320",
                "-m",
                "--config-dir",
                "mine",
                "resume_changed=keep",
            ],
        ),
    ],
)
def test_what_is_typed_again_takes_its_old_place_and_the_folder_is_the_one_that_is_resumed(
    typed: list[str], merged: list[str], sweep: Path
) -> None:
    place = [f'hydra.sweep.dir="{sweep}"', f'resume="{sweep}"']
    assert resumed_arguments(["resume=sweep", *typed]) == [*merged, *place]


def test_a_single_run_is_resumed_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start_run(tmp_path / "a run")
    arguments = resumed_arguments(["resume=a run"])
    assert arguments[-2:] == [f'hydra.run.dir="{tmp_path / "a run"}"', f'resume="{tmp_path / "a run"}"']


def test_without_resume_nothing_changes() -> None:
    for arguments in (["seed=0", "-m"], ["resume=null", "seed=0"]):
        assert resumed_arguments(arguments) == arguments


def test_what_can_not_be_resumed_is_refused_with_the_next_step(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both say where to write"):
        resumed_arguments(["resume=sweep", "hydra.sweep.dir=there"])
    with pytest.raises(ConfigError, match="nowhere does not exist: expected the folder of a run"):
        resumed_arguments(["resume=nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="has nothing to complete: expected the folder of a run"):
        resumed_arguments([f"resume={tmp_path / 'empty'}"])
    start_run(sweep / "0_stock_seed0", arm="stock", sweep_dir=str(sweep))
    with pytest.raises(ConfigError, match="is one run of a sweep") as refused:
        resumed_arguments(["resume=sweep/0_stock_seed0"])
    assert str(refused.value).endswith("python -m sdpa_exp resume=sweep")
    os.chdir(sweep)
    with pytest.raises(ConfigError, match="was typed in") as refused:
        resumed_arguments(["resume=../sweep"])
    assert f"cd {tmp_path}, then python -m sdpa_exp" in str(refused.value)


def test_the_line_that_resumes_can_be_pasted_into_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resume_line(tmp_path / "nothing") is None
    write_sweep(tmp_path / "it's a sweep", [("stock", 0)])
    assert resume_line(tmp_path / "it's a sweep") == """python -m sdpa_exp 'resume=it'"'"'s a sweep'"""
    monkeypatch.setenv("SDPA_EXP_COMMAND", "docker compose run --rm sdpa-exp")
    assert str(resume_line(tmp_path / "it's a sweep")).startswith("docker compose run --rm sdpa-exp ")
