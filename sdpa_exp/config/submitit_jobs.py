"""The driver's side of submitit: one job that dies does not end the sweep, and Slurm without accounting is asked, too.

Before the first job a node of Slurm is asked whether it sees what this machine does.
submitit gives up waiting at the first job that left no result, and asks `sacct` alone whether a job has ended: where a
cluster keeps no accounts it would wait for a killed job for ever.
"""

from __future__ import annotations

import getpass
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from sdpa_exp.config.lost_jobs import lose, lose_none
from sdpa_exp.config.refusing import refuse
from sdpa_exp.errors import ConfigError, RunError

_ENDED = "NOT IN THE QUEUE"
_LOOK = ("--quiet", "--immediate=15", "--nodes=1", "--ntasks=1", "--time=1", "--job-name=sdpa_exp_look")
_CHOOSES_NODES = ("partition", "account", "qos", "constraint", "gres")


def require_slurm(name: str, partition: str | None) -> None:
    """Refuse a sweep that Slurm would not take, before anything is made.

    Args:
        name: of the launcher.
        partition: or several with commas between them; None is the cluster's default.

    Raises:
        ConfigError: there is no Slurm here, it does not answer, or has no such partition.
    """
    shown = _answer(["sinfo", "--noheader", "--format=%R"])
    if shown is None:
        raise ConfigError(
            f"hydra/launcher={name} finds no Slurm here: expected sinfo, sbatch and srun that answer. Type the command "
            "on a login node of the cluster; hydra/launcher=submitit_local_sdpa runs the jobs on this machine."
        )
    known = sorted(set(shown.split()))
    for each in (partition or "").split(","):
        if each and each not in known:
            next_step = f"Set hydra.launcher.partition={known[0]}, or null for the cluster's default." if known else ""
            refuse("hydra.launcher.partition", each, f"one of {', '.join(known)}, which sinfo shows", next_step)


def require_seen_by_a_node(name: str, node: Mapping[str, Any], places: Mapping[str, str]) -> None:
    """Let a small job of Slurm look for what all jobs need; where none begins within seconds, the first jobs will tell.

    Args:
        name: of the launcher.
        node: `hydra.launcher`.
        places: path -> what it is, with what to do where a node does not see it.

    Raises:
        RunError: a node does not see one of them.
    """
    wanted = {key: node.get(key) for key in _CHOOSES_NODES}
    options = [f"--{key}={value}" for key, value in wanted.items() if value is not None]
    script = 'for place; do [ -e "$place" ] || echo "unseen $place"; done; echo "node $(hostname)"'
    command = ["srun", *_LOOK, *options, "sh", "-c", script, "sh", *places]
    outside = {key: value for key, value in os.environ.items() if key == "SLURM_CONF" or not key.startswith("SLURM_")}
    *unseen, last = (_answer(command, outside) or "").splitlines() or [""]
    for line in unseen:
        if last.startswith("node ") and (place := line.removeprefix("unseen ")) in places:
            raise RunError(
                f"hydra/launcher={name} can't work here: {last} does not see {place}, {places[place]}. "
                "Nothing was started."
            )


def line_that_cancels() -> str | None:
    """The command that takes this process's jobs out of Slurm's queue; None where it has none there."""
    slurm: Any = sys.modules.get("submitit.slurm.slurm")
    jobs = set() if slurm is None else slurm.SlurmJob.watcher._registered
    return f"scancel {' '.join(sorted({job.partition('_')[0] for job in jobs}))}" if jobs else None


def keep_waiting() -> None:
    """Let submitit in this process wait for all jobs of a sweep, whatever became of the first ones."""
    from hydra.core.utils import JobReturn, JobStatus

    core: Any = importlib.import_module("submitit.core.core")
    errors: Any = importlib.import_module("submitit.core.utils")
    results = core.Job.results
    lose_none()

    def all_results(job: Any) -> list[Any]:
        try:
            return list(results(job))
        except (errors.UncompletedJobError, errors.FailedJobError):
            lose(f"{job.job_id}, {job.state.lower()}", str(job.paths.stderr))
            return [JobReturn(status=JobStatus.COMPLETED, _return_value=float("nan"))]

    core.Job.results = all_results
    slurm: Any = importlib.import_module("submitit.slurm.slurm")

    class Watcher(slurm.SlurmInfoWatcher):  # type: ignore[misc]
        """Asks squeue where sacct has no answer."""

        def update(self) -> None:
            """As submitit does, without its warnings; then look in the queue for those that sacct does not know."""
            command = self._make_command()
            self._info_dict.update(self.read_info(_answer(command) or "") if command else {})
            unknown = {job for job in self._registered - self._finished if not self._info_dict.get(job)}
            if unknown and (queued := _in_queue()) is not None:
                self._info_dict.update({job: {"JobID": job, "State": _ENDED} for job in unknown - queued})
            self._finished |= {job for job in self._registered if self.is_done(job, mode="cache")}
            self._last_status_check = time.time()

    slurm.SlurmJob.watcher = Watcher(delay_s=60)


def _in_queue() -> set[str] | None:
    """Ids of this user's jobs, those of an array one by one; None where squeue has no answer."""
    shown = _answer(["squeue", "--noheader", "--array", "--format=%i", "--user", getpass.getuser()])
    return None if shown is None else set(shown.split())


def _answer(command: list[str], environment: Mapping[str, str] | None = None) -> str | None:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=environment, cwd="/"
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
