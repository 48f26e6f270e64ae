"""What a sceptic asks of a GPU's first figures, answered from the files that `benchmarks/gpu.py` leaves.

    python -m benchmarks.gpu_judge FOLDER        # an unpacked battery_*.tar.gz

Each answer names what it saw, and reads "no", "yes", or "not known" with the reason; it never guesses. The questions
are those of a reader who distrusts benchmarks: did the kernels run that were asked for, are the counters alive, are the
times physically possible, what is `sdpa` on this card, do two arms train the same numbers?
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.kernel_floor import CARDS, saved_bytes
from sdpa_exp.compare.load.curves import TIME_COLUMNS
from sdpa_exp.compare.load.results_csv import read_results_csv
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import LOG_FILE, RESULT_FILE

Answer = tuple[str, str]
"""yes, no or not known; and what was seen."""

_STRIDES = ("grad_output", "stride")
"""Words of cuDNN's warning that the gradient's strides differ from the output's, which costs a hidden copy."""


def judgement(folder: Path) -> str:
    """All answers as Markdown."""
    runs = list(_runs(folder))
    rows = ["# Judgement", "", "| question | answer | seen |", "|---|---|---|"]
    for question, answer in _QUESTIONS.items():
        verdict, seen = answer(folder, runs)
        rows.append(f"| {question} | {verdict} | {seen.replace('|', '/')} |")
    return "\n".join(rows) + "\n"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _runs(folder: Path) -> Iterator[dict[str, Any]]:
    """Every run of a training that left a result, with its folder."""
    for path in sorted(folder.rglob(RESULT_FILE)):
        run = _read(path)
        if run.get("task") == "train":
            yield run | {"folder": path.parent, "step": path.relative_to(folder).parts[0]}


def _finished(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for run in runs if run.get("status") == "FINISHED"]


def _kernels(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    attested = [run for run in runs if run.get("attestation")]
    if not attested:
        return "not known", "no run left an attestation"
    wrong = [f"{run['arm']} in {run['step']}" for run in attested if not run["attestation"].get("ok")]
    return ("no", "mismatch: " + ", ".join(wrong)) if wrong else ("yes", f"{len(attested)} runs, every layer and stage")


def _what_sdpa_is(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    seen = {
        f"{kernel} ({stage})"
        for run in _finished(runs)
        if run["arm"] == "sdpa" and run.get("attestation")
        for stage, kernels in run["attestation"]["executed"].items()
        for kernel in kernels
    }
    return ("yes", ", ".join(sorted(seen))) if seen else ("not known", "no finished run of sdpa")


def _energy(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    return _telemetry(runs, "energy_source", lambda value: value == "counter")


def _clocks(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    return _telemetry(runs, "mean_gpu_sm_clock_mhz", lambda value: value is not None and value > 0)


def _throttle(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    return _telemetry(runs, "throttled_s", lambda value: value is not None)


def _telemetry(runs: list[dict[str, Any]], name: str, is_good: Callable[[Any], bool]) -> Answer:
    found = [(run, (run.get("telemetry") or {}).get("overall") or {}) for run in _finished(runs)]
    if not found:
        return "not known", "no finished run"
    bad = [(run, told) for run, told in found if not is_good(told.get(name))]
    if not bad:
        return "yes", f"{name}: {', '.join(sorted({str(told.get(name))[:8] for _, told in found}))}"
    run, told = bad[0]
    reason = (told.get("unmeasured") or {}).get(name) or (told.get("unmeasured") or {}).get("energy_j") or "no reason"
    return "no", f"{name} is {told.get(name)} in {len(bad)} of {len(found)} runs ({run['arm']}: {reason})"


def _uuid(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    """Telemetry finds its GPU by torch's UUID: the driver must know it."""
    used = sorted({str(uuid) for run in _finished(runs) if (uuid := (run.get("environment") or {}).get("gpu_uuid"))})
    log = folder / "logs" / "smi.log"
    if not used or not log.is_file():
        return "not known", "no run names its GPU, or nvidia-smi did not run"
    is_listed = all(uuid in log.read_text(encoding="utf-8", errors="replace") for uuid in used)
    return ("yes" if is_listed else "no"), f"torch used {', '.join(used)}"


def _bench(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(folder.rglob("bench.json")):
        for case in _read(path).get("cases", []):
            yield path.parent.name, case


def _possible(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    """Step times against the time in which the card moves the saved tensors of yolo12n once out and once in."""
    named = str(_read(folder / "steps.json").get("machine", {}).get("gpu") or "")
    card = next((card for card in CARDS.values() if card.driver_name in named), None)
    if card is None:
        return "not known", f"no peak is on file for {named or 'a machine without a GPU'}"
    bound_ms = 2e3 * saved_bytes() / card.bytes
    for where, case in _bench(folder):
        if case["level"] == "step" and (case["model"], case["imgsz"], case["batch"]) == ("yolo12n", 640, 16):
            times = {arm: entry["median_ms"] for arm, entry in case["arms"].items()}
            least = min(times, key=lambda arm: times[arm])
            seen = f"{where}: {least} {times[least]:.2f} ms, bound {bound_ms:.2f} ms"
            return ("yes" if times[least] > bound_ms else "no"), seen
    return "not known", "no step of yolo12n at 640 px and batch 16 was timed"


def _identity(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    """The best arm's step over that of no attention at all."""
    seen, is_near = [], True
    for where, case in _bench(folder):
        if case["level"] == "step" and "identity" in case["arms"]:
            times = {arm: entry["median_ms"] for arm, entry in case["arms"].items()}
            floor_ms = times.pop("identity")
            best = min(times, key=lambda arm: times[arm])
            is_near &= times[best] <= 1.02 * floor_ms
            seen.append(f"{where} {case['precision']}: {best} {times[best] / floor_ms:.3f}")
    return (
        ("not known", "no step with identity was timed") if not seen else ("yes" if is_near else "no", "; ".join(seen))
    )


def _hidden_copy(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    logs = [*folder.rglob(LOG_FILE), *folder.rglob("logs/*.log")]
    if not logs:
        return "not known", "no log"
    lines = (line for path in logs for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    found = sorted({line.strip()[:160] for line in lines if all(word in line.lower() for word in _STRIDES)})
    return ("yes", found[0]) if found else ("no", f"nothing of that kind in {len(logs)} logs")


def _peaks(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    by_arm: dict[tuple[str, str], set[float]] = {}
    counts: dict[tuple[str, str], int] = {}
    for run in _finished(runs):
        peak = ((run.get("memory") or {}).get("train") or {}).get("peak_allocated_mib")
        if peak is not None:
            by_arm.setdefault((run["step"], run["arm"]), set()).add(peak)
            counts[run["step"], run["arm"]] = counts.get((run["step"], run["arm"]), 0) + 1
    repeated = {key: values for key, values in by_arm.items() if counts[key] > 1}
    if not repeated:
        return "not known", "no arm with two runs whose allocated peak was measured"
    seen = "; ".join(
        f"{arm}: {', '.join(f'{value:.3f}' for value in sorted(v))} MiB" for (_, arm), v in repeated.items()
    )
    return ("yes" if all(len(values) == 1 for values in repeated.values()) else "no"), seen


def _same_curves(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    curves = {(run["step"], run["seed"], run["arm"]): _curve(run["folder"]) for run in _finished(runs)}
    pairs = [
        (curves[key], other)
        for key in curves
        if key[2] == "flash" and (other := curves.get((*key[:2], "sdpa"))) is not None and curves[key] is not None
    ]
    if not pairs:
        return "not known", "no flash and sdpa with one seed in one sweep"
    same = sum(first == second for first, second in pairs)
    return ("yes" if same == len(pairs) else "no"), f"{same} of {len(pairs)} pairs equal in every printed digit"


def _curve(folder: Path) -> dict[str, list[float]] | None:
    """Metric -> values by epoch, time aside."""
    try:
        curves, _ = read_results_csv(folder / "train" / "results.csv")
    except (OSError, ComparisonError):
        return None
    return {name: list(values) for name, values in curves.columns.items() if name not in TIME_COLUMNS}


def _steps(folder: Path, runs: list[dict[str, Any]]) -> Answer:
    steps = _read(folder / "steps.json").get("steps", [])
    if not steps:
        return "not known", "steps.json is missing"
    failed = [f"{step['name']} ({step['exit_code']})" for step in steps if step["exit_code"] != 0]
    return ("no", ", ".join(failed)) if failed else ("yes", f"{len(steps)} steps")


_QUESTIONS: dict[str, Callable[[Path, list[dict[str, Any]]], Answer]] = {
    "Did every step end with exit code 0? (a refusal that is meant to be seen ends with another)": _steps,
    "Did the kernels run that were asked for?": _kernels,
    "What is sdpa on this card?": _what_sdpa_is,
    "Is the energy counter alive?": _energy,
    "Are the clocks there?": _clocks,
    "Are throttle reasons there?": _throttle,
    "Is it the GPU that torch used whose telemetry was read?": _uuid,
    "Are the step times above the bound of the card?": _possible,
    "Is the best arm's step within 2 % of no attention at all?": _identity,
    "Does cuDNN warn of a gradient with other strides (a hidden copy)?": _hidden_copy,
    "Is the peak of allocated memory the same over runs of one arm?": _peaks,
    "Do flash and sdpa train to equal curves?": _same_curves,
}


if __name__ == "__main__":
    print(judgement(Path(sys.argv[1])))
