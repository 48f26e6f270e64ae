"""The thread that reads probes on a fixed schedule and appends to `telemetry.jsonl`."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdpa_exp.runs.samples import open_samples
from sdpa_exp.telemetry.probe import Probe

logger = logging.getLogger(__name__)


class Sampler:
    """Samples every `period_s` from `start` to `stop`.

    Samples are due at start + n * period_s on the monotonic clock, so that a slow read doesn't shift the later ones;
    a due time that has passed is skipped, not caught up. Nothing a probe does ends the sampling: a probe that raises
    is dropped, and the reason is written once.
    """

    def __init__(self, run_dir: Path, *, period_s: float, probes: Iterable[Probe] = ()) -> None:
        self._run_dir = run_dir
        self._period_s = period_s
        self._probes: list[Probe] = list(probes)
        self._retired: list[Probe] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._dropped: dict[str, str] = {}
        self._written_reasons: dict[str, str] = {}

    def add(self, probe: Probe) -> None:
        """Sample another probe from the next due time on: the GPU's UUID is known only once the worker runs."""
        with self._lock:
            self._probes.append(probe)

    def remove(self, probe: Probe) -> None:
        """Sample this probe no more; it is closed at the end, as it may be being read right now."""
        with self._lock:
            if probe in self._probes:
                self._probes.remove(probe)
                self._retired.append(probe)

    def start(self) -> None:
        """Start the thread; the first sample is taken at once."""
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample, close the probes and the file; return when that is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            with contextlib.closing(open_samples(self._run_dir)) as file:
                start_s = time.monotonic()
                num_due = 0
                while True:
                    is_last = self._stopping.is_set()
                    file.write(self._sample())
                    if is_last:
                        return
                    num_due = max(num_due + 1, int((time.monotonic() - start_s) / self._period_s) + 1)
                    self._stopping.wait(max(0.0, start_s + num_due * self._period_s - time.monotonic()))
        except OSError as error:  # a full disk costs the telemetry, not the run
            logger.warning("telemetry of %s ends: %s", self._run_dir, error)
        finally:
            for probe in (*self._probes, *self._retired):
                probe.close()

    def _sample(self) -> dict[str, Any]:
        sample: dict[str, Any] = {"time_unix_s": time.time(), "mono_s": time.monotonic()}
        with self._lock:
            probes = list(self._probes)
        reasons: dict[str, str] = {}
        for probe in probes:
            try:
                sample.update(probe.read())
                reasons.update(probe.unavailable())
            except Exception as error:  # noqa: BLE001 - a third-party library's fault must not end the sampling
                self._drop(probe, error)
        reasons.update(self._dropped)
        if reasons != self._written_reasons:
            sample["unavailable"] = reasons
            self._written_reasons = reasons
        return sample

    def _drop(self, probe: Probe, error: Exception) -> None:
        name = type(probe).__name__
        self._dropped[name] = f"stopped answering: {type(error).__name__}: {error}"
        logger.warning("telemetry goes on without %s: %s: %s", name, type(error).__name__, error)
        self.remove(probe)
