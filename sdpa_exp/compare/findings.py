"""All findings on a comparison, in one list: what to look for, and in which order it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sdpa_exp.compare import findings_conditions, findings_control, findings_null, findings_settings, prices
from sdpa_exp.compare.finding import Finding, by_severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sdpa_exp.compare.pair import GroupRuns


def find(groups: Sequence[GroupRuns], baseline: str) -> tuple[Finding, ...]:
    """Everything a reader must know before the figures, errors first."""
    return by_severity(_all(groups, baseline))


def _all(groups: Sequence[GroupRuns], baseline: str) -> Iterator[Finding]:
    yield from findings_settings.differing_groups(groups)
    yield from findings_conditions.arm_counts(groups, baseline)
    for group in groups:
        for finding in _about(group, baseline):
            yield replace(finding, group_id=group.group_id)


def _about(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    yield from findings_null.same_kernels(group)
    yield from findings_null.nothing_learnt(group)
    yield from findings_null.identical_curves(group)
    yield from findings_null.identical_weights(group)
    yield from findings_null.idle_seeds(group)
    yield from findings_control.control(group, baseline)
    yield from findings_settings.attestations(group)
    yield from findings_settings.changed_settings(group)
    yield from findings_settings.differing_inputs(group)
    yield from findings_conditions.unfinished(group)
    yield from findings_conditions.seed_counts(group, baseline)
    yield from findings_conditions.run_order(group, baseline)
    yield from findings_conditions.machine(group)
    yield from findings_conditions.epoch_counts(group)
    yield from findings_settings.unknown_settings(group)
    yield from findings_settings.differing_environments(group)
    yield from prices.differing_prices(group)
    yield from findings_conditions.recorded(group)
