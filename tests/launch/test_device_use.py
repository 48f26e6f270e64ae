"""Runs of ours on one device: a GPU is taken in turns or refused by name, a CPU that was shared is named."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdpa_exp.errors import RunError
from sdpa_exp.launch.device_use import use_device, use_devices

HOLD = """
import sys; from pathlib import Path; from sdpa_exp.launch.device_use import use_device
with use_device(sys.argv[1] or None, Path(sys.argv[2]), print, wait=True, shared=len(sys.argv) > 3):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))


@contextmanager
def other_run(gpu: str, name: str, *shared: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, gpu, name, *shared]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process
        assert process.stdin is not None
        if not process.stdin.closed:
            process.stdin.close()
        process.wait(60)


def test_a_gpu_in_use_is_refused_or_waited_for_and_its_user_is_named(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    with other_run("GPU-1", "runs/first") as other:
        with (
            pytest.raises(RunError, match=rf"GPU-1 is in use by runs/first \(process {other.pid}\)"),
            use_device("GPU-1", tmp_path, lambda *w: said.append(w), wait=False),
        ):
            pass
        assert said == []
        assert other.stdin is not None
        threading.Timer(0.5, other.stdin.close).start()
        with use_device("GPU-1", tmp_path, lambda *w: said.append(w), wait=True):
            other.wait(60)
    assert [code for code, _ in said] == ["gpu_waited"]
    assert "waiting for runs/first" in said[0][1]
    with use_device("GPU-1", tmp_path, lambda *w: said.append(w), wait=False):
        assert len(said) == 1


def test_runs_that_share_a_cpu_are_named_and_one_that_was_killed_is_forgotten(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    with other_run("", "runs/first"), use_device(None, tmp_path, lambda *w: said.append(w), wait=True):
        pass
    assert [code for code, _ in said] == ["other_runs_on_cpu"]
    assert said[0][1].startswith("runs/first (process ")
    with other_run("", "runs/killed") as other:
        other.kill()
        other.wait(60)
        with use_device(None, tmp_path, lambda *w: said.append(w), wait=True):
            pass
    assert len(said) == 1
    assert not list((tmp_path / "cache" / "locks" / f"cpu_{platform.node()}").iterdir())


def test_a_gpu_is_shared_by_runs_that_are_told_so_alone_and_each_is_named(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []

    def say(code: str, sentence: str) -> None:
        said.append((code, sentence))

    with other_run("GPU-1", "runs/first", "shared") as other:
        with use_device("GPU-1", tmp_path, say, wait=False, shared=True):
            pass
        assert said == [
            (
                "other_runs_on_gpu",
                f"runs/first (process {other.pid}) ran on this GPU at the same time: times are too long.",
            )
        ]
        with (
            pytest.raises(RunError, match="GPU-1 is in use by runs/first"),
            use_device("GPU-1", tmp_path, say, wait=False),
        ):
            pass
        assert other.stdin is not None
        threading.Timer(0.5, other.stdin.close).start()
        with use_device("GPU-1", tmp_path, say, wait=True):
            other.wait(60)
        assert [code for code, _ in said] == ["other_runs_on_gpu", "gpu_waited"]
    with (
        other_run("GPU-1", "runs/alone"),
        pytest.raises(RunError, match="GPU-1 is in use by runs/alone"),
        use_device("GPU-1", tmp_path, say, wait=False, shared=True),
    ):
        pass


def test_a_run_on_several_gpus_holds_them_all_and_gives_none_away_when_one_is_taken(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    with (
        other_run("GPU-2", "runs/first"),
        pytest.raises(RunError, match="GPU-2 is in use by runs/first"),
        use_devices(["GPU-2", "GPU-1"], tmp_path, lambda *w: said.append(w), wait=False),
    ):
        pass
    with use_device("GPU-1", tmp_path, lambda *w: said.append(w), wait=False):
        pass
    with use_devices(["GPU-2", "GPU-1"], tmp_path, lambda *w: said.append(w), wait=False):
        assert said == []
