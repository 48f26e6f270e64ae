"""The results gallery, docs/results.md: what each machine measured, from committed JSON files alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims import RESULTS
from benchmarks.machine import BENCH, MACHINES, PREDICT
from pages.kept_sweep import comparison

RESULTS_PAGE = Path(__file__).parents[1] / "docs" / "results.md"
_OLDER = ("bench_cpu.json", "latency_cpu.json", "demo_cpu.json")  # from before there was one file a machine
_TITLES = {
    "step": "A training step (forward, loss, backward, optimizer)",
    "inference": "Inference, the model alone",
    "module": "Attention modules",
    "op": "The attention product alone",
}
_TOP = """# Results

<!-- made by `python -m pages --write` from the files named below -->

What machines measured. Numbers of a table are **how many times faster than the baseline** (stock; eager for the product
alone), with the 95 % interval over rounds; all arms were timed in one process, in turns. `identity` computes no
attention: no backend can be faster. An empty cell did not run there. More studies, with the commands that measured
them, are in `benchmarks/results/README.md`.
"""
_CONTRIBUTE = """
## Contribute a machine

```bash
make setup && source .venv/bin/activate
python -m benchmarks.machine my_box       # about a quarter of an hour; have nothing else run meanwhile
python -m pages --write                   # puts it into this page
```

The first command writes one file, `benchmarks/results/machines/my_box.json`: commit it, with this page, and send it. A
part that can't run on your machine leaves its reason there. `--quick` rehearses on a CPU.
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What one machine measured; a part that failed has "failed" in it."""

    files: tuple[str, ...]
    bench: dict[str, Any]
    predict: dict[str, Any]
    sweep: dict[str, Any]

    @property
    def title(self) -> str:
        """The card, or the processor."""
        environment = self.sweep.get("environment") or self.bench.get("machine") or {}
        cpu = f"{environment.get('num_cpus')} cores of an {environment.get('cpu') or environment.get('device')}"
        return str(environment.get("gpu") or cpu)


def machines() -> list[Machine]:
    """All that is committed, the newest kind of file last."""
    older = [_read(RESULTS / name) for name in _OLDER]
    parts = dict(zip(("bench", "predict", "sweep"), older, strict=True))
    found = [Machine(files=_OLDER, **parts)]
    for file in sorted(MACHINES.glob("*.json")):
        content = _read(file)
        if not content["is_quick"]:
            parts = {part: content[part] for part in ("bench", "predict", "sweep")}
            found.append(Machine(files=(f"machines/{file.name}",), **parts))
    return found


def page(found: list[Machine] | None = None) -> str:
    """The whole page."""
    found = machines() if found is None else found
    sections = [_section(machine) for machine in found]
    return "\n".join([_TOP, _across(found), *sections]).rstrip() + "\n" + _CONTRIBUTE


def _across(found: list[Machine]) -> str:
    """One row a machine: accuracy, inference, step, memory, energy."""
    rows = []
    for machine in found:
        step = next((case for case in machine.bench.get("cases", []) if case["level"] == "step"), None)
        fps = {
            row["arm"]: row["fps"]
            for row in machine.predict.get("rows", [])
            if (row["model"], row["batch"]) == ("yolo12n", 1)
        }
        arms = _arms(machine.sweep)
        rows.append(
            [
                machine.title,
                " / ".join(_mean(arms.get(arm, []), "mAP50-95", ".3f") for arm in ("stock", "sdpa")),
                " / ".join(_format(fps.get(arm), ".1f") for arm in ("stock", "sdpa")),
                _speedup(step["arms"].get("sdpa")) if step else "",
                " / ".join(_mean(arms.get(arm, []), "peak_memory_mib", ",.0f") for arm in ("stock", "sdpa")),
                " / ".join(_mean(arms.get(arm, []), "energy_j", ",.0f") for arm in ("stock", "sdpa")),
            ]
        )
    header = ["machine", "mAP50-95", "FPS, batch 1", "step, sdpa over stock", "peak MiB", "energy J"]
    note = (
        "YOLO12n; stock / sdpa where there are two values. mAP50-95, memory and energy are means over the seeds of the "
        "quick recipe on the rendered field: they compare arms, and are no benchmark of detectors. -: not measured.\n"
    )
    return f"## Across machines\n\n{_table(header, rows)}\n{note}"


def _section(machine: Machine) -> str:
    files = ", ".join(f"`benchmarks/results/{name}`" for name in machine.files)
    parts = [f"## {machine.title}\n\nFrom {files}.\n"]
    parts += [_training(machine.sweep), _inference(machine.predict)]
    parts += [f"### Benchmark\n\n{_where(machine.bench, machine.bench.get('machine'), BENCH)}"]
    parts += [_failed(machine.bench)]
    parts += [_level(level, machine.bench) for level in _TITLES]
    return "\n".join(part for part in parts if part)


def _training(sweep: dict[str, Any]) -> str:
    arms = _arms(sweep)
    seeds = ", ".join(dict.fromkeys(str(run["seed"]) for run in sweep.get("runs", [])))
    rows = [
        [
            arm,
            f"{len(runs)}",
            *(
                _mean_sd(runs, name, form)
                for name, form in (
                    ("mAP50", ".3f"),
                    ("mAP50-95", ".3f"),
                    ("train_s", ".1f"),
                    ("images_per_s", ".1f"),
                    ("peak_memory_mib", ",.0f"),
                    ("energy_j", ",.0f"),
                )
            ),
            ", ".join((runs[0]["executed"] or {}).get("train_forward", {})),
        ]
        for arm, runs in arms.items()
    ]
    header = ["arm", "runs", "mAP50", "mAP50-95", "train s", "images/s", "peak MiB", "energy J", "kernel"]
    table = _table(header, rows) if rows else ""
    where = _where(sweep, sweep.get("environment"), sweep.get("command", ""))
    told = f"\n{comparison(sweep).headline}\n" if arms else ""
    return f"### Training, seeds {seeds}\n\n{where}\n{_failed(sweep)}{table}{told}"


def _inference(predict: dict[str, Any]) -> str:
    rows = [
        [
            row["model"], str(row["batch"]), row["arm"],
            *(_format(row[name], ".1f") for name in ("pre_ms", "model_ms", "post_ms", "p50_ms", "p95_ms")),
            _format(row["fps"], ".2f"), _ratio(row["speedup"], row["interval"]),
        ]
        for row in predict.get("rows", [])
    ]  # fmt: skip
    header = ["model", "batch", "arm", "pre ms", "model ms", "post ms", "p50 ms", "p95 ms", "FPS", "faster"]
    where = _where(predict, predict.get("machine"), predict.get("command", PREDICT))
    return (
        f"### Inference as `yolo predict` does it\n\n{where}\n{_failed(predict)}{_table(header, rows) if rows else ''}"
    )


def _level(level: str, bench: dict[str, Any]) -> str:
    cases = [case for case in bench.get("cases", []) if case["level"] == level]
    if not cases:
        return ""
    arms = list(dict.fromkeys(arm for case in cases for arm in case["arms"] if arm != case["baseline"]))
    rows = []
    for case in cases:
        base = case["arms"].get(case["baseline"], {}).get("median_ms")
        ratios = [_speedup(case["arms"].get(arm)) for arm in arms]
        what = f"{case['what']}{' (the machine drifted)' if case['is_drifted'] else ''}"
        rows.append([case["name"], what, case["precision"], _format(base, ".1f"), *ratios])
    title = "B, H, N, D" if level == "op" else "size"
    header = [title, "what", "precision", f"{cases[0]['baseline']} ms", *arms]
    return f"#### {_TITLES[level]}\n\n{_table(header, rows)}"


def _where(part: dict[str, Any], environment: dict[str, Any] | None, command: str) -> str:
    """Versions, date or commit, and the line that measures it again."""
    environment = environment or {}
    versions = environment.get("versions") or {}
    libraries = (("PyTorch", "torch"), ("Ultralytics", "ultralytics"), ("sdpa_exp", "sdpa-exp"))
    named = [f"{label} {versions[name]}" for label, name in libraries if versions.get(name)]
    if environment.get("driver"):
        named += [f"driver {environment['driver']}, CUDA {environment.get('cuda')}"]
    commit = (environment.get("git") or {}).get("commit")
    named += [f"commit {commit[:12]}"] if commit else []
    named += [str(part["date"])] if part.get("date") else []
    return f"{', '.join(named)}. Again: `{part.get('command', command)}`\n" if named else ""


def _failed(part: dict[str, Any]) -> str:
    return f"Not measured: {part['failed']}.\n" if "failed" in part else ""


def _arms(sweep: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    finished = [run for run in sweep.get("runs", []) if run["status"] == "FINISHED"]
    return {arm: [run for run in finished if run["arm"] == arm] for arm in dict.fromkeys(r["arm"] for r in finished)}


def _values(runs: list[dict[str, Any]], name: str) -> list[float]:
    return [run["metrics"][name] for run in runs if run["metrics"].get(name) is not None]


def _mean(runs: list[dict[str, Any]], name: str, form: str) -> str:
    values = _values(runs, name)
    return _format(float(np.mean(values)) if values else None, form)


def _mean_sd(runs: list[dict[str, Any]], name: str, form: str) -> str:
    values = _values(runs, name)
    return (
        f"{_mean(runs, name, form)} ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else _mean(runs, name, form)
    )


def _speedup(arm: dict[str, Any] | None) -> str:
    found = (arm or {}).get("speedup")
    return _ratio(found[0], found[1:]) if found else ""


def _ratio(value: float | None, interval: list[float | None] | None) -> str:
    if value is None:
        return ""
    low, high = interval or (None, None)
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _format(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [" | ".join(header), *(" | ".join(row) for row in rows)]
    lines = [f"| {line} |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
