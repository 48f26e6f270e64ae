"""How figures are written."""

from __future__ import annotations

import pytest

from sdpa_exp.compare.numbers import interval


@pytest.mark.parametrize(
    ("name", "low", "high", "text"),
    [
        ("train_s", -0.543, 136.2, "-0.54 to +136 s"),  # of 0.57 s: rounded as the upper bound it would be -1 s
        ("train_s", -12.1, -3.3, "-12.1 to -3.3 s"),
        ("mAP50-95", -0.041, 0.047, "-4.1 to +4.7 points"),
        ("mAP50-95", -1.7, 1.4, "-100 to +100 points"),
    ],
)
def test_each_bound_of_a_ratio_has_digits_of_its_own(name: str, low: float, high: float, text: str) -> None:
    assert interval(name, low, high, unit=True) == text
