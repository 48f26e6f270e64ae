"""The seam of tracking: what the parent tells a tracker, and nothing that could delay or fail a run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.location import locate


class Tracker(Protocol):
    """Shows run folders somewhere. Only `check` and `sync` raise; only `finish` and `close_sweep` wait, bounded."""

    def check(self) -> None:
        """Ask the store whether it will take our runs.

        Raises:
            TrackingError: wrong password, refused host header, too old, not writable; with the next step.
            StoreAway: it doesn't answer now; a run need not wait for it.
        """
        ...

    def open_sweep(self, sweep_dir: Path, *, again: bool = False) -> None:
        """Announce a sweep, or one that goes on; `sweep.json` is in its folder. Returns at once."""
        ...

    def follow(self, run_dir: Path) -> None:
        """Start to show a run folder, from the moment its `plan.yaml` exists. Returns at once."""
        ...

    def mend(self, run_dir: Path) -> None:
        """End what earlier attempts at a run left open, as far as the store does not have that. Returns at once."""
        ...

    def finish(self, run_dir: Path, timeout_s: float) -> bool:
        """The run has ended and its folder is complete: send the rest; False if that was not done in time.

        A store that is behind with an earlier folder is not waited for; the background goes on sending.
        """
        ...

    def forget(self, run_dir: Path) -> None:
        """The folder's content is about to be moved: nothing more is sent from there. Returns at once."""
        ...

    def close_sweep(self, sweep_dir: Path, status: str) -> int:
        """The sweep has ended (FINISHED, FAILED or KILLED): send its comparison and the rest of its runs.

        Returns:
            How many folders, the runs' and the sweep's own, the store has not got completely.
        """
        ...

    def sync(
        self, folder: Path, on_folder: Callable[[int, int], None] = lambda num, total: None, *, resend: bool = False
    ) -> int:
        """Send whatever is missing of a run folder, a sweep folder or a folder of these; count what was sent.

        Args:
            folder: where to look.
            on_folder: called after each folder with how many are done, and of how many.
            resend: send everything, for a store that was put back to an older state; what it has is not doubled.

        Raises:
            TrackingError: the store can't be reached or refuses us, or folders had to be left out; the others are sent.
        """
        ...

    def ui_command(self) -> str | None:
        """What opens the runs in a browser: a command, or the server's address."""
        ...

    def ui_page(self, *, of_all: bool = False) -> str | None:
        """The address of our runs (or of all experiments) once the UI is up; its start page would show another one."""
        ...

    def close(self) -> None:
        """Stop sending; what is not sent waits for `sync`."""
        ...


class NoTracker:
    """Does nothing, successfully."""

    def check(self) -> None:
        """There is no store to ask."""

    def open_sweep(self, sweep_dir: Path, *, again: bool = False) -> None:
        """Nothing to announce."""

    def follow(self, run_dir: Path) -> None:
        """Nothing to show."""

    def mend(self, run_dir: Path) -> None:
        """Nothing is open."""

    def finish(self, run_dir: Path, timeout_s: float) -> bool:
        """Nothing is left to send."""
        return True

    def forget(self, run_dir: Path) -> None:
        """Nothing is followed."""

    def close_sweep(self, sweep_dir: Path, status: str) -> int:
        """Nothing is left to send."""
        return 0

    def sync(
        self, folder: Path, on_folder: Callable[[int, int], None] = lambda num, total: None, *, resend: bool = False
    ) -> int:
        """Nothing is sent."""
        return 0

    def ui_command(self) -> str | None:
        """There is no UI."""
        return None

    def ui_page(self, *, of_all: bool = False) -> str | None:
        """There is no UI."""
        return None

    def close(self) -> None:
        """Nothing is open."""


def database_of(config: TrackingConfig) -> Path | None:
    """The file of a local store; None where there is a server, or no store."""
    if config.kind != "mlflow":
        return None
    return locate(config.uri, environment=os.environ, cwd=Path.cwd()).database


def make_tracker(config: TrackingConfig, *, experiment: str) -> Tracker:
    """The tracker of a config; `experiment` is the plan's name. Imports nothing heavy and opens no connection.

    Raises:
        TrackingError: the kind is unknown, or the store's address is missing or malformed.
    """
    if config.kind == "none":
        return NoTracker()
    if config.kind == "mlflow":
        if config.register_as is not None and not (config.log_checkpoint and config.log_model):
            raise TrackingError(
                f"tracking.register_as={config.register_as} has nothing to register: expected a model in the store. "
                "Set tracking.log_checkpoint=true and tracking.log_model=true, or leave it out."
            )
        from sdpa_exp.tracking.logged_model import Checkpoints
        from sdpa_exp.tracking.mlflow import MlflowTracker

        location = locate(config.uri, environment=os.environ, cwd=Path.cwd())
        location = dataclasses.replace(location, page_uri=config.page_uri)
        checkpoints = Checkpoints(sent=config.log_checkpoint, as_model=config.log_model, register_as=config.register_as)
        return MlflowTracker(location, experiment=experiment, checkpoints=checkpoints, timeout_s=config.timeout_s)
    raise TrackingError(f"tracking.kind={config.kind} is unknown: expected mlflow or none.")
