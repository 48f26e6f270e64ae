"""Compares the Ultralytics arguments that were planned with those that the trainer executed."""

from __future__ import annotations

from typing import Any

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.injection.checkpoint import Transfer
from sdpa_exp.runs.events import EventLog

# Set by Ultralytics for its own bookkeeping; none of them changes what is computed.
_BOOKKEEPING = frozenset({"name", "project", "save_dir", "mode", "task", "model", "data", "device"})


class SettingsCheck:
    """Finds what Ultralytics changed by itself. `changed` maps an argument to [planned, executed]."""

    def __init__(self, event_log: EventLog, planned: dict[str, Any]) -> None:
        self.changed: dict[str, list[Any]] = {}
        self._event_log = event_log
        self._planned = planned
        self._has_said_transfer = False

    def callbacks(self) -> Callbacks:
        """Compared after setup and again at the end: both are moments of silent changes."""
        return {"on_train_start": self._compare, "on_train_end": self._compare}

    def _compare(self, trainer: Any) -> None:
        executed = vars(trainer.args)
        self._say_transfer(getattr(trainer, "transfer", None))  # a plain YOLO object's trainer has none
        for key, planned in self._planned.items():
            value = executed.get(key)
            if key not in _BOOKKEEPING and value != planned and key not in self.changed:
                self.changed[key] = [planned, value]
                message = f"Ultralytics changed {key} from {planned} to {value} by itself."
                self._event_log.write("warning", code="setting_changed", message=message)
        amp_asked = self._planned.get("amp") not in (False, None)
        if bool(trainer.amp) != amp_asked and "amp" not in self.changed:
            self.changed["amp"] = [self._planned.get("amp"), bool(trainer.amp)]
            self._event_log.write(
                "warning", code="amp_changed", message=f"AMP is {trainer.amp}, asked for {amp_asked}."
            )

    def _say_transfer(self, taken: Transfer | None) -> None:
        """How much of the weights was used, once."""
        if taken is None or self._has_said_transfer:
            return
        self._has_said_transfer = True
        if taken.is_whole:
            self._event_log.write("announcement", text=taken.sentence)
            return
        self.changed["pretrained"] = [self._planned.get("pretrained"), taken.sentence]
        self._event_log.write("warning", code="weights_partly_used", message=taken.sentence)
