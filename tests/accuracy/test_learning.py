"""Facts of learning curves made by hand, the awkward ones included."""

from __future__ import annotations

import math

import pytest

from sdpa_exp.accuracy.learning import learning_facts


def facts(*values: float | None):  # type: ignore[no-untyped-def]
    return learning_facts(range(1, len(values) + 1), values)


def test_a_curve_that_rises_and_rests() -> None:
    found = facts(0.1, 0.3, 0.46, 0.485, 0.5, 0.495, 0.505, 0.5, 0.495, 0.5)
    assert found.epochs_to == {50: 2, 90: 3, 95: 4, 99: 5}
    assert (found.peak, found.peak_epoch, found.final) == (0.505, 7, 0.5)
    assert found.plateau_epoch == 5  # 0.485 is 3 % away
    assert found.num_last == 3
    assert found.last_tenth_sd == pytest.approx(0.0028867513)  # 0.5, 0.495, 0.5
    assert found.unmeasured == {}


def test_a_curve_that_peaks_and_falls_reaches_its_final_value_early_and_has_no_plateau() -> None:
    found = facts(0.2, 0.8, 0.7, 0.6, 0.5, 0.4)
    assert found.epochs_to[99] == 2
    assert (found.peak_epoch, found.plateau_epoch) == (2, None)
    assert found.unmeasured["plateau_epoch"] == "the last 3 epochs are not all within 2 % of the final value"


def test_the_last_tenth_of_many_epochs_is_a_tenth() -> None:
    found = facts(*[0.5] * 95, *[0.4, 0.6] * 2, 0.5)
    assert found.num_last == 10
    assert found.last_tenth_sd == pytest.approx(0.0666666667)
    assert found.plateau_epoch is None


def test_a_curve_without_a_single_move_rests_from_the_first_epoch() -> None:
    found = facts(0.5, 0.5, 0.5)
    assert (found.plateau_epoch, found.last_tenth_sd) == (1, 0)


def test_nothing_learnt_reaches_nothing() -> None:
    found = facts(0.0, 0.0, 0.0, 0.0)
    assert set(found.epochs_to.values()) == {None}
    assert found.unmeasured["epochs_to"] == "the final value is 0: nothing was learnt"
    assert found.last_tenth_sd == 0


def test_one_epoch_is_no_curve() -> None:
    found = facts(0.4)
    assert (found.peak_epoch, found.epochs_to[90]) == (1, None)
    assert found.unmeasured["epochs_to"] == "one epoch is not a curve"
    assert found.unmeasured["last_tenth_sd"] == "1 epochs are too few for an SD: 3 or more are needed"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_an_epoch_without_a_value_is_passed_over(missing: float | None) -> None:
    found = facts(0.1, missing, 0.5, 0.5, 0.5, 0.5)
    assert (found.epochs_to[50], found.peak_epoch, found.plateau_epoch) == (3, 3, 3)


def test_a_last_epoch_without_a_value_leaves_no_final_value() -> None:
    found = facts(0.1, 0.2, 0.3, math.nan)
    assert (found.final, found.peak_epoch, found.last_tenth_sd) == (None, 3, None)
    assert found.unmeasured["epochs_to"] == "the last epoch has no finite value"


@pytest.mark.parametrize("values", [(), (None, math.nan)])
def test_no_value_at_all_is_a_reason_for_everything(values: tuple[float | None, ...]) -> None:
    found = facts(*values)
    assert found.num_epochs == len(values)
    assert set(found.unmeasured.values()) == {"no epoch has a finite value"}


def test_epochs_keep_their_numbers() -> None:
    found = learning_facts([11, 12, 13, 14], [0.1, 0.5, 0.5, 0.5])
    assert (found.epochs_to[50], found.plateau_epoch, found.peak_epoch) == (12, 12, 12)
