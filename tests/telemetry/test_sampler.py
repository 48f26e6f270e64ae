"""The sampling thread with real files and replayed or hand-written probes."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

from sdpa_exp.runs.files import TELEMETRY_FILE
from sdpa_exp.runs.samples import read_samples
from sdpa_exp.telemetry.host import HostProbe
from sdpa_exp.telemetry.sampler import Sampler
from tests.telemetry.replay import ReplayProbe

TRACE = Path(__file__).parent / "traces" / "handmade_gpu_trace.jsonl"


class Counting:
    """Counts its reads, and tells when it has seen `wanted` of them."""

    def __init__(self, *, wanted: int, name: str = "count", fails_at: int | None = None) -> None:
        self.num_reads = 0
        self.is_closed = False
        self.seen = threading.Event()
        self._wanted, self._name, self._fails_at = wanted, name, fails_at

    def read(self) -> dict[str, float | None]:
        self.num_reads += 1
        if self.num_reads >= self._wanted:
            self.seen.set()
        if self.num_reads == self._fails_at:
            raise RuntimeError("the cable is out")
        return {self._name: float(self.num_reads)}

    def unavailable(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self.is_closed = True


def test_samples_have_both_clocks_and_a_last_one_is_taken_at_the_end(tmp_path: Path) -> None:
    probe = Counting(wanted=3)
    sampler = Sampler(tmp_path, period_s=0.01, probes=[probe, HostProbe(pid=os.getpid(), run_dir=tmp_path)])
    sampler.start()
    assert probe.seen.wait(10)
    sampler.stop()
    samples = read_samples(tmp_path)
    assert [s["count"] for s in samples] == [float(n) for n in range(1, probe.num_reads + 1)]
    assert all(s["mono_s"] <= after["mono_s"] for s, after in itertools.pairwise(samples))
    assert samples[-1]["rss_mib"] > 0
    assert probe.is_closed


def test_a_probe_added_while_running_is_sampled_from_then_on(tmp_path: Path) -> None:
    first = Counting(wanted=2)
    sampler = Sampler(tmp_path, period_s=0.01, probes=[first])
    sampler.start()
    assert first.seen.wait(10)
    late = Counting(wanted=2, name="late")
    sampler.add(late)
    assert late.seen.wait(10)
    sampler.stop()
    samples = read_samples(tmp_path)
    assert "late" not in samples[0]
    assert samples[-1]["late"] == float(late.num_reads)


def test_a_probe_that_raises_is_dropped_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    good, bad = Counting(wanted=6), Counting(wanted=1, name="bad", fails_at=3)
    sampler = Sampler(tmp_path, period_s=0.01, probes=[bad, good])
    sampler.start()
    assert good.seen.wait(10)
    sampler.stop()
    samples = read_samples(tmp_path)
    assert bad.num_reads == 3
    assert bad.is_closed
    assert samples[-1]["count"] == float(good.num_reads)
    reasons = [s["unavailable"] for s in samples if "unavailable" in s]
    assert reasons == [{"Counting": "stopped answering: RuntimeError: the cable is out"}]


def test_a_slow_probe_skips_due_times_instead_of_catching_up(tmp_path: Path) -> None:
    class Slow(Counting):
        def read(self) -> dict[str, float | None]:
            threading.Event().wait(0.05)
            return super().read()

    probe = Slow(wanted=3)
    sampler = Sampler(tmp_path, period_s=0.02, probes=[probe])
    sampler.start()
    assert probe.seen.wait(10)
    sampler.stop()
    samples = read_samples(tmp_path)
    gaps_s = [after["mono_s"] - s["mono_s"] for s, after in itertools.pairwise(samples)]
    assert all(gap_s >= 0.05 for gap_s in gaps_s)


def test_a_replayed_trace_passes_through_unchanged_with_its_reasons_once(tmp_path: Path) -> None:
    probe = ReplayProbe(TRACE)
    sampler = Sampler(tmp_path, period_s=60, probes=[probe])
    sampler.start()
    sampler.stop()
    sample = read_samples(tmp_path)[0]
    assert sample["gpu_power_w"] == 20.0
    assert sample["gpu_process_memory_mib"] is None
    assert "container" in sample["unavailable"]["gpu_process_memory_mib"]


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / TELEMETRY_FILE).write_text('{"time_unix_s": 1.0}\n{"time_un', encoding="utf-8")
    assert read_samples(tmp_path) == [{"time_unix_s": 1.0}]


def test_a_run_folder_that_is_gone_costs_the_telemetry_and_nothing_else(tmp_path: Path) -> None:
    probe = Counting(wanted=1)
    sampler = Sampler(tmp_path / "gone", period_s=0.01, probes=[probe])
    sampler.start()
    sampler.stop()
    assert probe.is_closed
