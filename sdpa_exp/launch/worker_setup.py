"""Prepares the worker's process before anything heavy is imported: environment, signals, life tied to the parent's."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import threading
from importlib import util
from pathlib import Path
from types import FrameType

import psutil

from sdpa_exp.config.plan import Plan
from sdpa_exp.data.cache import cache_root
from sdpa_exp.interruption import JOB_SIGNALS, signal_words
from sdpa_exp.runs.limits import default_num_threads
from sdpa_exp.tasks.by_device import default_allocator

PARENT_VARIABLE = "SDPA_EXP_PARENT"
"""The process that started a run of several processes, for each of these."""
_CHECK_PERIOD_S = 1.0
# Trackers that Ultralytics would start by itself, and its analytics; the run is ours to log.
_SETTINGS_OFF = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")


class Killed(BaseException):
    """The worker was asked to end. Not an Exception: nothing between here and the worker's end may catch it."""

    def __init__(self, why: str, exit_code: int) -> None:
        super().__init__(why)
        self.exit_code = exit_code


def prepare_environment(plan: Plan) -> None:
    """Set the environment that torch and Ultralytics read when they are imported.

    Ultralytics gets a settings folder of ours, so that the user's stays as it is; it must not install packages or ask
    the network at import.
    """
    settings_dir = cache_root() / "ultralytics"
    settings_dir.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(settings_dir)
    os.environ["YOLO_AUTOINSTALL"] = "false"
    if plan.model.weights is None or Path(plan.model.weights).exists():
        os.environ["YOLO_OFFLINE"] = "true"
    allocator = plan.hardware.allocator or default_allocator(plan.hardware.device)
    if allocator:
        os.environ["PYTORCH_ALLOC_CONF"] = allocator
    # A sweep has resolved this before its jobs, a single run resolves it once torch is there: the same for both.
    os.environ["OMP_NUM_THREADS"] = str(plan.hardware.num_threads or default_num_threads())
    _provide_font(settings_dir / "Ultralytics" / "Arial.ttf")


def switch_off_trackers() -> None:
    """Turn Ultralytics' own trackers and analytics off, in our settings folder."""
    from ultralytics import settings

    wrong = {key: False for key in _SETTINGS_OFF if settings.get(key)}
    if wrong:
        settings.update(wrong)


def end_in_order() -> None:
    """Turn Ctrl-C, a job's signals and the end of the parent into `Killed` in the main thread: it writes its record.

    The interpreter's last search for cycles is left out: with PyTorch in the process it takes 2 s.
    """
    atexit.register(gc.freeze)
    parents = [psutil.Process(os.getppid())]
    if PARENT_VARIABLE in os.environ:  # torch.distributed.run stands between
        parents.append(psutil.Process(int(os.environ[PARENT_VARIABLE])))
    parent_is_gone = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        for each in JOB_SIGNALS:  # it may come twice, from Slurm and from the parent, and would break off the record
            signal.signal(each, signal.SIG_IGN)
        why = "the end of the process that started it" if parent_is_gone.is_set() else signal_words(number)
        raise Killed(why, 128 + number)  # the code that a shell reports for the signal

    for number in JOB_SIGNALS:  # Slurm sends them to all processes of a job
        signal.signal(number, handle)

    def watch() -> None:
        while all(parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE for parent in parents):
            threading.Event().wait(_CHECK_PERIOD_S)
        parent_is_gone.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _provide_font(path: Path) -> None:
    """Ultralytics downloads Arial for its plots unless its settings folder has one: give it matplotlib's DejaVu."""
    spec = util.find_spec("matplotlib")
    if path.exists() or spec is None or spec.origin is None:
        return
    source = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    if source.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
