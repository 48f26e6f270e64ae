"""Rows for what ran where: kernels layer by layer, and the environment."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.load.ours import flatten

if TYPE_CHECKING:
    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run

ATTESTATION_FILE = "attestation.json"


def kernel_rows(group: GroupRuns) -> list[tuple[str, ...]]:
    """(arm, stage, kernel, layers, dtype, q shape, device kernels) of the first attested run of each arm.

    Layers that agree in all of it share a row.
    """
    rows: list[tuple[str, ...]] = []
    for arm in group.arms:
        run = next((run for run in group.of(arm) if run.attestation), None)
        if run is not None:
            rows.extend(_rows_of(run))
    return rows


def environment_rows(group: GroupRuns) -> list[tuple[str, str]]:
    """(key, value) of the environment of all runs; values that differ stand side by side."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for run in group.runs:
        for key, value in flatten(run.environment).items():
            values[key][str(value)] = None
    return [(key, " / ".join(found)) for key, found in sorted(values.items()) if list(found) != ["None"]]


def _rows_of(run: Run) -> list[tuple[str, ...]]:
    """From attestation.json layer by layer, else from the summary in the record."""
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
        groups[key].append(str(item.get("layer", "")))
    if groups:
        order = list(dict.fromkeys(key[0] for key in groups))
        return [
            (run.arm, stage, kernel, f"{len(layers)}: {_common(layers)}", dtype, shape, device)
            for (stage, kernel, dtype, shape, device), layers in sorted(
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


def _common(layers: list[str]) -> str:
    """Layer names without the ends that all of them share."""
    names = [layer.removesuffix(".attn") for layer in layers]
    return ", ".join(names)
