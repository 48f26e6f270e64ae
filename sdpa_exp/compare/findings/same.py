"""Findings that an experiment compares nothing: arms or seeds that turn out to be the same thing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from sdpa_exp.compare.findings.caveats import NOTHING_LEARNT
from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.curves import TIME_COLUMNS, shared_values
from sdpa_exp.compare.load.groups import GroupRuns
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.numbers import ACCURACIES

_PINNED = {"flash", "efficient", "cudnn", "math"}  # benchmarks/pinning.py has what that costs
_TRAINING_STAGES = ("train_forward", "train_backward")


def same_kernels(group: GroupRuns) -> Iterator[Finding]:
    """Two arms whose attested kernels in training are the same, layer count by layer count; an A/A copy is meant to."""
    groups: dict[Hashable, dict[str, dict[str, int]]] = defaultdict(dict)
    for run in _originals(group):
        executed = (run.attestation or {}).get("executed") or {}
        seen = {stage: executed[stage] for stage in _TRAINING_STAGES if executed.get(stage)}
        if seen:
            key = tuple((stage, tuple(sorted(kernels.items()))) for stage, kernels in seen.items())
            groups[key].setdefault(run.arm, seen.get("train_forward") or next(iter(seen.values())))
    for arms in groups.values():
        if len(arms) > 1:
            kernels = next(iter(arms.values()))
            what = listed(f"{kernel} at {count} layers" for kernel, count in kernels.items())
            yield Finding(
                code="same-kernels",
                severity="error",
                sentence=f"{listed(arms)} ran the same attention kernels in training ({what}): "
                f"a difference between them is noise or something else than attention{_pinning(arms)}. "
                f"To compare something: attention=stock,{'sdpa' if 'stock' in arms else next(iter(arms))}",
                evidence={"arms": list(arms), "kernels": kernels},
            )


def _pinning(arms: Collection[str]) -> str:
    """What a pinned arm has on top of the kernel, where an arm that is not pinned ran the same one."""
    if "sdpa" not in arms or not _PINNED & set(arms):
        return ""
    pinned = listed(arm for arm in arms if arm in _PINNED)
    return f", or what it takes {pinned} to insist on the kernel at each call, where sdpa leaves it to PyTorch"


def nothing_learnt(group: GroupRuns) -> Iterator[Finding]:
    """Accuracy that is 0 in every finished run: equal zeros are no evidence that arms are alike."""
    finished = [run for run in group.runs if run.is_finished]
    measured = {name: [run.metrics[name] for run in finished if name in run.metrics] for name in ACCURACIES}
    zero = [name for name, values in measured.items() if values and not any(values)]
    if zero:
        num = max(len(measured[name]) for name in zero)
        more = max([20, *(4 * len(run.curves.epochs) for run in finished if run.curves is not None)])
        yield Finding(
            code=NOTHING_LEARNT,
            severity="warning",
            sentence=f"Nothing was learnt: {listed(zero)} {'is' if len(zero) == 1 else 'are'} 0 in all {num} finished "
            f"runs, so accuracy says nothing about any arm. Train longer (train.epochs={more}) or on more images.",
            evidence={"metrics": zero, "runs": num},
        )


def identical_curves(group: GroupRuns) -> Iterator[Finding]:
    """Runs of different arms, same seed, whose metrics are equal in every epoch."""
    found: dict[tuple[str, ...], list[tuple[Run, Run]]] = defaultdict(list)
    runs = _originals(group)
    for alike in _groups(runs, _curve_digests(runs)):
        for seed in dict.fromkeys(run.seed for run in alike):
            ran = {run.arm: run for run in alike if run.seed == seed}
            same = [ran[arm] for arm in group.arms if arm in ran]  # arms turn round from seed to seed
            if len(same) > 1:
                found[tuple(run.arm for run in same)].append((same[0], same[1]))
    for arms, examples in found.items():
        matches = [shared_values(a.curves, b.curves) for a, b in examples if a.curves and b.curves]
        num_values = sum(match.num_values for match in matches)
        epochs = matches[0].num_epochs
        how = "in every recorded digit" if matches[0].precision == "bits" else "to every printed digit"
        seeds = [first.seed for first, _ in examples]
        where = f" at {_seeds(seeds)}" if seeds != [None] else ""
        yield Finding(
            code="identical-curves",
            severity="error",
            sentence=f"{listed(arms)} have identical metric curves{where}: none of {num_values} values besides time "
            f"differs in {epochs} epochs, {how}. The comparison is of a model with itself.",
            evidence={"arms": list(arms), "seeds": seeds, "num_values": num_values, "epochs": epochs},
        )


def identical_weights(group: GroupRuns) -> Iterator[Finding]:
    """Runs of different arms, same seed, that ended in the same weights."""
    found: dict[tuple[str, ...], list[int | None]] = defaultdict(list)
    runs = _originals(group)
    for alike in _groups(runs, [run.digests.get("final_weights") for run in runs]):
        for seed in dict.fromkeys(run.seed for run in alike):
            ran = {run.arm for run in alike if run.seed == seed}
            arms = tuple(arm for arm in group.arms if arm in ran)
            if len(arms) > 1:
                found[arms].append(seed)
    for arms, seeds in found.items():
        yield Finding(
            code="identical-weights",
            severity="error",
            sentence=f"{listed(arms)} ended in bit-identical weights at {_seeds(seeds)}: "
            f"the arms computed the same numbers.",
            evidence={"arms": list(arms), "seeds": seeds},
        )


def idle_seeds(group: GroupRuns) -> Iterator[Finding]:
    """Seeds of one arm that gave the same run: they are one run counted several times."""
    by_weights = _groups(group.runs, [run.digests.get("final_weights") for run in group.runs])
    by_curves = _groups(group.runs, _curve_digests(group.runs))
    for arm in group.arms:
        for what, groups in (("final weights", by_weights), ("metric curves", by_curves)):
            same = [
                seeds
                for alike in groups
                if len(seeds := list(dict.fromkeys(run.seed for run in alike if run.arm == arm))) > 1
            ]
            if same:
                yield Finding(
                    code="idle-seeds",
                    severity="error",
                    sentence=f"{arm}: {_seeds(same[0])} gave identical {what}. The seed changes nothing, "
                    f"so these runs are one run counted {len(same[0])} times.",
                    evidence={"arm": arm, "seeds": same[0], "equal": what},
                )
                break


def _originals(group: GroupRuns) -> tuple[Run, ...]:
    """All runs but those of A/A copies; findings/control.py looks at those."""
    return tuple(run for run in group.runs if run.copy_of is None)


def _curve_digests(runs: Sequence[Run]) -> list[Hashable | None]:
    """Digests of the runs' curves over the epochs and columns that all runs of the group share; None without curves."""
    with_curves = [run.curves for run in runs if run.curves is not None and run.is_finished]
    if not with_curves:
        return [None] * len(runs)
    columns = set.intersection(*(set(curves.columns) for curves in with_curves)) - TIME_COLUMNS
    num_epochs = min(curves.epochs.size for curves in with_curves)
    is_mixed = len({curves.precision for curves in with_curves}) > 1
    digests: list[Hashable | None] = []
    for run in runs:
        if run.curves is None or not run.is_finished or not columns:
            digests.append(None)
            continue
        table = np.array([run.curves.columns[name][:num_epochs] for name in sorted(columns)]) + 0.0  # -0.0 -> 0.0
        if is_mixed:
            table = np.array([[float(f"{value:.6g}") for value in row] for row in table])
        digests.append(hashlib.sha256(table.tobytes()).hexdigest())
    return digests


def _groups(runs: Sequence[Run], keys: Sequence[Hashable | None]) -> list[list[Run]]:
    """Runs with the same key; runs without a key and groups of one are left out."""
    groups: dict[Any, list[Run]] = defaultdict(list)
    for run, key in zip(runs, keys, strict=True):
        if key is not None:
            groups[key].append(run)
    return [group for group in groups.values() if len(group) > 1]


def _seeds(seeds: Any) -> str:
    """`seed 0`, `seeds 0, 1 and 42`."""
    names = list(dict.fromkeys(seeds))
    return ("seed " if len(names) == 1 else "seeds ") + listed(names, limit=6)
