"""hydra/launcher=ray_sdpa without Ray: what a run gets of a node, what is refused, what becomes of jobs that die."""

from __future__ import annotations

import importlib.util
import math
import socket
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from sdpa_exp.config import ray_launcher
from sdpa_exp.config.launchers import launcher_of
from sdpa_exp.config.lost_jobs import lose_none, lost_jobs
from sdpa_exp.config.ray_cluster import Node, connected, share_of_run
from sdpa_exp.errors import ConfigError
from tests.config.composing import compose_config, compose_plan

if TYPE_CHECKING:
    from pathlib import Path

HERE = "hydra/launcher=ray_sdpa"
OPEN = {"num_gpus": None, "num_cpus": None, "max_retries": 1}
PLANS = [compose_plan()]
CPU = PLANS[0].hardware
ON_TWO = replace(CPU, devices=2)
BOX = Node(name="box", num_cpus=16, num_gpus=4)
PLAIN = Node(name="plain", num_cpus=8, num_gpus=0)


def test_a_run_gets_its_share_of_a_node() -> None:
    assert share_of_run(OPEN, [BOX, PLAIN], [CPU], shares_cpu=False) == (4, 1)
    assert share_of_run(OPEN, [BOX], [CPU, ON_TWO], shares_cpu=False) == (8, 2)
    assert share_of_run(OPEN, [PLAIN], [CPU], shares_cpu=False) == (8, 0), "alone on its CPU"
    assert share_of_run(OPEN, [PLAIN], [CPU], shares_cpu=True) == (4, 0)
    assert share_of_run(OPEN, [BOX], [replace(CPU, device="cpu")], shares_cpu=False) == (16, 0)
    assert share_of_run({**OPEN, "num_cpus": 3}, [BOX, PLAIN], [CPU], shares_cpu=False) == (3, 1)
    assert [BOX.num_beside(4, 1), BOX.num_beside(8, 1), PLAIN.num_beside(4, 1), PLAIN.num_beside(4, 0)] == [4, 2, 0, 2]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"num_gpus": 5}, r"num_gpus=5 can't work: expected at most 4, which the largest of Ray's nodes has"),
        ({"num_gpus": 0.5}, r"num_gpus=0.5 can't work: expected a whole number, since two runs on one GPU void"),
        ({"num_gpus": -1}, r"num_gpus=-1 can't work: expected 0 or more"),
        ({"num_cpus": 17}, r"num_cpus=17 can't work: expected at most 16"),
        ({"num_cpus": 0}, r"num_cpus=0 can't work: expected 1 or more"),
    ],
)
def test_what_no_node_has_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        share_of_run({**OPEN, **asked}, [BOX, PLAIN], [CPU], shares_cpu=False)


def test_a_ray_of_its_own_has_one_run_a_gpu_and_on_a_cpu_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    found = {}
    for num_gpus, line in ((4, []), (0, []), (0, ["allow_shared_device=true"])):
        config = compose_config(HERE, *line, with_hydra=True)
        launcher = launcher_of(config, PLANS, num_jobs=10, num_gpus=num_gpus, num_cores=16)
        assert (launcher.is_here, launcher.gives_gpus, launcher.cluster) == (True, True, None)
        node = config.hydra.launcher
        assert (node.init.num_cpus, node.init.num_gpus) == (16, num_gpus)
        found[num_gpus, *line] = (node.num_cpus, node.num_gpus, launcher.num_at_once, launcher.num_on_cpu)
    assert found == {(4,): (4, 1, 4, 1), (0,): (16, 0, 1, 1), (0, "allow_shared_device=true"): (8, 0, 2, 2)}


def test_without_ray_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"ray_sdpa needs Ray, which is not installed: .* 'sdpa-exp\[scale\]'"):
        launcher_of(compose_config(HERE, with_hydra=True), PLANS, num_jobs=1, num_gpus=0, num_cores=2)


def test_an_address_that_is_none_or_answers_not_is_refused_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = f"127.0.0.1:{server.getsockname()[1]}"
    for address, why in (("ray://head:10001", "it is no address of"), ("head", "it is no"), (free, "nobody answers")):
        settings = {"init": {"address": address}, "runtime_env": None}
        words = f"init.address={address} can't be used: {why}.* Expected auto, or the HOST:PORT of a cluster"
        with pytest.raises(ConfigError, match=words), connected(settings):
            pass


class _Ray:
    """As much of Ray as waits for jobs: each answers as its number and the count of its attempts say."""

    class exceptions:  # noqa: N801 - Ray's module
        RayError = type("RayError", (Exception,), {})
        NodeDiedError = type("NodeDiedError", (RayError,), {})
        WorkerCrashedError = type("WorkerCrashedError", (RayError,), {})

    def __init__(self, answers: dict[int, list[Any]]) -> None:
        self.answers = answers
        self.started: list[tuple[int, str]] = []
        self.cancelled: list[int] = []

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address="127.0.0.1:9")

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **options: Any) -> Any:
        assert options["max_retries"] == 0, "Ray repeats nothing by itself"
        return lambda function: SimpleNamespace(remote=self._start)

    def _start(self, shared: Any, overrides: list[str], num: int, why: str) -> tuple[int, int]:
        self.started.append((num, why))
        return num, len(self.started)

    def wait(self, refs: list[Any], timeout: float, num_returns: int = 1) -> Any:
        return [ref for ref in refs if self.answers[ref[0]]][:1], []

    def get(self, ref: tuple[int, int]) -> Any:
        answer = self.answers[ref[0]].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return JobReturn(status=JobStatus.COMPLETED, _return_value=answer)

    def cancel(self, ref: tuple[int, int], *, force: bool) -> None:
        assert not force, "a run that is told to end writes its record"
        self.cancelled.append(ref[0])


def _results(tmp_path: Path, ray: _Ray) -> list[Any]:
    lose_none()
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    jobs: list[list[str]] = [[] for _ in ray.answers]
    tasks = ray_launcher._Tasks(ray, {"num_cpus": 1, "num_gpus": 0, "max_retries": 1}, (None, None, config), jobs, 0)
    return [each.return_value for each in tasks.results()]


def test_a_job_whose_node_died_runs_again_and_one_that_died_is_noted_while_the_others_go_on(tmp_path: Path) -> None:
    died = _Ray.exceptions.NodeDiedError("Task failed because the node is dead. Node IP: 10.0.0.7, node ID: 1f.")
    crashed = _Ray.exceptions.WorkerCrashedError("The worker died unexpectedly.")
    ray = _Ray({0: [0.5], 1: [died, 0.25], 2: [died, died], 3: [crashed]})
    values = _results(tmp_path, ray)
    assert values[:2] == [0.5, 0.25]
    assert all(math.isnan(value) for value in values[2:])
    again = "its node 10.0.0.7 died: Ray ran the job again"
    assert ray.started == [(0, ""), (1, ""), (2, ""), (3, ""), (1, again), (2, again)]
    words = str(lost_jobs())
    assert words.startswith("2 of the jobs ended without a word: job 4, WorkerCrashedError: The worker died unexpected")
    assert "; job 3, since its node 10.0.0.7 died (hydra.launcher.max_retries), whose log is" in words
    lose_none()


def test_jobs_at_work_are_told_to_end_when_the_sweep_is_interrupted(tmp_path: Path) -> None:
    ray = _Ray({0: [KeyboardInterrupt()], 1: [1.0], 2: [1.0]})
    with pytest.raises(KeyboardInterrupt):
        _results(tmp_path, ray)
    assert ray.cancelled == [1, 2]


def test_a_sweep_whose_cluster_is_gone_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_launcher, "_LOOK_S", 0.0)
    monkeypatch.setattr(ray_launcher, "_HEAD_RETURNS_S", 0.0)
    with pytest.raises(BrokenExecutor, match="Ray's cluster is gone: its head does not answer"):
        _results(tmp_path, _Ray({0: []}))
