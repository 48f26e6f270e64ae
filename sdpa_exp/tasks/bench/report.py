"""The terminal's text of task=bench, from the content of bench.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sdpa_exp.measure.interval import MIN_ROUNDS
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.conclude import fastest
from sdpa_exp.tasks.bench.decide import gain_text
from sdpa_exp.text_report import counted, plain_table, text_of

_SHORT = {"forward": "f", "forward+backward": "f+b"}
_A = {"step": "a training step", "inference": "an inference"}
_TITLES = {"module": "Attention modules", "op": "The product alone"}


def render_bench(content: Mapping[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    settings = content["settings"]
    parts: list[Table | str] = [
        f"bench: {settings['model']}, {content['machine']['device']}, rounds A B B A, {settings['rounds']} at most"
    ]
    for row in content["cases"]:
        if row["level"] not in _TITLES:
            parts += [f"\n{_head(row)}", _arms(row)]
    for level, title in _TITLES.items():
        rows = [row for row in content["cases"] if row["level"] == level]
        if rows:
            baseline = _common_baseline(rows)
            over = baseline or "the baseline"
            parts.append(f"\n{title}: times faster than {over} (~ 1 is in the interval, ? too few rounds)")
            parts.append(_matrix(rows, baseline))
    if content["scaling"]:
        parts.append("\nGrowth with N: time ~ N^a, memory ~ N^b, with 95 % intervals")
        parts.append(_scaling(content["scaling"]))
    return text_of(*parts, *_notes(content), *_verdict(content))


def _common_baseline(rows: Sequence[Mapping[str, Any]]) -> str | None:
    found = {row["baseline"] for row in rows}
    return found.pop() if len(found) == 1 else None


def _head(row: Mapping[str, Any]) -> str:
    """The title of a whole-model case."""
    what = f"Training step ({row['what']})" if row["level"] == "step" else "Inference"
    changed = ", the machine changed meanwhile!" if row["is_drifted"] else ""
    return f"{what}, {row['model']}, {row['name']}, {row['precision']}, {row['rounds']} rounds{changed}"


def _matrix(rows: Sequence[Mapping[str, Any]], baseline: str | None) -> Table:
    """A row a case: the baseline's median, and how many times faster the other arms are."""
    several = len({row["precision"] for row in rows}) > 1
    labels = list(dict.fromkeys(label for row in rows for label in row["arms"] if label != baseline))
    cells = []
    for row in rows:
        first = None if row["baseline"] is None else row["arms"][row["baseline"]]["median_ms"]
        cases = [_ratio(row["arms"].get(label)) for label in labels]
        mark = "!" if row["is_drifted"] else ""
        name = [row["name"], *([row["precision"]] if several else []), _SHORT[row["what"]] + mark]
        cells.append([*name, three_digits(first), *cases])
    names = ["B H N D" if rows[0]["level"] == "op" else "layer", *([""] if several else []), ""]
    return plain_table([*names, f"{baseline or 'baseline'} ms", *labels], cells, texts=[""])


def _arms(row: Mapping[str, Any]) -> Table:
    """A whole-model case: a row an arm."""
    rows = []
    for label, arm in row["arms"].items():
        memory = (arm.get("memory") or {}).get("allocated_mib")
        rows.append(
            [
                label + ("*" if label == row["baseline"] else ""),
                three_digits(arm["median_ms"]),
                f"{three_digits(arm['q1_ms'])}-{three_digits(arm['q3_ms'])}",
                three_digits(arm["p95_ms"]),
                f"{arm['images_per_s']:.3g}",
                "" if label == row["baseline"] else gain_text(arm["speedup"]),
                "-" if memory is None else f"{memory:.3g}",
                ", ".join((arm.get("kernels") or {}).get("forward", ["?"])) or "-",
            ]
        )
    return plain_table(["arm", "ms", "q1-q3", "p95", "images/s", "times faster", "MiB", "ran"], rows, texts=["ran"])


def _scaling(series: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for found in series:
        where = found.get("layer") or f"B{found['batch']} H{found['heads']} D{found['head_dim']}"
        what = _SHORT.get(found["what"], found["what"])
        tokens = f"{min(found['tokens']):.0f}-{max(found['tokens']):.0f}"
        exponents = (gain_text(found["time_exponent"]), gain_text(found["memory_exponent"]))
        rows.append([f"{found['level']} {where} {what}", tokens, found["arm"], *exponents])
    return plain_table(["series", "N", "arm", "a", "b"], rows, texts=["N", "arm"])


def _notes(content: Mapping[str, Any]) -> list[str]:
    lines = []
    cases = content["cases"]
    all_cases = counted(len(cases), "case")
    pairs = dict.fromkeys(" and ".join(group) for row in cases for group in row.get("same_kernel", []))
    lines += [f"NOTE: {pair} ran the same kernel: a difference between them is noise" for pair in pairs]
    drifted = [row for row in cases if row["is_drifted"]]
    if drifted:
        lines.append(
            f"NOTE: in {len(drifted)} of {all_cases} (marked !) a fixed operation got slower or faster by "
            "more than 10 % meanwhile: something else ran, or a clock changed"
        )
    throttled = [row for row in cases if row.get("gpu") and any(row["gpu"][edge]["throttled"] for edge in row["gpu"])]
    if throttled:
        lines.append(f"NOTE: the GPU was throttled around {len(throttled)} of {all_cases}; bench.json says why")
    unsteady = sum(not arm["warm_up"]["is_steady"] for row in cases for arm in row["arms"].values())
    if unsteady:
        total = sum(len(row["arms"]) for row in cases)
        lines.append(f"NOTE: {unsteady} of {total} warm-ups ended before they were steady; bench.json says which")
    stopped = [row for row in cases if row["stopped"]]
    if stopped:
        limit = content["settings"]["time_limit_s"]
        lines.append(f"NOTE: fewer rounds in {len(stopped)} of {all_cases}, for bench.time_limit_s={limit:g}")
    reasons: dict[str, dict[str, None]] = {}
    for row in cases:
        for label, reason in row["left_out"].items():
            reasons.setdefault(reason, {}).setdefault(label)
    for label, reason in content["left_out"].items():
        reasons.setdefault(reason, {}).setdefault(label)
    lines += [f"left out: {', '.join(labels)}: {reason}" for reason, labels in reasons.items()]
    slow = [case for case in content["dropped"] if case.get("needs_s") is not None]
    if slow:
        least, most = (three_digits(bound(case["needs_s"] for case in slow)) for bound in (min, max))
        limit = f"bench.time_limit_s={content['settings']['time_limit_s']:g}"
        span = least if least == most else f"{least} to {most}"
        lines.append(
            f"dropped, since {limit} has no room for the {span} s that each takes at least: "
            f"{'; '.join(map(_short_name, slow))}"
        )
    lines += [f"dropped: {_short_name(case)}: {case['reason']}" for case in content["dropped"] if case not in slow]
    return lines


def _verdict(content: Mapping[str, Any]) -> list[str]:
    lines = []
    for floor in content["floors"]:
        share, low, high = floor["attention_share"]
        if floor["level"] not in _A or low is None:  # two rounds can make attention cost less than nothing
            continue
        what = f"{_A[floor['level']]} with {floor['baseline']} at {floor['name']}"
        text = f"attention costs {share:.0%} ({low:.0%} to {high:.0%}) of {what}"
        if floor["removed_by_best"] is not None:
            text += f"; {floor['best']}, the fastest, removes {floor['removed_by_best']:.0%} of that"
        lines.append(text)
    for level in ("module", "inference", "step"):
        rows = [row for row in content["cases"] if row["level"] == level and row["baseline"]]
        for row in rows[-1:]:
            best = fastest(row)
            assert best is not None
            gain = gain_text(row["arms"][best]["speedup"])
            gain += "" if row["rounds"] >= MIN_ROUNDS else f" (no interval: {row['rounds']} rounds)"
            lines.append(f"fastest {level} ({row['name']}): {best}, {gain} times {row['baseline']}")
    choices: dict[str, list[str]] = {}
    for found in content.get("decisions", []):
        equal = f" (as good: {', '.join(found['equal'])})" if found["equal"] and found["reason"] is None else ""
        choices.setdefault(f"{found['reason'] or found['choice']}{equal}", []).append(_short_name(found))
    lines += [f"choice: {choice}: {'; '.join(names)}" for choice, names in choices.items()]
    return lines


def _short_name(case: Mapping[str, Any]) -> str:
    """Module P4 640 px b2 f+b."""
    return " ".join(part for part in (case["level"], case["name"], _SHORT.get(case.get("what", ""), "")) if part)


def _ratio(arm: Mapping[str, Any] | None) -> str:
    if arm is None or arm["speedup"] is None:
        return "-"
    value, low, high = arm["speedup"]
    mark = "?" if low is None else "~" if low <= 1 <= high else ""
    return f"{value:.2f}{mark}"


def three_digits(value: float | None) -> str:
    """Three digits, and never an exponent."""
    if value is None:
        return "-"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def floor_label(label: str) -> str:
    """How plots and tables call an arm: the floor is named as one."""
    return f"{label} (floor)" if label == FLOOR else label
