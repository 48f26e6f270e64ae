"""Findings about runs that were started more than once, and sweeps that were made larger after they had ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.findings.finding import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run


def repeated(group: GroupRuns) -> Iterator[Finding]:
    """Runs that count, and were not the first attempt."""
    again = [run for run in group.runs if run.is_finished and run.attempts]
    if not again:
        return
    reasons = Counter(str(attempt.get("repeated_because")).rstrip(".") for run in again for attempt in run.attempts)
    (reason, _), *others = reasons.most_common()
    more = f" (and {len(others)} other reasons)" if others else ""
    shown = listed(f"{run.label} (attempt {len(run.attempts) + 1})" for run in again)
    yield Finding(
        code="runs-repeated",
        severity="info",
        sentence=f"{shown} ran again from the start: {reason}{more}. Only the last attempt counts; the others are in "
        f"attempts/ of its folder.",
        evidence={run.label: list(run.attempts) for run in again},
    )


def continued(group: GroupRuns) -> Iterator[Finding]:
    """Runs that went on from a checkpoint."""
    found = [run for run in group.runs if run.is_finished and run.continued_from_epoch is not None]
    if found:
        shown = listed(f"{run.label} (after epoch {run.continued_from_epoch})" for run in found)
        yield Finding(
            code="runs-continued",
            severity="warning",
            sentence=f"{shown} went on from last.pt, which holds rounded weights and no state of the random numbers: "
            f"not the run that it would have been. Their times are left out; resume_mode=restart repeats such runs.",
            evidence={run.label: run.continued_from_epoch for run in found},
        )


def sweep_extended(extensions: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Arms or seeds that were added to a sweep after runs of it had finished."""
    for extension in extensions:
        arms, seeds = extension["arms_added"], extension["seeds_added"]
        added = [f"arms {listed(arms)}"] * bool(arms) + [f"seeds {listed(seeds)}"] * bool(seeds) or ["settings"]
        when = "after a comparison of" if extension["was_compared"] else "when there were"
        why = ": who adds seeds until a difference shows will see one" if seeds else ""
        yield Finding(
            code="sweep-extended",
            severity="warning" if extension["was_compared"] else "info",
            sentence=f"The sweep was extended by {extension['num_added']} runs ({' and '.join(added)}) {when} "
            f"{extension['num_finished']} finished runs{why}.",
            evidence=dict(extension),
        )


def runs_made_good(replaced: Sequence[tuple[Run, Run]]) -> Iterator[Finding]:
    """Runs that one sweep lost and another one did."""
    if replaced:
        folders = listed(dict.fromkeys(other.folder.parent.name for _, other in replaced))
        yield Finding(
            code="runs-made-good",
            severity="info",
            sentence=f"{len(replaced)} runs that did not finish in one sweep were finished in another, which stands "
            f"for them: {listed(run.label for run, _ in replaced)} in {folders}.",
            evidence={str(run.folder): str(other.folder) for run, other in replaced},
        )
