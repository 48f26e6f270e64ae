"""The command line from outside: a process, its exit code, and what the run layer is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.config.plan import write_plan
from tests.recorded_entry import SINGLE_EXIT_CODE, SWEEP_EXIT_CODE
from tests.runs.folders import plan_for, write_sweep

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Answer:
    code: int
    calls: list[dict[str, Any]]
    err: str

    def names(self) -> list[str]:
        return [call["call"] for call in self.calls]

    def jobs(self) -> list[tuple[int, str]]:
        return [(call["plan"]["seed"], call["plan"]["arm"]) for call in self.calls if call["call"] == "run_job"]


def ask(*arguments: str, cwd: Path, behaviour: str = "") -> Answer:
    done = start(["-m", "tests.recorded_entry", *arguments], cwd, RECORDED_LAUNCH=behaviour)
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    return Answer(code=done.returncode, calls=calls, err=done.stderr)


def start(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "jobs"),
    [
        ("attention=flash,sdpa seed=0,42 -m", [(0, "flash"), (0, "sdpa"), (42, "sdpa"), (42, "flash")]),
        ("seed=0,42 attention=flash,sdpa -m", [(0, "flash"), (0, "sdpa"), (42, "sdpa"), (42, "flash")]),
        ("attention=flash,sdpa seed=7 -m", [(7, "flash"), (7, "sdpa")]),
        ("attention=flash,sdpa -m seed=7", [(7, "flash"), (7, "sdpa")]),
        ("-m attention=flash,sdpa --config-dir . seed=7", [(7, "flash"), (7, "sdpa")]),
        ("attention=flash,sdpa -m", [(0, "flash"), (0, "sdpa")]),
        ("attention=stock,sdpa seeds=pair", [(0, "stock"), (0, "sdpa"), (42, "sdpa"), (42, "stock")]),
        ("experiment=stock_vs_sdpa seed=3", [(3, "stock"), (3, "sdpa")]),
    ],
)
def test_seeds_are_outermost_and_arms_turn_round(line: str, jobs: list[tuple[int, str]], tmp_path: Path) -> None:
    assert ask(*line.split(), cwd=tmp_path).jobs() == jobs


def test_a_sweep_over_tasks_is_one_folder_although_each_task_has_an_experiment_of_its_own(tmp_path: Path) -> None:
    begin, *jobs, end = ask("task=verify,profile", "hardware=cpu", "-m", cwd=tmp_path).calls
    assert {str(Path(job["plan"]["run_dir"]).parent) for job in jobs} == {begin["sweep_dir"]} == {end["sweep_dir"]}


def test_a_sweep_is_announced_whole_then_run_then_ended(tmp_path: Path) -> None:
    answer = ask("attention=flash,sdpa", "seed=0,42", "train.imgsz=320", "-m", cwd=tmp_path)
    assert answer.names() == ["begin_sweep", *["run_job"] * 4, "end_sweep"]
    assert answer.code == SWEEP_EXIT_CODE
    assert answer.err == ""
    begin, *jobs, end = answer.calls
    assert begin["plans"] == [job["plan"] for job in jobs]
    assert begin["sweep_dir"] == end["sweep_dir"] == jobs[0]["plan"]["sweep_dir"]
    assert Path(begin["sweep_dir"]).parent == tmp_path / "multirun" / "comparison"
    for num, job in enumerate(jobs):
        plan = job["plan"]
        assert plan["run_dir"] == f"{begin['sweep_dir']}/{num}_{plan['arm']}_seed{plan['seed']}"
        assert (plan["num"], plan["num_jobs"], plan["imgsz"]) == (num, 4, 320)
        assert plan["command"].endswith("attention=flash,sdpa seed=0,42 train.imgsz=320 -m")
        assert f"attention={plan['arm']}" in plan["overrides"]
    assert [job["plan"]["arm"] for job in jobs] == ["flash", "sdpa", "sdpa", "flash"]  # drift hits both alike


def test_everything_lands_below_the_sweep_folder(tmp_path: Path) -> None:
    sweep_dir = Path(ask("attention=flash,sdpa", "-m", cwd=tmp_path).calls[0]["sweep_dir"])
    assert [path.name for path in tmp_path.iterdir()] == ["multirun"]
    assert {path.name for path in sweep_dir.iterdir()} == {
        *("0_flash_seed0", "1_sdpa_seed0", "multirun.yaml", ".owner.lock")
    }
    assert {path.name for path in (sweep_dir / "0_flash_seed0").iterdir()} == {".hydra"}


def test_a_command_with_quotes_reaches_the_jobs_as_it_was_typed(tmp_path: Path) -> None:
    text = "tracking.uri='http://a b/x=%7B&y=${name}'"
    calls = ask(text, "hydra.sweep.dir=here", "-m", cwd=tmp_path).calls
    assert calls[1]["call"] == "run_job"
    assert calls[0]["command"] == calls[1]["plan"]["command"]
    assert calls[1]["plan"]["sweep_dir"] == str(tmp_path / "here")


def test_a_sweep_below_a_folder_with_an_odd_name_stays_in_it(tmp_path: Path) -> None:
    cwd = tmp_path / "é \"x' b=c,d"
    cwd.mkdir()
    begin, *jobs, _ = ask("attention=flash,sdpa", "-m", cwd=cwd).calls
    assert Path(begin["sweep_dir"]).parent == cwd / "multirun" / "comparison"
    assert {Path(job["plan"]["run_dir"]).parent for job in jobs} == {Path(begin["sweep_dir"])}


def test_a_single_run_hands_its_exit_code_on(tmp_path: Path) -> None:
    answer = ask("attention=stock", cwd=tmp_path)
    assert (answer.names(), answer.code, answer.err) == (["run_single"], SINGLE_EXIT_CODE, "")
    assert answer.calls[0]["plan"]["sweep_dir"] is None
    assert answer.calls[0]["plan"]["num_jobs"] == 1


def test_a_sweep_that_the_run_layer_refuses_ends_with_its_sentence_and_code(tmp_path: Path) -> None:
    answer = ask("attention=flash,sdpa", "-m", cwd=tmp_path, behaviour="refuse")
    assert (answer.names(), answer.code) == (["begin_sweep"], 8)
    assert answer.err == "The store is locked: expected a free one. Stop the other sweep.\n"


@pytest.mark.parametrize("line", ["attention=stock", "attention=stock,sdpa -m"])
def test_ctrl_c_ends_with_130_and_one_line(line: str, tmp_path: Path) -> None:
    answer = ask(*line.split(), cwd=tmp_path, behaviour="interrupt")
    assert answer.code == 130
    (folder,) = (tmp_path / "multirun" / "comparison").iterdir()
    kept = f"multirun/comparison/{folder.name}"
    assert answer.err == f"Ended by Ctrl-C (SIGINT). What was measured so far is kept in {kept}\n"
    assert answer.names().count("run_job") <= 1
    assert "end_sweep" not in answer.names()


@pytest.mark.parametrize(("line", "behaviour"), [("seed=1", "crash"), ("seed=1,2 -m", "crash_at_start")])
def test_a_bug_shows_its_traceback(line: str, behaviour: str, tmp_path: Path) -> None:
    answer = ask(*line.split(), cwd=tmp_path, behaviour=behaviour)
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "RuntimeError: a bug in" in answer.err


def test_the_parent_stays_free_of_torch_ultralytics_and_mlflow(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['sdpa-exp', '--cfg', 'job']\n"
        "from sdpa_exp.__main__ import main\n"
        "main(); print(sorted({'torch', 'ultralytics', 'mlflow', 'numpy'} & set(sys.modules)))"
    )
    done = start(["-c", script], tmp_path)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    for call in ask("attention=flash,sdpa", "-m", cwd=tmp_path).calls:
        assert call["heavy"] == []


def test_cfg_job_prints_the_configuration_and_runs_nothing(tmp_path: Path) -> None:
    done = start(["-m", "sdpa_exp", "attention=flash", "hardware.batch=3", "--cfg", "job"], tmp_path)
    assert done.returncode == 0
    assert "backend: flash" in done.stdout
    assert "batch: 3" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "words"), [("--info", "Config search path"), ("--hydra-help", "Hydra"), ("--version", "sdpa_exp 0.")]
)
def test_hydras_own_options_work(option: str, words: str, tmp_path: Path) -> None:
    done = start(["-m", "sdpa_exp", option], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that this user can't write to")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    answer = ask("hydra.run.dir=closed/run", cwd=tmp_path)
    assert answer.code == 7
    assert "Permission denied. What was recorded so far stays." in answer.err
    assert "Traceback" not in answer.err


def test_another_python_is_told_which_one_to_use(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "sdpa_exp", "task=doctor"]  # -S: without any installed package
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is not installed for" in done.stderr
    assert "Use .venv/bin/python" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_starts_at_the_same_time_share_no_folder(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.recorded_entry", f"hydra.{kind}.dir=m/${{now:%Y}}"]  # one year: one name
    command += ["seed=0,1", "-m"] if kind == "sweep" else []
    started = [
        subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    calls = [[json.loads(line) for line in process.communicate()[0].splitlines()] for process in started]
    folders = [{call["plan"][f"{kind}_dir"] for call in each if "plan" in call} for each in calls]
    assert [len(each) for each in folders] == [1, 1, 1]
    year = next(iter((tmp_path / "m").iterdir())).name[:4]
    assert set.union(*folders) == {f"{tmp_path}/m/{year}{suffix}" for suffix in ("", "_2", "_3")}
    for each in calls:
        (folder,) = {call["plan"][f"{kind}_dir"] for call in each if "plan" in call}
        assert all(call["plan"]["run_dir"].startswith(folder) for call in each if "plan" in call)


def test_two_jobs_with_one_folder_are_refused_before_the_first_with_the_overrides_of_both(tmp_path: Path) -> None:
    answer = ask("attention=stock,sdpa", "seed=0,1", "hydra.sweep.subdir=${attention.name}", "-m", cwd=tmp_path)
    assert (answer.code, answer.calls) == (2, [])
    assert answer.err == (
        "hydra.sweep.subdir gives job 2 (seed=0 attention=sdpa) and job 3 (seed=1 attention=sdpa) the same folder, "
        "sdpa: expected one for each job. Leave it out, or put ${hydra.job.num} into it.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_of_a_job_names_every_swept_key(tmp_path: Path) -> None:
    line = ("attention=stock", "train.imgsz=320,640", "model=yolo12n,yolo11n", "train.epochs=3", "-m")
    calls = ask(*line, cwd=tmp_path).calls
    assert [Path(call["plan"]["run_dir"]).name for call in calls if call["call"] == "run_job"] == [
        "0_stock_seed0_imgsz-320_model-yolo12n",
        "1_stock_seed0_imgsz-320_model-yolo11n",
        "2_stock_seed0_imgsz-640_model-yolo12n",
        "3_stock_seed0_imgsz-640_model-yolo11n",
    ]


def test_a_sweep_folder_that_is_named_again_is_completed_with_its_own_job_folders(tmp_path: Path) -> None:
    sweep = _begun_sweep(tmp_path / "sweep")
    for line in ("resume=sweep seed=0,7", "attention=stock,flash seed=0,7 hydra.sweep.dir=sweep -m"):
        begin, *jobs, end = ask(*line.split(), "hardware=cpu", cwd=tmp_path).calls
        assert (begin["call"], end["call"]) == ("begin_again", "end_sweep"), line
        assert begin["known"] == [True, True, False, False]
        assert begin["command"].endswith("attention=stock,flash seed=0,7 hardware=cpu -m") or "resume" not in line
        names = [Path(job["plan"]["run_dir"]).name for job in jobs]
        assert names == ["0_stock_seed0", "1_flash_seed0", "2_flash_seed7", "3_stock_seed7"], "arms take turns"
        assert not (sweep / "0_stock_seed0" / ".hydra").exists(), "nothing is written into a run that is kept"
        assert (sweep / "2_flash_seed7" / ".hydra").exists()
        _begun_sweep(sweep)


def test_a_command_that_leaves_out_runs_of_the_folder_is_refused(tmp_path: Path) -> None:
    _begun_sweep(tmp_path / "sweep")
    answer = ask("attention=flash,sdpa", "hydra.sweep.dir=sweep", "-m", cwd=tmp_path)
    assert (answer.code, answer.calls) == (2, [])
    assert "leaves out 1 of the 2 runs that sweep holds (stock seed 0): expected all of them" in answer.err


def test_a_single_run_is_resumed_with_its_own_command(tmp_path: Path) -> None:
    plan = plan_for(tmp_path / "run", arm="stock", cwd=str(tmp_path))
    write_plan(replace(plan, job=replace(plan.job, command="python -m sdpa_exp attention=stock")))
    answer = ask("resume=run", "hardware=cpu", "resume_mode=continue", cwd=tmp_path)
    (call,) = answer.calls
    assert (call["call"], call["mode"], call["plan"]["run_dir"]) == ("resume_single", "continue", str(tmp_path / "run"))
    assert answer.code == SINGLE_EXIT_CODE


def test_a_word_that_resume_does_not_know_is_refused_with_the_nearest(tmp_path: Path) -> None:
    answer = ask("resume_changed=keeps", cwd=tmp_path)
    assert "resume_changed=keeps can't work: expected one of keep, repeat. Set resume_changed=keep." in answer.err


def _begun_sweep(folder: Path) -> Path:
    command = "python -m sdpa_exp attention=stock,flash seed=0 -m"
    write_sweep(folder, [("stock", 0), ("flash", 0)], command=command, cwd=str(folder.parent))
    return folder


@pytest.mark.parametrize(
    ("line", "document"),
    [
        ("attention=stock", {"folder": "run", "exit_code": SINGLE_EXIT_CODE}),
        ("attention=stock,sdpa -m", {"folder": "run", "exit_code": SWEEP_EXIT_CODE, "comparison": None, "runs": []}),
        ("train.epoch=3", {"exit_code": 2, "error": {"class": "ConfigError"}}),
        ("hardware.device=cuda:99", {"exit_code": 2, "error": {"class": "ConfigError"}}),
    ],
)
def test_output_json_is_one_document_and_all_else_goes_to_stderr(
    line: str, document: dict[str, Any], tmp_path: Path
) -> None:
    folders = ["hydra.run.dir=run", "hydra.sweep.dir=run"]
    done = start(["-m", "tests.recorded_entry", *line.split(), *folders, "output=json"], tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == found["exit_code"]
    if "error" in found:
        assert found["error"].pop("message") == done.stderr.strip()
    else:
        assert '"call"' in done.stderr
        found["folder"] = Path(found["folder"]).name
    assert found == document


def test_the_tab_key_completes_options_through_hydra(tmp_path: Path) -> None:
    script = start(["-m", "sdpa_exp", "-sc", "install=bash"], tmp_path)
    assert "complete -o nospace -o default -F hydra_bash_completion" in script.stdout
    line = "sdpa-exp attention=fl"
    asked = start(["-m", "sdpa_exp", "-sc", "query=bash"], tmp_path, COMP_LINE=line, COMP_POINT=str(len(line)))
    assert {"attention=flash", "attention=flash_attn", "attention=flex"} <= set(asked.stdout.split())
