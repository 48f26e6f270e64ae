"""Energy and cost in a comparison: shown where they were measured, not compared at different prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sdpa_exp.compare.report.terminal import render_terminal
from sdpa_exp.compare.run_compare import compare_sweep
from tests.compare.folders import crossed, default_metrics, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.compare.comparison import Comparison

PRICES = {"currency": "EUR", "price_per_gpu_hour": 2.5, "price_per_kwh": None}


def compared(folder: Path, prices: list[dict[str, Any] | None]) -> Comparison:
    specs = crossed(["stock", "sdpa"], [0, 42])
    for spec, price in zip(specs, prices, strict=True):
        energy_j = 61_000.0 + 37 * spec.seed - (5000 if spec.arm == "sdpa" else 0)
        cost = None if price is None else 0.05 + spec.seed * 1e-4
        spec.metrics = {**default_metrics(spec.arm, spec.seed), "energy_j": energy_j, "cost": cost}
        spec.prices = price
    return compare_sweep(write_sweep(folder, specs))


def test_energy_and_cost_have_columns_and_the_currency_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = compared(tmp_path, [PRICES] * 4)
    assert not [f for f in comparison.findings if f.code == "prices-differ"]
    for width in (80, 140):
        Console(width=width).print(render_terminal(comparison))
        printed = capsys.readouterr().out
        assert "energy J" in printed
        assert "Cost is in EUR, at 2.5 a GPU hour." in printed
        assert max(map(len, printed.splitlines())) <= width
        assert "…" not in printed
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("Cost is in EUR, at 2.5 a GPU hour.") == 2  # under the figure, and in the methods
    assert "mAP50-95 against cost" in report
    assert "mAP50-95 against energy_j" in report


def test_costs_at_different_prices_are_a_finding_and_have_no_common_sentence(tmp_path: Path) -> None:
    dearer = {**PRICES, "price_per_gpu_hour": 4.0}
    comparison = compared(tmp_path, [PRICES, dearer, PRICES, dearer])
    finding = next(f for f in comparison.findings if f.code == "prices-differ")
    assert finding.severity == "warning"
    assert "in EUR, at 2.5 a GPU hour (stock seed 0 and stock seed 42)" in finding.sentence
    assert "Compare time and energy instead." in finding.sentence
    assert "Cost is" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_without_prices_nothing_is_said_about_cost(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [None] * 4)
    assert "cost" not in comparison.groups[0].arms[0].described
    assert "Cost is" not in (tmp_path / "report.html").read_text(encoding="utf-8")
