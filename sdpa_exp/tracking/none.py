"""Tracking that shows nothing: the run folders are all there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class NoTracker:
    """Does nothing, successfully."""

    def check(self) -> None:
        """There is no store to ask."""

    def open_sweep(self, sweep_dir: Path) -> None:
        """Nothing to announce."""

    def follow(self, run_dir: Path) -> None:
        """Nothing to show."""

    def finish(self, run_dir: Path, timeout_s: float) -> bool:
        """Nothing is owed."""
        return True

    def close_sweep(self, sweep_dir: Path, status: str) -> int:
        """Nothing is owed."""
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
