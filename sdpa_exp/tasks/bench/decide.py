"""The decision table: which backend for which device, precision, number of tokens and head_dim, from measured cases.

The arm that gains most over the baseline is compared with each other arm, round by round, by the 95 % interval of
their ratio. Where all of it is beyond the margin, the other is slower; where all of it is inside, there is no
difference; else it can't be told. An arm that is not slower is as good a choice, and the baseline stays where it is
one of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from sdpa_exp.measure.interval import MIN_ROUNDS, Ratio, ratio_of
from sdpa_exp.tasks.bench import LEVELS
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.conclude import fastest

DECISION_FILE = "decision.md"


def decide(content: Mapping[str, Any], *, source: str, margin: float) -> list[dict[str, Any]]:
    """One decision a case of a bench.json.

    Args:
        content: of the file.
        source: what the file is called.
        margin: the smallest gain that counts, as a share: 0.02 is 2 %.
    """
    return [
        {
            "device": content["machine"]["device"],
            **{key: row.get(key) for key in ("level", "what", "model", "name", "precision", "heads", "tokens")},
            "head_dim": row["head_dim"],
            "batch": row["batch"],
            "source": f"{source} #{row['id']}",
            **_decide_row(row, margin),
        }
        for row in content["cases"]
    ]


def _decide_row(row: Mapping[str, Any], margin: float) -> dict[str, Any]:
    best, baseline = fastest(row), row["baseline"]
    if best is None:
        return {"choice": None, "equal": [], "gain": None, "reason": "no arm was measured"}
    seconds = {label: np.array(values) for label, values in row["seconds"].items()}
    gain = None if baseline is None else ratio_of(seconds[baseline], seconds[best]).to_list()
    if row["rounds"] < MIN_ROUNDS:
        reason = f"undecided: {row['rounds']} rounds, {MIN_ROUNDS} are needed for an interval"
        return {"choice": None, "equal": [], "gain": gain, "reason": reason}
    if row["is_drifted"]:
        reason = f"undecided: the machine changed by {row['reference_drift']:+.0%} meanwhile"
        return {"choice": None, "equal": [], "gain": gain, "reason": reason}
    verdicts = {
        label: _verdict(ratio_of(seconds[label], seconds[best]), margin)
        for label in row["arms"]
        if label not in (best, FLOOR)
    }
    equal = [label for label, verdict in verdicts.items() if verdict != "slower"]
    if baseline not in (best, *equal):
        return {"choice": best, "equal": equal, "gain": gain, "reason": None}
    shown = [label for label in (best, *equal) if label != baseline]
    if not shown:
        text = f"{baseline} is the fastest"
    elif any(verdicts.get(label) == "unclear" for label in (baseline, *shown)):
        text = f"inconclusive between {baseline} and {', '.join(shown)}"
    else:
        text = f"no difference of {baseline} from {', '.join(shown)}"
    return {"choice": baseline, "equal": shown, "gain": gain, "reason": text}


def _verdict(ratio: Ratio, margin: float) -> Literal["slower", "same", "unclear"]:
    """What the interval of (other / best) says: beyond the margin, inside it, or both."""
    assert ratio.low is not None
    assert ratio.high is not None
    if ratio.low > 1 + margin:
        return "slower"
    return "same" if ratio.high <= 1 + margin else "unclear"


def render_decisions(decisions: Sequence[Mapping[str, Any]], *, margin: float) -> str:
    """Markdown, a table for each device and level."""
    lines = [
        "# Which attention backend",
        "",
        f"The fastest backend of each case, and those that are not shown to be more than {margin:.0%} slower. "
        "Gain: how many times faster than the baseline (stock; eager for the product alone) the fastest is, with its "
        "95 % interval. B is the batch: of the product, or of images.",
    ]
    for device in dict.fromkeys(decision["device"] for decision in decisions):
        lines += ["", f"## {device}"]
        for level in LEVELS:
            here = [d for d in decisions if d["device"] == device and d["level"] == level]
            if here:
                lines += ["", *_table(level, here)]
    return "\n".join(lines) + "\n"


def _table(level: str, decisions: Iterable[Mapping[str, Any]]) -> list[str]:
    titles = {
        "op": "The product alone",
        "module": "Attention modules",
        "inference": "Inference, whole model",
        "step": "Training step, whole model",
    }
    lines = [
        f"### {titles[level]}",
        "",
        "| model, layer | dtype | what | N | head_dim | heads | B | choice | as good | gain | source |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for found in decisions:
        where = "-" if level == "op" else f"{found['model']} {found['name']}"
        lines.append(
            f"| {where} | {found['precision']} | {found['what']} | {found['tokens']} | {found['head_dim']} | "
            f"{found['heads']} | {found['batch']} | {found['reason'] or found['choice']} | "
            f"{', '.join(found['equal']) or '-'} | {gain_text(found['gain'])} | {found['source']} |"
        )
    return lines


def gain_text(gain: Sequence[float | None] | None) -> str:
    """2.31 (2.20 to 2.40); without its interval where there is none."""
    if gain is None or gain[0] is None:
        return "-"
    return f"{gain[0]:.2f}" + (f" ({gain[1]:.2f} to {gain[2]:.2f})" if gain[1] is not None else "")
