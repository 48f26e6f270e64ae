"""Gradients of every layer family equal central differences, in both memory formats, at 1 to 3 images.

benchmarks/gradient_check.py does the same for every precision, mode and size, and for whole models; its table is in
benchmarks/results/gradients_cpu.json.
"""

from __future__ import annotations

import pytest

from benchmarks.gradient_check import FAMILIES, family_rows, whole_model


@pytest.mark.parametrize("family", FAMILIES)
def test_stocks_gradients_equal_differences_but_for_the_known_fault(family: str) -> None:
    wrong = {(row["format"], row["images"]) for row in family_rows(family, compiled=(False,)) if row["wrong"]}
    assert wrong <= ({("NCHW", 1)} if family == "area attention, 4 areas" else set())


def test_stock_fixed_has_the_right_gradients_where_stock_does_not() -> None:
    for row in family_rows("area attention, 4 areas", backend="stock_fixed"):
        assert not row["wrong"], row


def test_the_gradient_of_a_whole_models_loss_equals_differences() -> None:
    assert not whole_model("yolo12n.yaml", "stock_fixed", 1)["wrong"]
    assert not whole_model("yolo12n.yaml", "stock", 2)["wrong"]
