"""Rows for what ran where: kernels site by site, and the environment."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.load import flatten

if TYPE_CHECKING:
    from sdpa_exp.compare.pair import CellRuns
    from sdpa_exp.compare.runs import Run

ATTESTATION_FILE = "attestation.json"


def kernel_rows(cell: CellRuns) -> list[tuple[str, ...]]:
    """(arm, stage, kernel, sites, dtype, q shape, device kernels) of the first attested run of each arm.

    Sites that agree in all of it share a row.
    """
    rows: list[tuple[str, ...]] = []
    for arm in cell.arms:
        run = next((run for run in cell.of(arm) if run.attestation), None)
        if run is not None:
            rows.extend(_rows_of(run))
    return rows


def environment_rows(cell: CellRuns) -> list[tuple[str, str]]:
    """(key, value) of the environment of all runs; values that differ stand side by side."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for run in cell.runs:
        for key, value in flatten(run.environment).items():
            values[key][str(value)] = None
    return [(key, " / ".join(found)) for key, found in sorted(values.items()) if list(found) != ["None"]]


def _rows_of(run: Run) -> list[tuple[str, ...]]:
    """From attestation.json site by site, else from the summary in the record."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for item in _evidence(run):
        calls = item.get("calls") or [{}]
        operand = (calls[0].get("operands") or [{}])[0]
        shape = " x ".join(map(str, operand.get("shape") or ()))
        key = (
            str(item.get("stage", "")).replace("_", " "),
            ", ".join(item.get("kernels") or ()) or "none seen",
            str(operand.get("dtype") or ""),
            shape,
            ", ".join(item.get("device_kernels") or ()),
        )
        groups[key].append(str(item.get("site", "")))
    if groups:
        order = list(dict.fromkeys(key[0] for key in groups))
        return [
            (run.arm, stage, kernel, f"{len(sites)}: {_common(sites)}", dtype, shape, device)
            for (stage, kernel, dtype, shape, device), sites in sorted(
                groups.items(), key=lambda group: order.index(group[0][0])
            )
        ]
    executed = (run.attestation or {}).get("executed") or {}
    return [
        (run.arm, stage.replace("_", " "), kernel, str(count), "", "", "")
        for stage, kernels in executed.items()
        for kernel, count in kernels.items()
    ]


def _evidence(run: Run) -> list[dict[str, Any]]:
    try:
        content = json.loads((run.folder / ATTESTATION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    evidence = content.get("evidence") if isinstance(content, dict) else None
    return [item for item in evidence if isinstance(item, dict)] if isinstance(evidence, list) else []


def _common(sites: list[str]) -> str:
    """Site names without the ends that all of them share."""
    names = [site.removesuffix(".attn") for site in sites]
    return ", ".join(names)
