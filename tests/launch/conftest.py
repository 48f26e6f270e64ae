"""One real sweep through every layer, shared by the tests that look at what it left."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = {
    "MLFLOW_TRACKING_URI": "http://ann:pl4nted-in-uri@127.0.0.1:9",
    "MLFLOW_TRACKING_USERNAME": "pl4nted-user",
    "MLFLOW_TRACKING_PASSWORD": "pl4nted-password",
    "MLFLOW_TRACKING_TOKEN": "pl4nted-token",
    "AWS_ACCESS_KEY_ID": "pl4nted-key-id",
    "AWS_SECRET_ACCESS_KEY": "pl4nted-secret-key",
    "AWS_SESSION_TOKEN": "pl4nted-session",
    "AZURE_STORAGE_CONNECTION_STRING": "pl4nted-azure",
    "ROBOFLOW_API_KEY": "pl4nted-roboflow",
    "HF_TOKEN": "pl4nted-hub",
    "MY_SERVICE_PASSWORD": "pl4nted-of-mine",
}
TINY = ("experiment=smoke", "train.epochs=2", "hardware=cpu")


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


def sdpa_exp(*arguments: str, cwd: Path, **variables: str) -> Finished:
    """Run the command line in a folder and wait for it; its environment has secrets that must stay there."""
    done = subprocess.run(
        [sys.executable, "-m", "sdpa_exp", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **PLANTED, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr, cwd=cwd)


@pytest.fixture(scope="package")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """stock and sdpa with two seeds, and an arm that can't run on a CPU."""
    cwd = tmp_path_factory.mktemp("sweep")
    return sdpa_exp(*TINY, "attention=stock,sdpa,efficient", "seed=0,42", "-m", cwd=cwd)
