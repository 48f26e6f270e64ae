"""Journals that a run started from weights moved by one ulp, as an A/A copy does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.results.events import Journal


class PerturbationNote:
    """One event, where the trainer moved its weights; none elsewhere."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def callbacks(self) -> Callbacks:
        """After the model was set up."""
        return {"on_pretrain_routine_end": self._note}

    def _note(self, trainer: Any) -> None:
        if trainer.perturbation is not None:
            self._journal.write("perturbation", **asdict(trainer.perturbation))
