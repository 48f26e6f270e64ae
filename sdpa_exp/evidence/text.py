"""What `print` shows of a verification and of an attestation: short tables, as wide as the terminal."""

from __future__ import annotations

import math
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from sdpa_exp.evidence.rule import WORDS, largest_of
from sdpa_exp.text_report import plain_table, text_of

LEGEND = (
    "error, allowed: of the part that is worst; product: softmax(QK^T)V; its grads: of q, k and v; output, grad in, "
    "grad par: the layer's output, gradients of its input and its parameters; stock: the worst part of stock itself. "
    "From product on, 1.00 is what rounding explains."
)


def equivalence_text(content: dict[str, Any]) -> str:
    """A verification's table, stock's own faults, and the verdict; `content` as `Equivalence.to_dict` makes it."""
    words = (LEGEND, *stock_words(content), *blind_words(content), verdict(content))
    return text_of(equivalence_table(content), *words).rstrip("\n")


def equivalence_table(content: dict[str, Any]) -> Table:
    """A row a layer and precision: for every metric, its error in units of what the precision explains."""
    table = Table(
        box=SIMPLE,
        title=f"error to a checked fp64 truth, in units of what the precision explains; expected at most "
        f"{content['max_ratio']:g}.\nRoot mean square and largest are judged; error and allowed are the worse of them, "
        "shares of the largest value.",
        title_justify="left",
        pad_edge=False,
        padding=0,
    )
    table.add_column("layer", overflow="fold")
    table.add_column("dtype", no_wrap=True)
    for name in ("error", "allowed", "product", "its grads", "output", "grad in", "grad par", "stock"):
        table.add_column(name, justify="right", min_width=5)
    table.add_column("", no_wrap=True)
    before = content["layers"][0]["precision"] if content["layers"] else None
    for layer in content["layers"]:
        if before != layer["precision"]:
            table.add_section()
        before = layer["precision"]
        parts = {part["name"]: part for part in layer["parts"]}
        grads = [parts[name]["ratio"] for name in ("grad_q", "grad_k", "grad_v") if name in parts]
        worst = _worst(layer["parts"], "ratio")

        def one(name: str, parts: dict[str, Any] = parts) -> str:
            return _times(parts[name]["ratio"]) if name in parts else "-"

        table.add_row(
            layer["layer"].removeprefix("model."),
            layer["precision"],
            *(f"{number:.1e}" for number in _judged(worst)),
            one("product"),
            _times(largest_of(grads)) if grads else "-",
            *map(one, ("forward", "grad_input", "grad_params")),
            _times(_worst(layer["parts"], "plain_ratio")["plain_ratio"]),
            "ok" if layer["ok"] else "WRONG",
        )
    return table


def stock_words(content: dict[str, Any]) -> list[str]:
    """Stock's own faults: how many, and the worst in a sentence; and forms of the truth that were replaced."""
    lines = []
    faults = content["stock_faults"]
    if faults:
        worst = max(faults, key=lambda fault: _sortable(fault["ratio"]))
        layers = sorted({fault["layer"].removeprefix("model.") for fault in faults})
        lines.append(f"{worst['sentence']} Stock is wrong at {len(layers)} layers: {', '.join(layers)}.")
    replaced = {
        (fault["form"], fault["operation"], fault["replaced_by"])
        for layer in content["layers"]
        for fault in layer["reference_faults"]
    }
    for form, operation, by in sorted(replaced, key=str):
        lines.append(
            f"Stock in fp64, {form}, is no truth here (the {operation or 'operation'} disagrees with central "
            f"differences; {content['versions']}): "
            + (f"compared with {by} instead." if by else "and no other form of it is.")
        )
    return lines


def blind_words(content: dict[str, Any]) -> list[str]:
    """A sentence for each precision in which something can't be judged, because any value would pass."""
    count = len({layer["layer"] for layer in content["layers"]})
    blind: dict[str, dict[str, set[str]]] = {}
    for layer in content["layers"]:
        for part in layer["parts"]:
            if part["is_blind"]:
                blind.setdefault(layer["precision"], {}).setdefault(part["name"], set()).add(layer["layer"])
    return [
        f"In {precision} the rule says nothing of "
        + ", ".join(
            f"the {WORDS[name].rsplit(' ', 1)[0]} (at {len(layers)} of {count} layers)"
            for name, layers in parts.items()
        )
        + ": rounding is as large as the value there, and zeros would pass. Believe the other precisions."
        for precision, parts in blind.items()
    ]


def verdict(content: dict[str, Any]) -> str:
    """The last line."""
    layers = {layer["layer"] for layer in content["layers"]}
    wrong = {layer["layer"] for layer in content["layers"] if not layer["ok"]}
    if wrong or not layers:
        return f"verdict: {len(wrong)} of {len(layers)} layers WRONG"
    return f"verdict: {len(layers)} of {len(layers)} layers compute what stock should compute, up to rounding"


def attestation_text(summary: dict[str, Any]) -> str:
    """An attestation's table: stage by stage, at how many layers which kernel ran; `summary` as Attestation has it."""
    title = f"attention={summary['requested']}: kernels that ran, by number of layers ({summary['num_layers']})"
    rows = [
        [stage.replace("_", " "), ", ".join(f"{kernel} {number}" for kernel, number in kernels.items())]
        for stage, kernels in summary["executed"].items()
    ]
    table = plain_table(["stage", "ran"], [[stage, ran or "no attention kernel"] for stage, ran in rows], texts=["ran"])
    mismatches = summary["mismatches"]
    shown = [f"- {text}" for text in mismatches[:5]]
    more = [f"- and {len(mismatches) - 5} more"] if len(mismatches) > 5 else []
    ending = "verdict: NOT AS ASKED" if mismatches else "verdict: everything ran as asked"
    return text_of(title, table, *shown, *more, ending).rstrip("\n")


def _worst(parts: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return max(parts, key=lambda part: _sortable(part[key]))


def _judged(part: dict[str, Any]) -> tuple[float, float]:
    """The error of a part and what was allowed, for the root mean square or the largest, whichever is worse."""
    error, explained = part["error"], part["explained"]
    kind = max(("rms", "largest"), key=lambda kind: _sortable(error[kind] / (explained[kind] or 1e-300)))
    return error[kind], part["max_ratio"] * explained[kind]


def _sortable(ratio: float) -> float:
    """A NaN is worse than any number."""
    return math.inf if math.isnan(ratio) else ratio


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0e}"
