"""The report of task=profile, from the content of profile.json."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sdpa_exp.tasks.profile.parts import HAVE_BACKWARD, PARTS
from sdpa_exp.text_report import counted, plain_table, text_of

_TITLES = {part.key: part.title for part in PARTS}
_NOISE = 0.95  # a profiled step may come out this much shorter without a reason to distrust it


def render_profile(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    return text_of(
        f"attention={content['arm']} in {content['model']}, {content['num_layers']} layers, {content['imgsz']} px, "
        f"batch {content['batch']}, {content['precision']} on {_device(content)}, {content['dataset']}, recipe "
        f"{content['recipe']}",
        _step(content),
        _conclusion(content),
        _memory(content),
        _memory_words(content),
    )


def _device(content: dict[str, Any]) -> str:
    if content["device"] != "cpu":
        return str(content["device"])
    return f"cpu ({counted(content['num_threads'], 'thread')})"


def _step(content: dict[str, Any]) -> Table:
    step = content["step"]
    what = "kernel times" if step["busy_s"] is not None else "operation times"
    rows: list[list[str] | None] = []
    for share in step["shares"]:
        forward_s, backward_s = share["forward_s"], share["backward_s"]
        if share["key"] == "idle" and step["busy_s"] is None:
            continue
        is_layer = share["key"] in HAVE_BACKWARD
        rows.append(
            [
                _TITLES[share["key"]],
                *([_ms(forward_s), _ms(backward_s)] if is_layer else ["", ""]),
                _ms(forward_s + backward_s),
                f"{100 * (forward_s + backward_s) / step['step_s']:.1f} %",
            ]
        )
    title = f"where a step goes: {what}, mean of {counted(len(step['steps_s']), 'profiled step')}"
    header = ["part", "forward ms", "backward ms", "total ms", "share of step"]
    return plain_table(header, [*rows, None, ["step", "", "", _ms(step["step_s"]), "100.0 %"]], title=title)


def _conclusion(content: dict[str, Any]) -> str:
    metrics, times, step = content["metrics"], content["times"], content["step"]
    product, rest = (_share(step, key) for key in ("product", "attention_rest"))
    bound = metrics["amdahl_bound"]
    lines = [
        f"At most: the attention product takes {100 * product:.1f} % of a step, so that no other attention can "
        f"make the step more than {bound:.3f} times as fast."
    ]
    interval = (
        f"95 % interval {times['speedup_low']:.3f} to {times['speedup_high']:.3f}"
        if times["speedup_low"] is not None
        else "no spread, so no interval"
    )
    lines.append(
        f"Check, without the profiler: with the product left out (out = v) a step is {times['speedup']:.3f} times as "
        f"fast, by the mean of {times['num_pairs']} pairs of steps in turns ({interval}); the medians of all are "
        f"{_ms(times['without_product_s'])} ms without it and {_ms(times['step_s'])} ms with it."
    )
    most = bound
    if content["backend"] == "stock":
        most = 1 / (1 - product - rest)
        lines.append(
            f"Leaving it out also takes stock's own copies away (attention, rest: {100 * rest:.1f} % of a step), so "
            f"that the check may give up to {most:.3f}."
        )
    lines.append(_agreement(times, bound, most))
    lines.append(_slowdown(step["step_s"], times["step_s"]))
    lines.append(
        f"A step waits for data for {100 * metrics['data_wait_share']:.1f} % of its time (without the profiler)."
    )
    if step["busy_s"] is not None:
        lines.append(f"The device ran kernels for {100 * step['busy_s'] / step['step_s']:.1f} % of the profiled step.")
    return "\n".join(lines)


def _agreement(times: dict[str, Any], bound: float, most: float) -> str:
    """Whether the profiler's bound, for stock up to `most`, and the timed check can both be right."""
    low, high = times["speedup_low"], times["speedup_high"]
    expected = f"{bound:.3f}" if most == bound else f"{bound:.3f} to {most:.3f}"
    if low is None:
        return "The check can't confirm this: its pairs of steps do not vary."
    if high < bound:
        return (
            f"The check finds less than the profiler's {expected}, which slows small operations and so makes them look "
            "larger. Trust the check."
        )
    if low > most:
        return f"The check finds more than the profiler's {expected}. Look at the trace; was the machine busy?"
    place = f"{expected} lies inside its interval" if most == bound else f"its interval overlaps with {expected}"
    inside = f"The check does not contradict the profiler: {place}"
    if low > 1:
        return f"{inside}."
    return (
        f"{inside}. But the interval is wide, since so few pairs were timed: it also holds 1, which is no gain at all. "
        "A larger profile.num_pairs makes it narrower."
    )


def _slowdown(profiled_s: float, plain_s: float) -> str:
    """What the profiler did to the steps that the table is about."""
    ratio, both = profiled_s / plain_s, f"{_ms(profiled_s)} ms with the profiler and {_ms(plain_s)} ms without"
    if ratio < 1:
        return (
            f"A step took {both}. A profiler can only make it longer, so the machine was slower while the steps "
            "without it ran: read the shares as rough, and repeat on a quiet machine."
            if ratio < _NOISE
            else f"A step took {both}: the profiler cost nothing that one could see."
        )
    return (
        f"A step took {both}: {100 * (ratio - 1):.0f} % more. The profiler adds some time to each operation, so that "
        "parts made of many small operations look larger than they are."
    )


def _memory(content: dict[str, Any]) -> Table:
    memory = content["memory"]
    saved, attention = memory["saved"], memory["saved_attention"]
    in_projections = sum(layer["projection"] for layer in memory["saved_by_layer"].values())
    tensors = [
        ("weights", memory["weights"], "parameters and buffers of the model"),
        ("EMA", memory["ema"], "the averaged copy that is validated and saved"),
        ("optimiser", memory["optimiser"], "its moments"),
        ("gradients", memory["gradients"], "from backward to the optimiser's step"),
        ("batch", memory["batch"], "images and labels on the device"),
        ("saved activations", saved, "what autograd holds at the end of forward"),
        ("  in attention", attention, f"{100 * attention / saved:.1f} % of them"),
        ("    projections", in_projections, "in the modules qkv, proj and pe"),
        ("    product and rest", attention - in_projections, "among it all that another backend can change"),
        ("temporary", memory["temporary"], f"the rest of the peak, which was in {memory['peak_phase']}"),
    ]
    process = (
        ("reserved, peak", "peak_reserved", "what torch took from the device, its cache included"),
        ("device in use", "device_used", "all processes, contexts included: what nvidia-smi shows"),
        ("process, now", "rss", "resident set: libraries and the allocator's leftovers too"),
        ("process, peak", "peak_rss", "its highest in the step"),
    )
    rows = [
        *([name, f"{value:.1f}", words] for name, value, words in tensors),
        None,
        ["peak of all tensors", f"{memory['peak']:.1f}", "the most at any moment of a step"],
        None,
        *(
            [name, "-", _why(memory, key)] if memory[key] is None else [name, f"{memory[key]:.1f}", words]
            for name, key, words in process
        ),
    ]
    return plain_table(
        ["what", "MiB", "what is in it"], rows, texts=["what is in it"], title="memory of a step, in tensors"
    )


def _memory_words(content: dict[str, Any]) -> str:
    on_cuda = content["step"]["busy_s"] is not None
    where = (
        "On CUDA it holds none of the tensors above."
        if on_cuda
        else "Memory that oneDNN takes for itself is in it, and in no tensor."
    )
    return (
        "Compare arms by the peak of all tensors. The process's resident set is no measure of a model: it keeps "
        f"what was freed, and a difference of two readings tells what ran before as much as what ran between. {where}"
    )


def _why(memory: dict[str, Any], key: str) -> str:
    return str(memory["unmeasured"].get(key, "not measured"))


def _share(step: dict[str, Any], key: str) -> float:
    found = next(share for share in step["shares"] if share["key"] == key)
    return float((found["forward_s"] + found["backward_s"]) / step["step_s"])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
