"""Before a sweep goes to Slurm: one of its nodes is asked whether it sees what all jobs need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config import lost_jobs, submitit_jobs
from sdpa_exp.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path

NODE = {"partition": "gpu", "gres": "gpu:1", "account": None}
ON_THIS_MACHINE = '#!/bin/sh\necho "$@" > {log}\nwhile [ "${{1#--}}" != "$1" ]; do shift; done\nexec "$@"\n'


def _srun(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "srun").write_text(script, encoding="utf-8")
    (folder / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_what_a_node_does_not_see_is_refused_before_the_first_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _srun(tmp_path, monkeypatch, ON_THIS_MACHINE.format(log=tmp_path / "asked"))
    places = {str(tmp_path): "which is there", str(tmp_path / "a b"): "to which jobs write: expected a shared disk"}
    with pytest.raises(RunError, match=r"slurm_sdpa can't work here: node \S+ does not see .*/a b, to which jobs wr"):
        submitit_jobs.require_seen_by_a_node("slurm_sdpa", NODE, places)
    assert "--partition=gpu --gres=gpu:1 sh -c" in (tmp_path / "asked").read_text(encoding="utf-8")
    (tmp_path / "a b").touch()
    submitit_jobs.require_seen_by_a_node("slurm_sdpa", NODE, places)


def test_a_cluster_without_a_free_node_does_not_hold_a_sweep_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _srun(tmp_path, monkeypatch, "#!/bin/sh\necho 'unseen /nowhere'\nexit 1\n")
    submitit_jobs.require_seen_by_a_node("slurm_sdpa", NODE, {"/nowhere": "which nobody looked for"})


def test_jobs_that_left_no_log_are_told_what_that_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "1.err"
    monkeypatch.setattr(lost_jobs, "_lost", {})
    assert lost_jobs.lost_jobs() is None
    lost_jobs.lose("1, failed", str(log))
    words = "There is no log: expected one in the sweep's folder, which has to be on a disk"
    assert words in str(lost_jobs.lost_jobs())
    log.touch()
    assert str(lost_jobs.lost_jobs()) == f"1 of the jobs ended without a word: 1, failed, whose log is {log}."
