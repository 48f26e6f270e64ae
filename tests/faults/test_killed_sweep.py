"""A sweep that is killed and resumed ends as one that nobody disturbed, to the bit."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.killed_sweep import measure
from tests.faults.table import Row, add_rows


@pytest.mark.slow
def test_a_sweep_that_is_killed_and_resumed_loses_nothing_and_learns_the_same(tmp_path: Path) -> None:
    row = measure(tmp_path, 3, random.Random(11))
    assert row.is_as_expected, row
    assert row.records_lost == 0


def test_the_table_has_one_row_for_each_fault_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    row = Row(fault="a | b", how="kill", records_lost=0, delay_s=3.4, saw="one\n two\n", is_as_expected=True)
    add_rows([row, replace(row, fault="c")], made_by="first", path=path)
    add_rows([replace(row, records_lost=2)], made_by="second", path=path)
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [(each["fault"], each["records_lost"], each["saw"], each["made_by"]) for each in rows] == [
        ("c", 0, "one / two", "first"),
        ("a / b", 2, "one / two", "second"),
    ]
