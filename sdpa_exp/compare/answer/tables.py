"""The table of an answer: an arm a row, and the sentences below it. The end of a sweep shows the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare.numbers import plain
from sdpa_exp.compare.report.table import TextTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.answer.judge import Judged, Speed

SPEED_HEADER = ("step ms", "times faster", "step MiB")
"""A training step: its time, the ratio to the baseline's with its interval, and its memory."""


def answer_table(judged: Judged) -> TextTable:
    """Arms with kernel, function, times, ratios with intervals, and memory."""
    found = judged.measurement
    rows = []
    for arm, (step, ratio, memory) in zip(found.arms, speed_cells(judged), strict=True):
        function = found.functions.get(arm)
        checked = "(is stock)" if function is None else _function(function.ok, function.worst_ratio)
        rows.append(
            (
                f"{arm} (baseline)" if arm == found.baseline else arm,
                found.kernels.get(arm, "-"),
                checked,
                step,
                ratio,
                f"{1e3 * found.seconds['inference'][arm].mean():.3g}",
                _ratio(judged.inference.get(arm)),
                memory,
            )
        )
    level = 100 * (1 - judged.alpha / max(1, len(found.others)))
    return TextTable(
        name="answer",
        caption=f"Times faster than {found.baseline}, with {level:.3g} % t intervals over {found.num_processes} fresh "
        f"processes. Same function: largest error to fp64 truth in units of what the precision explains; up to "
        f"{_limit(judged)} is rounding. Step MiB: allocated in a step above what is held between steps.",
        header=("arm", "kernel", "same function", *SPEED_HEADER[:2], "infer ms", "times faster ", SPEED_HEADER[2]),
        rows=tuple(rows),
        num_text=3,
    )


def speed_cells(judged: Judged) -> Iterator[tuple[str, str, str]]:
    """What stands below `SPEED_HEADER`, for every arm that was measured."""
    found = judged.measurement
    for arm in found.arms:
        memory = found.peak_mib.get(arm)
        peak = "-" if memory is None else plain(float(memory.mean()))
        yield f"{1e3 * found.seconds['step'][arm].mean():.3g}", _ratio(judged.step.get(arm)), peak


def answer_sentences(judged: Judged) -> Iterator[str]:
    """All verdicts in full, and what a reader must know of the measurement."""
    yield from _verdicts(judged)
    yield from remarks(judged)


def _verdicts(judged: Judged) -> Iterator[str]:
    found = judged.measurement
    for arm in found.others:
        if arm in found.functions:
            yield found.functions[arm].sentence(arm)
        yield judged.step[arm].sentence()
        yield judged.inference[arm].sentence()
        if arm in judged.memory:
            yield judged.memory[arm].sentence()


def remarks(judged: Judged) -> Iterator[str]:
    """What a reader must know of the measurement."""
    found = judged.measurement
    if found.memory_reason:
        yield f"memory: not measured ({found.memory_reason})."
    if found.num_drifted:
        yield (
            f"In {found.num_drifted} of {found.num_processes} processes a fixed operation got slower or faster by more "
            "than 10 % meanwhile: something else ran on this machine, and the intervals are wider for it."
        )
    yield from found.stock_faults[:1]


def where_sentence(judged: Judged) -> str:
    """What was measured, on what."""
    where, found = judged.measurement.where, judged.measurement
    num_threads = where["num_threads"] if where["device"] == "cpu" else None
    threads = f", {num_threads} CPU thread{'' if num_threads == 1 else 's'}" if num_threads else ""
    return (
        f"{where['model']} at {where['imgsz']} px, batch {where['batch']} (inference: {where['inference_batch']}), "
        f"{where['dataset']}, {where['device']} {where['precision']}{threads}: {found.num_processes} fresh processes "
        f"of {found.num_rounds} rounds, arms in turns A B B A. A step is forward, loss, backward and optimizer; "
        "loading images comes on top."
    )


def _limit(judged: Judged) -> str:
    limits = [function.max_ratio for function in judged.measurement.functions.values() if function.max_ratio]
    return f"{limits[0]:g}" if limits else "6"


def _function(ok: bool, ratio: float | None) -> str:
    if ratio is None:
        return "not checked"
    return f"yes ({ratio:.2g})" if ok else f"NO ({ratio:.2g})"


def _ratio(speed: Speed | None) -> str:
    return "1" if speed is None else f"{speed.ratio:.2f} ({speed.low:.2f} to {speed.high:.2f})"
