from __future__ import annotations

import pytest

from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.errors import ConfigError


def test_stock_is_the_control_where_it_is_among_the_arms() -> None:
    assert resolve_baseline(["flash", "sdpa", "stock"], None) == "stock"


def test_sdpa_is_the_control_where_stock_is_missing() -> None:
    assert resolve_baseline(["flash", "sdpa"], None) == "sdpa"


def test_the_first_arm_is_the_control_where_both_are_missing() -> None:
    assert resolve_baseline(["math", "flash"], None) == "math"


def test_a_named_baseline_wins() -> None:
    assert resolve_baseline(["stock", "flash"], "flash") == "flash"


def test_a_baseline_that_is_not_an_arm_is_refused_with_the_arms() -> None:
    with pytest.raises(
        ConfigError, match=r"baseline=eager is not among the arms: expected one of flash, sdpa\. Add it"
    ):
        resolve_baseline(["flash", "sdpa", "flash"], "eager")


def test_no_arms_at_all_are_refused() -> None:
    with pytest.raises(ConfigError, match="There is no arm to compare"):
        resolve_baseline([], None)
