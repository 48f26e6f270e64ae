"""All findings on a comparison, in one list: what to look for, and in which order it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sdpa_exp.compare.findings import (
    aa_control,
    completeness,
    machine,
    order_and_overlap,
    prices,
    recorded,
    restarts,
    same,
    settings,
    stragglers_and_drift,
)
from sdpa_exp.compare.findings.finding import Finding, by_severity
from sdpa_exp.compare.load.groups import GroupRuns


def find(groups: Sequence[GroupRuns], baseline: str, alpha: float) -> tuple[Finding, ...]:
    """Everything a reader must know before the figures, errors first."""
    return by_severity(_all(groups, baseline, alpha))


def _all(groups: Sequence[GroupRuns], baseline: str, alpha: float) -> Iterator[Finding]:
    yield from settings.differing_groups(groups)
    yield from completeness.arm_counts(groups, baseline)
    for group in groups:
        for finding in _about(group, baseline, alpha):
            yield replace(finding, group_id=group.group_id)


def _about(group: GroupRuns, baseline: str, alpha: float) -> Iterator[Finding]:
    yield from same.same_kernels(group)
    yield from same.nothing_learnt(group)
    yield from same.identical_curves(group)
    yield from same.identical_weights(group)
    yield from same.idle_seeds(group)
    yield from aa_control.control(group, baseline)
    yield from settings.attestations(group)
    yield from settings.changed_settings(group)
    yield from settings.differing_inputs(group)
    yield from completeness.unfinished(group)
    yield from completeness.seed_counts(group, baseline)
    yield from order_and_overlap.one_after_the_other(group, baseline)
    yield from order_and_overlap.at_the_same_time(group)
    yield from order_and_overlap.fixed_order(group, baseline)
    yield from stragglers_and_drift.drifted(group, alpha)
    yield from stragglers_and_drift.outlying(group)
    yield from machine.machine(group)
    yield from completeness.epoch_counts(group)
    yield from settings.differing_machines(group, baseline)
    yield from settings.unknown_settings(group)
    yield from settings.harmless_labels(group)
    yield from settings.differing_environments(group)
    yield from prices.differing_prices(group)
    yield from restarts.repeated(group)
    yield from restarts.continued(group)
    yield from recorded.recorded(group)
