"""Warm-up ends by its rule, and says how it ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from sdpa_exp.measure.call_memory import peak_of_call
from sdpa_exp.measure.drift import MAX_DRIFT, ReferenceOperation, drift_of
from sdpa_exp.measure.warmup import MAX_SAMPLES, calls_per_sample, is_steady, warm_up
from tests.measure.clocks import ScriptedClock

MIB_OF_FLOATS = 2**20 // 4


def warm(seconds: Iterator[float], *, max_s: float = 1e9) -> tuple[int, bool, str | None]:
    found = warm_up(lambda: None, ScriptedClock(script=seconds), max_s=max_s)
    return found.num_calls, found.is_steady, found.reason


def test_it_ends_when_two_windows_agree_within_five_percent() -> None:
    assert warm(iter([9.0, 5.0, 3.0, 1.0, 1.0, 1.04, 1.0])) == (7, True, None)
    assert is_steady([1.0, 1.0, 1.04, 1.04])
    assert not is_steady([1.0, 1.0, 1.06, 1.06])
    assert not is_steady([1.0, 1.0, 1.0])


def test_the_first_call_never_counts() -> None:
    assert warm(iter([1.0, 50.0, 50.0, 1.0, 1.0, 1.0, 1.0]))[0] == 7


def test_what_never_settles_is_given_up_with_the_reason() -> None:
    seconds = (1.0 + 0.1 * number for number in itertools.count())
    num_calls, steady, reason = warm(seconds)
    assert (num_calls, steady, reason) == (MAX_SAMPLES + 1, False, f"not steady after {MAX_SAMPLES} samples")


def test_time_for_it_can_be_over_but_two_calls_are_always_made() -> None:
    assert warm(itertools.repeat(1.0), max_s=0.0) == (2, False, "its 0 s for warm-up were over")


def test_a_sample_is_long_enough_for_the_clock() -> None:
    assert calls_per_sample(0.5) == 1
    assert calls_per_sample(1e-5) == 1000


def test_drift_is_a_share_of_the_first_time() -> None:
    assert drift_of(1.0, 1.25) == pytest.approx(0.25)
    assert abs(drift_of(1.0, 0.95)) < MAX_DRIFT


def test_the_reference_operation_takes_time_on_this_device() -> None:
    assert ReferenceOperation(ScriptedClock(script=itertools.repeat(0.003))).seconds() == 0.003


def test_peak_memory_on_a_cpu_is_what_is_held_at_once_not_what_was_allocated() -> None:
    def one_after_the_other() -> None:
        for _ in range(4):
            torch.zeros(MIB_OF_FLOATS)

    def at_once() -> None:
        [torch.zeros(MIB_OF_FLOATS) for _ in range(4)]

    device = torch.device("cpu")
    assert peak_of_call(one_after_the_other, device).allocated_mib == pytest.approx(1, rel=0.01)
    found = peak_of_call(at_once, device)
    assert found.allocated_mib == pytest.approx(4, rel=0.01)
    assert found.reserved_mib is None
    assert found.reason == "PyTorch's CPU allocator reserves nothing"


def test_memory_that_cannot_be_measured_is_none_with_a_reason() -> None:
    found = peak_of_call(lambda: None, torch.device("mps"))
    assert (found.allocated_mib, found.reason) == (None, "no peak counter for MPS")
