"""The comparison of a committed sweep, as a terminal and a page show it today."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sdpa_exp.compare.answer.measurement import measurement_of
from sdpa_exp.compare.assemble import assemble
from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.questions import DEFAULT_QUESTIONS
from sdpa_exp.compare.report.terminal import render_text
from sdpa_exp.launch.progress import closing_line
from sdpa_exp.runs.record import Record

DEMO = Path(__file__).parents[1] / "benchmarks" / "results" / "demo_cpu.json"


def read(path: Path = DEMO) -> dict[str, Any]:
    """What `python -m benchmarks.keep_sweep` kept."""
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def comparison(kept: dict[str, Any]) -> Comparison:
    """The comparison of its runs, by today's statistics and wording."""
    runs = [
        Run(
            arm=run["arm"],
            seed=run["seed"],
            folder=Path(f"{num}_{run['arm']}_seed{run['seed']}"),
            status=run["status"],
            group_id="kept",
            num=num,
            metrics={name: value for name, value in run["metrics"].items() if value is not None},
            attestation={"ok": True, "executed": run["executed"]} if run["executed"] else None,
            settings={"name": "comparison"},
        )
        for num, run in enumerate(kept["runs"])
    ]
    beside = {"kept": measurement_of(kept["interleaved"])} if kept.get("interleaved") else {}
    return assemble(runs, name="comparison", folder=Path(), questions=DEFAULT_QUESTIONS, alpha=0.05, interleaved=beside)


def output(kept: dict[str, Any], *, is_whole: bool) -> str:
    """What the sweep says at its end: its closing lines, and the answer or the whole comparison."""
    lines = [f"$ {kept['command']}", "[...]"]
    num_jobs = len(kept["runs"])
    for num, run in enumerate(kept["runs"], start=1):
        record = SimpleNamespace(**run, task="train", attestation={"executed": run["executed"]}, unmeasured={})
        lines.append(f"job {num}/{num_jobs}  {run['arm']} seed {run['seed']}: {closing_line(cast('Record', record))}")
    text = render_text(comparison(kept)).partition("\nRun folders")[0]
    return "\n".join([*lines, text if is_whole else text.partition("\n\n")[0].partition("\n")[2]]).strip()


def machine(kept: dict[str, Any]) -> str:
    """Where it was measured, in a line."""
    environment, minutes = kept["environment"], kept["wall_s_first_start_to_last_end"] / 60
    versions = environment["versions"]
    device = environment["gpu"] or f"{environment['num_cpus']} cores of an {environment['cpu']}, no GPU"
    return f"{device}, PyTorch {versions['torch']}, Ultralytics {versions['ultralytics']}, {minutes:.0f} minutes"
