"""hydra/launcher=slurm_sdpa on a cluster of this one machine, which tests/scale/slurm.sh starts."""

from __future__ import annotations

import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import TINY, finished, learnt, start
from tests.scale.sweeps import ARMS, in_store, statuses, when_training

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is not installed")


def _has_cluster() -> bool:
    if shutil.which("sinfo") is None:
        return False
    return subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _has_cluster(), reason="there is no Slurm cluster here: see tests/scale/slurm.sh"),
]
SLURM = (
    "hydra/launcher=slurm_sdpa", "hydra.launcher.gres=null", "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.mem_gb=4",
)  # fmt: skip


def _running() -> list[str]:
    command = ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%A"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_an_array_of_jobs_learns_what_they_learn_one_after_the_other(tmp_path: Path) -> None:
    for name, more in (("basic", ()), ("slurm", SLURM)):
        (tmp_path / name).mkdir()
        command = start([*TINY, *more, *ARMS], tmp_path / name)
        assert command.wait() == 0, command.output
        assert len(finished(tmp_path / name / "sweep")) == 4
    assert learnt(tmp_path / "slurm" / "sweep") == learnt(tmp_path / "basic" / "sweep")
    assert len(read_sweep(tmp_path / "slurm" / "sweep").preflight["nodes"]) == 1
    assert not (tmp_path / "slurm" / "sweep" / "multirun").exists()


@pytest.mark.parametrize("way", ["requeued", "preempted"])
def test_a_job_that_is_put_back_into_the_queue_begins_anew_and_its_second_attempt_counts(
    way: str, tmp_path: Path
) -> None:
    command = when_training(tmp_path, SLURM, 1, "train.epochs=20", "hydra.launcher.array_parallelism=1")
    if way == "requeued":
        subprocess.run(["scontrol", "requeue", _running()[0]], check=True)
    else:
        urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1"]
        subprocess.run(urgent, check=True)
    assert command.wait() == 0, command.output
    assert statuses(tmp_path / "sweep") == ["FINISHED"] * 4
    attempts = [attempt for job in read_sweep(tmp_path / "sweep").jobs for attempt in earlier_attempts(job.run_dir)]
    assert [attempt["status"] for attempt in attempts] == ["KILLED"]
    assert attempts[0]["repeated_because"].startswith("preempted or requeued: Slurm put its job back into the queue")
    assert "preempted or requeued" in (tmp_path / "sweep" / "comparison.txt").read_text(encoding="utf-8")
    assert "RUNNING" not in in_store(tmp_path)


def test_a_job_that_meets_its_time_limit_writes_its_record_and_the_sweep_ends(tmp_path: Path) -> None:
    limit = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=60", "hydra.launcher.array_parallelism=4")
    command = when_training(tmp_path, SLURM, 1, "train.epochs=4000", "seed=0", *limit)
    assert command.wait() != 0
    assert "KILLED" in statuses(tmp_path / "sweep")
    assert "Traceback" not in command.output
    assert "RUNNING" not in in_store(tmp_path)


def test_a_job_that_is_cancelled_is_recorded_without_an_accounting_of_slurm(tmp_path: Path) -> None:
    command = when_training(tmp_path, SLURM, 1, "train.epochs=20")
    subprocess.run(["scancel", "--signal=KILL", "--full", _running()[0]], check=True)
    assert command.wait() != 0
    assert sorted(map(str, statuses(tmp_path / "sweep"))) == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]
    assert "Traceback" not in command.output
    assert "RUNNING" not in in_store(tmp_path)
    again = start(["resume=sweep"], tmp_path)
    assert again.wait() == 0, again.output
    assert statuses(tmp_path / "sweep") == ["FINISHED"] * 4


def test_ctrl_c_leaves_the_jobs_in_the_queue_and_says_so(tmp_path: Path) -> None:
    command = when_training(tmp_path, SLURM, 1)
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    assert "the jobs stay in Slurm's queue, and run all the same. To take them out:  scancel " in command.output
    assert "goes on by itself: wait for its end before you resume or compare." in command.output
    assert "To go on:  python -m sdpa_exp resume=sweep" in command.output
    subprocess.run(["scancel", "--name=sdpa_exp"], check=True)


def test_a_partition_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    command = start([*TINY, *SLURM, "hydra.launcher.partition=nowhere", *ARMS], tmp_path)
    assert command.wait() == 2
    assert "hydra.launcher.partition=nowhere can't work: expected one of all, urgent" in command.output
    assert list(tmp_path.iterdir()) == [command.screen], "nothing was made"
