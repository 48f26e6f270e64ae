"""One trial of `hardware.batch=auto`: a few real training steps in a process of their own, and what they held.

`python -m sdpa_exp.tasks.batch_trial <folder>` reads a resolved plan in the folder and writes its answer there. A peak
is a process's for good, and a trial that runs out of memory takes nobody with it.
"""

from __future__ import annotations

import atexit
import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psutil
import torch

from sdpa_exp import errors
from sdpa_exp.callbacks.attach import Callbacks, attach
from sdpa_exp.config.plan import Job, Plan, from_dict, to_dict
from sdpa_exp.errors import ConfigError, OutOfMemory, RunError, SdpaExpError
from sdpa_exp.measure.process_memory import ProcessPeaks
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import read_json, write_json_atomic
from sdpa_exp.runs.limits import free_memory_bytes
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.training import StepsDone, close_loaders, memory_errors, set_up_training

NUM_STEPS = 3  # the first step of the optimiser makes its state, and the step after it holds everything
_MIB = 2**20
_REQUEST, _ANSWER = "plan.json", "answer.json"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a few steps held, of what was free.

    Attributes:
        peak_mib: allocated by torch on CUDA, the resident set of the process on a CPU; None where memory did not do.
        free_mib: what the training could have had: free on the GPU; on a CPU what a process may use here.
        num_images: in the training split; a larger batch than that has no more images.
    """

    peak_mib: float | None
    free_mib: float
    num_images: int = 0


def try_batch(plan: Plan) -> Trial:
    """Train a few steps of this resolved plan in a process of its own.

    Raises:
        SdpaExpError: as the training raised it, but for a lack of memory; RunError where it gave no answer.
    """
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_trial_") as name:
        folder = Path(name)
        plan = replace(plan, job=Job(run_dir=str(folder / "run")))
        write_json_atomic(folder / _REQUEST, to_dict(plan))
        done = subprocess.run([sys.executable, "-m", "sdpa_exp.tasks.batch_trial", name], check=False)
        answer = read_json(folder / _ANSWER)
    if answer is None:
        if done.returncode == -SIGKILL:  # the system's own way to end what takes too much memory
            return Trial(peak_mib=None, free_mib=free_memory_bytes() / _MIB)
        raise RunError(f"the trial of batch {plan.hardware.batch} ended with exit code {done.returncode}; see its log.")
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    return Trial(**answer)


def main() -> int:
    """Answer the request in the folder given on the command line."""
    folder = Path(sys.argv[1])
    plan = from_dict(json.loads((folder / _REQUEST).read_text(encoding="utf-8")))
    plan.run_dir.mkdir()
    try:
        answer = asdict(_steps(plan))
    except SdpaExpError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    write_json_atomic(folder / _ANSWER, answer)
    return 0


class _Steps:
    """Leaves the training loop after some steps."""

    def __init__(self) -> None:
        self.num_images = self._num_done = 0

    def callbacks(self) -> Callbacks:
        return {"on_train_batch_end": self._step_ended}

    def _step_ended(self, trainer: Any) -> None:
        self.num_images = len(trainer.train_loader.dataset)
        self._num_done += 1
        if self._num_done == NUM_STEPS:
            raise StepsDone


def _steps(plan: Plan) -> Trial:
    device = torch.device(plan.hardware.device)
    peaks, free_mib, steps = ProcessPeaks(device), _free_mib(device), _Steps()
    event_log = EventLog(plan.run_dir)
    try:
        # Each step is one of the optimiser, so that its state is there; what comes after an epoch is left out.
        changed: dict[str, Any] = {"nbs": plan.hardware.batch, "val": False, "save": False, "plots": False}
        with memory_errors(plan):
            training = set_up_training(plan, event_log, Outcome(), **changed)
            attach(training.trainer, steps)
            training.trainer.train()
    except StepsDone:
        close_loaders(training.trainer)
    except OutOfMemory:
        return Trial(peak_mib=None, free_mib=free_mib, num_images=steps.num_images)
    finally:
        event_log.close()
    found = peaks.read()
    peak_mib = found["peak_allocated_mib"] if device.type == "cuda" else found["peak_rss_mib"]
    if peak_mib is None:
        raise ConfigError(
            "hardware.batch=auto can't be measured here: this system does not say how much memory a process held at "
            "most. Expected CUDA or Linux. Set hardware.batch=null, which reckons, or a number."
        )
    return Trial(peak_mib=peak_mib, free_mib=free_mib, num_images=steps.num_images)


def _free_mib(device: torch.device) -> float:
    """What this process could hold, itself included where its own memory is what is measured."""
    if device.type == "cuda":
        torch.cuda.init()
        return torch.cuda.mem_get_info(device)[0] / _MIB
    return (free_memory_bytes() + psutil.Process().memory_info().rss) / _MIB


if __name__ == "__main__":
    atexit.register(gc.freeze)  # the interpreter's last search for cycles takes 2 s with PyTorch
    sys.exit(main())
