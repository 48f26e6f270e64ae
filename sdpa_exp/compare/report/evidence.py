"""Tables of what ran where: kernels layer by layer, the environment, the settings."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.report.table import TextTable, words_table
from sdpa_exp.config.plan import flatten
from sdpa_exp.runs.files import ATTESTATION_FILE

if TYPE_CHECKING:
    from sdpa_exp.compare.comparison import Group
    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run


def layers_table(group: GroupRuns) -> TextTable:
    """The kernels of the first attested run of each arm; layers that agree in all of it share a row."""
    runs = [next((run for run in group.of(arm) if run.attestation), None) for arm in group.arms]
    rows = [row for run in runs if run is not None for row in _rows_of(run)]
    return words_table("layers", ("arm", "stage", "kernel", "layers", "dtype", "q shape", "device kernels"), rows)


def environment_table(group: GroupRuns) -> TextTable:
    """The environment of all runs; values that differ stand side by side."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for run in group.runs:
        for key, value in flatten(run.environment).items():
            values[key][str(value)] = None
    rows = [(key, " / ".join(found)) for key, found in sorted(values.items()) if list(found) != ["None"]]
    return words_table("environment", ("what", "value"), rows)


def settings_table(group: Group) -> TextTable:
    """The settings that all runs of the group share."""
    rows = [(key, str(value)) for key, value in sorted(group.settings.items()) if value is not None]
    return words_table("settings", ("setting", "value"), rows)


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
        groups[key].append(str(item.get("layer", "")).removesuffix(".attn"))
    if groups:
        order = list(dict.fromkeys(key[0] for key in groups))
        return [
            (run.arm, stage, kernel, f"{len(layers)}: {', '.join(layers)}", dtype, shape, device)
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
