"""What the cost of runs was calculated with: a sentence where all agree, a finding where they don't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.run import COST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run


def cost_sentence(runs: Iterable[Run]) -> str | None:
    """`Cost is in EUR, at 2.5 a GPU hour.`; None where no run has a cost, or their prices differ."""
    texts = {_price_text(run.prices) for run in runs if run.prices and COST in run.metrics}
    return f"Cost is {texts.pop()}." if len(texts) == 1 else None


def differing_prices(group: GroupRuns) -> Iterator[Finding]:
    """Costs at different prices: their difference is the prices', not the arms'."""
    by_price: dict[str, list[str]] = {}
    for run in group.runs:
        if run.prices and COST in run.metrics:
            by_price.setdefault(_price_text(run.prices), []).append(run.label)
    if len(by_price) > 1:
        shown = [f"{text} ({listed(labels)})" for text, labels in by_price.items()]
        yield Finding(
            code="prices-differ",
            severity="warning",
            sentence=f"The cost of runs was calculated with different prices, so a difference in cost says nothing "
            f"about the arms: {listed(shown)}. Compare time and energy instead.",
            evidence={"prices": by_price},
        )


def _price_text(prices: dict[str, Any]) -> str:
    parts = [
        f"{prices[key]:g} {unit}"
        for key, unit in (("price_per_gpu_hour", "a GPU hour"), ("price_per_kwh", "a kWh"))
        if prices.get(key) is not None
    ]
    return f"in {prices.get('currency')}, at {' and '.join(parts)}"
