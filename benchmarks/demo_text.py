"""The numbers that a comparison of a kept sweep prints, for checking text that was copied from a terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sdpa_exp.compare.assemble import assemble
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.questions import DEFAULT_QUESTIONS
from sdpa_exp.compare.report.terminal import render_text

_NUMBER = re.compile(r"\d[\d,]*\.\d+")
_PRINTED = {"mAP50": ".3f", "mAP50-95": ".3f", "train_s": ".1f", "images_per_s": ".1f", "peak_memory_mib": ".0f"}


def output_numbers(content: dict[str, Any]) -> set[str]:
    """All decimal numbers in the comparison of the runs that `keep_sweep` kept, and in their closing lines.

    Raises:
        KeyError: the file is not of that kind.
    """
    runs = [
        Run(
            arm=run["arm"],
            seed=run["seed"],
            folder=Path(f"{num}"),
            status=run["status"],
            group_id="kept",
            num=num,
            metrics={name: value for name, value in run["metrics"].items() if value is not None},
            attestation={"ok": True, "executed": run["executed"]} if run["executed"] else None,
            settings={"name": "kept"},
        )
        for num, run in enumerate(content["runs"])
    ]
    comparison = assemble(runs, name="kept", folder=Path(), questions=DEFAULT_QUESTIONS, alpha=0.05)
    printed = {
        format(run.metrics[name], form) for run in runs for name, form in _PRINTED.items() if name in run.metrics
    }
    return printed | set(_NUMBER.findall(render_text(comparison)))
