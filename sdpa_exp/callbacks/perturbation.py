"""Records that a run started from weights moved by one ulp, as an A/A copy does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.runs.events import EventLog


class PerturbationNote:
    """One event, where the trainer moved its weights; none elsewhere."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log

    def callbacks(self) -> Callbacks:
        """After the model was set up."""
        return {"on_pretrain_routine_end": self._note}

    def _note(self, trainer: Any) -> None:
        if trainer.perturbation is not None:
            self._event_log.write("perturbation", **asdict(trainer.perturbation))
