"""resume_mode=continue: a training that goes on from last.pt of an earlier attempt, by Ultralytics' own resume.

last.pt holds an fp16 EMA and optimizer and no state of the random numbers: this is not the run that it would have
been, and none of its times is of a whole training.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import RunError
from sdpa_exp.injection.checkpoint import load_network
from sdpa_exp.runs.attempts import is_whole_checkpoint
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.runs.files import best_checkpoint, last_checkpoint, results_csv, ultralytics_folder
from sdpa_exp.runs.outcome import Outcome

_TIMES = ("train_s", "images_per_s", "total_s")
_NOT_OF_THE_WHOLE = ("data_stream", "initial_weights")  # digests of how a training begins


@dataclass(frozen=True, kw_only=True)
class Continued:
    """What is taken over: `epoch` is the last one that is done; `epochs` are its events and those before it."""

    attempt: Path
    epoch: int
    epochs: list[dict[str, Any]]
    arguments: dict[str, Any]


def take_over(plan: Plan, event_log: EventLog) -> Continued | None:
    """Copy what the earlier attempt had done into the run folder, epochs into the event log; None where none is asked.

    Raises:
        RunError: the checkpoint has no epoch left, or can't be loaded.
    """
    if plan.job.continue_from is None:
        return None
    source = plan.run_dir / plan.job.continue_from
    attempt = source.parents[2]
    _, checkpoint = load_network(str(source), key="resume_mode", is_trusted=plan.model.trust_weights)
    epoch = int(checkpoint.get("epoch", -1)) + 1
    epochs = [event for event in read_events(attempt) if event["event"] == "epoch" and event["epoch"] <= epoch]
    if not 0 < epoch < (epochs[-1]["epochs"] if epochs else 0):
        raise RunError(
            f"{source} can't be gone on from: expected a checkpoint between the first epoch and the last, and it has "
            f"{epoch} done. Use resume_mode=restart."
        )
    last = last_checkpoint(plan.run_dir)
    last.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, last)
    best = best_checkpoint(attempt)  # written after last.pt: where it is cut off, the last epoch is the best
    shutil.copyfile(best if is_whole_checkpoint(best) else source, best_checkpoint(plan.run_dir))
    _copy_curves(results_csv(attempt), results_csv(plan.run_dir), epoch)
    for event in epochs:
        values = {key: value for key, value in event.items() if key not in ("seq", "time_unix_s", "mono_s", "event")}
        event_log.write("epoch", **values, from_attempt=int(attempt.name))
    arguments = {"resume": str(last), "model": str(last), "save_dir": str(ultralytics_folder(plan.run_dir))}
    return Continued(attempt=attempt, epoch=epoch, epochs=epochs, arguments=arguments)


def note_continued(continued: Continued, outcome: Outcome, event_log: EventLog) -> None:
    """Leave out of the outcome what is not of a whole training, and say so."""
    outcome.continued_from_epoch = continued.epoch
    reason = f"the run went on from last.pt after epoch {continued.epoch} (resume_mode=continue)"
    outcome.metrics.update(dict.fromkeys(name for name in _TIMES if name in outcome.metrics))
    outcome.unmeasured.update(dict.fromkeys((name for name in _TIMES if name in outcome.metrics), reason))
    for name in _NOT_OF_THE_WHOLE:
        outcome.digests.pop(name, None)
    outcome.settings_changed.pop("resume", None)
    outcome.warn(event_log, "continued", reason)


def _copy_curves(source: Path, target: Path, epoch: int) -> None:
    """The head of results.csv and its epochs up to the checkpoint's; one line more may have been written after it."""
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(source.read_text(encoding="utf-8").splitlines(keepends=True)[: epoch + 1]), "utf-8")
