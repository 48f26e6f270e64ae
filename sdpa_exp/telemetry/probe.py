"""The seam of telemetry: something that can be read, again and again, and says what it can't measure."""

from __future__ import annotations

from typing import Protocol


class Probe(Protocol):
    """A source of samples. Reading is cheap and never raises for a metric that is merely not supported."""

    def read(self) -> dict[str, float | None]:
        """One sample: metric (unit in its name) -> value; None where it was not measured this time."""
        ...

    def unavailable(self) -> dict[str, str]:
        """Metric -> why the last `read` gave None for it."""
        ...

    def close(self) -> None:
        """Give back handles; `read` is not called afterwards."""
        ...
