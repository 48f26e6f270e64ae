"""All findings on a comparison, in one list: what to look for, and in which order it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sdpa_exp.compare import findings_conditions, findings_control, findings_null, findings_settings, prices
from sdpa_exp.compare.finding import Finding, by_severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sdpa_exp.compare.pair import CellRuns


def find(cells: Sequence[CellRuns], baseline: str) -> tuple[Finding, ...]:
    """Everything a reader must know before the figures, errors first."""
    return by_severity(_all(cells, baseline))


def _all(cells: Sequence[CellRuns], baseline: str) -> Iterator[Finding]:
    yield from findings_settings.differing_cells(cells)
    yield from findings_conditions.arm_counts(cells, baseline)
    for cell in cells:
        for finding in _about(cell, baseline):
            yield replace(finding, cell_id=cell.cell_id)


def _about(cell: CellRuns, baseline: str) -> Iterator[Finding]:
    yield from findings_null.same_kernels(cell)
    yield from findings_null.nothing_learnt(cell)
    yield from findings_null.identical_curves(cell)
    yield from findings_null.identical_weights(cell)
    yield from findings_null.idle_seeds(cell)
    yield from findings_control.control(cell, baseline)
    yield from findings_settings.attestations(cell)
    yield from findings_settings.changed_settings(cell)
    yield from findings_settings.differing_inputs(cell)
    yield from findings_conditions.unfinished(cell)
    yield from findings_conditions.seed_counts(cell, baseline)
    yield from findings_conditions.run_order(cell, baseline)
    yield from findings_conditions.machine(cell)
    yield from findings_conditions.epoch_counts(cell)
    yield from findings_settings.unknown_settings(cell)
    yield from findings_settings.differing_environments(cell)
    yield from prices.differing_prices(cell)
    yield from findings_conditions.recorded(cell)
