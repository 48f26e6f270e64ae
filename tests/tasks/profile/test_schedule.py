"""Stages of steps inside a training loop that has epochs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sdpa_exp.errors import RunError
from sdpa_exp.tasks.profile.schedule import Schedule, Stage, epochs_needed
from sdpa_exp.tasks.profile.timing import Timed, summarise, turns
from sdpa_exp.tasks.training import StepsDone


class _Noting(Stage):
    def __init__(self, name: str, num_steps: int, notes: list[str]) -> None:
        super().__init__(name, num_steps)
        self._notes = notes

    def begin(self, trainer: Any) -> None:
        self._notes.append(f"{self.name} begins after {trainer.step}")

    def end(self, trainer: Any) -> None:
        self._notes.append(f"{self.name} ends after {trainer.step}")


def loop(lengths: list[int], *, per_epoch: int, epochs: int) -> list[str]:
    """A loop as Ultralytics' is, with the events that a schedule listens to."""
    notes: list[str] = []
    stages = [_Noting(name, length, notes) for name, length in zip("abcdef", lengths, strict=False)]
    schedule = Schedule(stages, at_end=lambda trainer: notes.append("left"), on_stage=lambda name: None)
    calls = schedule.callbacks()
    trainer = SimpleNamespace(train_loader=range(per_epoch), epochs=epochs, step="")
    calls["on_train_start"](trainer)
    try:
        for epoch in range(epochs):
            calls["on_train_epoch_start"](trainer)
            for index in range(per_epoch):
                calls["on_train_batch_start"](trainer)
                trainer.step = f"{epoch}.{index}"
                calls["on_train_batch_end"](trainer)
    except StepsDone:
        return notes
    raise AssertionError("the schedule never left the loop")


def test_stages_follow_each_other_without_a_gap_and_skip_the_first_step() -> None:
    assert loop([2, 1], per_epoch=10, epochs=1) == [
        "a begins after 0.0",
        "a ends after 0.2",
        "b begins after 0.2",
        "b ends after 0.3",
        "left",
    ]


def test_a_stage_that_does_not_fit_into_an_epoch_waits_for_the_next() -> None:
    assert loop([2, 2], per_epoch=4, epochs=2)[2:] == ["b begins after 1.0", "b ends after 1.2", "left"]


def test_the_number_of_epochs_is_known_beforehand() -> None:
    assert epochs_needed([2, 1], 10) == 1
    assert epochs_needed([2, 2], 4) == 2
    assert epochs_needed([1, 1, 1], 2) == 3
    assert epochs_needed([4], 4) is None


def test_too_few_steps_are_refused_before_the_first() -> None:
    with pytest.raises(RunError, match=r"ends after 1 epochs of 4 steps, .* needs 2 epochs"):
        loop([2, 2], per_epoch=4, epochs=1)
    with pytest.raises(RunError, match="an epoch has 4 steps, and task=profile needs 6 in a row"):
        loop([5], per_epoch=4, epochs=9)


def test_turns_meet_a_drift_alike() -> None:
    assert turns(3) == [False, True, True, False, False, True]


def test_the_speedup_without_the_product_is_the_geometric_mean_of_pairs_with_a_t_interval() -> None:
    def unit(wall_s: float, *, is_identity: bool) -> Timed:
        return Timed(is_identity=is_identity, num_steps=2, wall_s=wall_s, data_s=0.2)

    pairs = [(2.2, 2.0), (4.4, 4.0), (3.63, 3.0)]
    units = [unit(wall, is_identity=bool(index)) for pair in pairs for index, wall in enumerate(pair)]
    times = summarise(units)
    assert times.speedup == pytest.approx((1.1 * 1.1 * 1.21) ** (1 / 3))
    assert times.speedup_low is not None
    assert times.speedup_high is not None
    assert times.speedup_low < times.speedup < times.speedup_high
    assert times.step_s == pytest.approx(3.63 / 2)
    assert times.data_s == pytest.approx(0.1)


def test_pairs_that_do_not_vary_give_no_interval() -> None:
    units = [Timed(is_identity=flag, num_steps=1, wall_s=1.0, data_s=0.0) for flag in turns(2)]
    times = summarise(units)
    assert times.speedup == 1
    assert times.speedup_low is None
