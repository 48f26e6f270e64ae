"""`hydra/launcher=ray_sdpa`: the jobs of a sweep as tasks of Ray, each in a process of its own.

Ray itself repeats nothing (max_retries=0 of its tasks): whether a job runs again is decided here, where it is known
what ended it, so that the run's record can say so. hydra-ray-launcher is not used: it wants a cloudpickle below 3.
"""

from __future__ import annotations

import math
import os
import re
import signal
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from sdpa_exp.config.lost_jobs import lose
from sdpa_exp.config.ray_cluster import JOB_VARIABLE, answers, connected, last_line, nodes_of
from sdpa_exp.errors import ConfigError, RunError
from sdpa_exp.runs.limits import CORES_VARIABLE

LOG_FOLDER = ".ray"
"""Of a sweep's folder: what each job prints."""
_POLL_S = 0.5
_LOOK_S = 5.0
_ENDS_S = 45.0  # a job that is cancelled ends its training step, and writes its record
_HEAD_RETURNS_S = 20.0
_NODE_RETURNS_S = 60.0
_ADDRESS = re.compile(r"Node IP: ([^,\s]+)")


class RunsOnRay(Launcher):
    """Starts all jobs as tasks, and waits for them; one that dies is noted, and the others go on."""

    def __init__(self, **settings: Any) -> None:
        self._settings: dict[str, Any] = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's, before `launch`."""
        self._for_jobs = (hydra_context, task_function, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hydra's: the results in the order of the jobs; NaN for one that left none.

        Raises:
            BrokenExecutor: Ray is gone.
        """
        try:
            with connected(self._settings) as ray:
                jobs = [list(each) for each in job_overrides]
                return _Tasks(ray, self._settings, self._for_jobs, jobs, initial_job_idx).results()
        except ConfigError as error:
            raise BrokenExecutor(str(error)) from error


class _Tasks:
    def __init__(self, ray: Any, settings: dict[str, Any], for_jobs: Any, jobs: list[list[str]], first: int) -> None:
        self._ray, self._settings, self._jobs, self._first = ray, settings, jobs, first
        self._folder = Path(os.path.abspath(str(for_jobs[2].hydra.sweep.dir)))
        self._shared = ray.put((*for_jobs, Singleton.get_state(), self._folder, settings["num_cpus"]))
        (self._folder / LOG_FOLDER).mkdir(exist_ok=True)
        self._retries = [int(settings["max_retries"])] * len(jobs)
        self._head = str(ray.get_runtime_context().gcs_address)
        self._looked_s = self._fine_s = time.monotonic()
        self._task = ray.remote(
            num_cpus=settings["num_cpus"], num_gpus=settings["num_gpus"],
            max_retries=0, max_calls=1, scheduling_strategy="SPREAD",
        )(_job)  # fmt: skip

    def results(self) -> list[JobReturn]:
        """Wait for all of them; those that are at work when this is interrupted are told to end."""
        self._results = [JobReturn(status=JobStatus.COMPLETED, _return_value=math.nan) for _ in self._jobs]
        self._waiting = {self._start(index): index for index in range(len(self._jobs))}
        try:
            while self._waiting:
                done, _ = self._ray.wait(list(self._waiting), timeout=0)
                for ref in done:
                    self._take(ref)
                if not done:
                    self._require_cluster()
                    time.sleep(_POLL_S)  # not in wait, which makes a plain KeyboardInterrupt of every signal
        except KeyboardInterrupt:
            for ref in self._waiting:
                self._ray.cancel(ref, force=False)
            if self._waiting:
                self._ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=_ENDS_S)
            raise
        return self._results

    def _take(self, ref: Any) -> None:
        index = self._waiting.pop(ref)
        try:
            self._results[index] = self._ray.get(ref)
        except self._ray.exceptions.NodeDiedError as error:
            why = f"its node{_address_in(error)} died"
            if self._retries[index]:
                self._retries[index] -= 1
                self._waiting[self._start(index, f"{why}: Ray ran the job again")] = index
            else:
                self._lose(index, f"since {why} (hydra.launcher.max_retries)")
        except self._ray.exceptions.RayError as error:
            self._lose(index, f"{type(error).__name__}: {last_line(error)}")

    def _require_cluster(self) -> None:
        """Now and then: give up where Ray is gone, before Ray ends this process for it after a minute."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        if not answers(self._head):
            trouble, patience_s = "its head does not answer", _HEAD_RETURNS_S
        elif not self._has_node():
            trouble, patience_s = "no node is left that has room for a run", _NODE_RETURNS_S
        else:
            self._fine_s = now_s
            return
        if now_s - self._fine_s > patience_s:
            raise BrokenExecutor(f"Ray's cluster is gone: {trouble}")

    def _start(self, index: int, why_again: str = "") -> Any:
        return self._task.remote(self._shared, self._jobs[index], self._first + index, why_again)

    def _lose(self, index: int, how: str) -> None:
        num = self._first + index
        lose(f"job {num + 1}, {how}", str(_log_file(self._folder, num)))

    def _has_node(self) -> bool:
        cpus, gpus = self._settings["num_cpus"], self._settings["num_gpus"]
        return any(node.num_beside(cpus, gpus) for node in nodes_of(self._ray))


def _job(shared: Any, overrides: list[str], num: int, why_again: str) -> JobReturn:
    """One job, in a process of Ray's on some node."""
    hydra_context, task_function, config, singletons, folder, num_cores = shared
    if not folder.is_dir():
        raise RunError(f"it does not see {folder}: expected a disk that all nodes share.")
    with _log_file(folder, num).open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # Ray starts its processes without it
    os.environ.update({JOB_VARIABLE: why_again, CORES_VARIABLE: str(num_cores)})
    Singleton.set_state(singletons)
    setup_globals()
    job_config: Any = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job_config.hydra.job):
        job_config.hydra.job.id = job_config.hydra.job.num = num
    return run_job(
        hydra_context=hydra_context, task_function=task_function, config=job_config,
        job_dir_key="hydra.sweep.dir", job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip


def _log_file(folder: Path, num: int) -> Path:
    return folder / LOG_FOLDER / f"job_{num + 1}.log"


def _address_in(error: Exception) -> str:
    found = _ADDRESS.search(str(error))
    return f" {found.group(1)}" if found else ""
