"""One real sweep through every layer, shared by the tests that look at what it left."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TINY = ("experiment=smoke", "train.epochs=2", "hardware=cpu", "hardware.num_threads=2")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str
    cwd: Path

    @property
    def sweep_dir(self) -> Path:
        """The one folder below multirun/<name>/."""
        return next(path for path in (self.cwd / "multirun").glob("*/*") if (path / "sweep.json").exists())

    def run_dir(self, arm: str, seed: int) -> Path:
        """The run folder of an arm and seed."""
        return next(self.sweep_dir.glob(f"*_{arm}_seed{seed}"))


def sdpa_exp(*arguments: str, cwd: Path) -> Finished:
    """Run the command line in a folder and wait for it."""
    done = subprocess.run(
        [sys.executable, "-m", "sdpa_exp", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    return Finished(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr, cwd=cwd)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """stock and sdpa with two seeds, and an arm that can't run on a CPU."""
    cwd = tmp_path_factory.mktemp("sweep")
    return sdpa_exp(*TINY, "hardware.device=auto", "attention=stock,sdpa,efficient", "seed=0,42", "-m", cwd=cwd)
