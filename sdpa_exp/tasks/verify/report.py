"""The table of task=verify, from the content of verify.json."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def render_verify(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    console = Console(file=StringIO(), color_system=None)
    weights = "trained weights" if content["weights"] else "weights as initialised"
    console.print(
        f"attention={content['arm']} against stock, {content['model']} at {content['imgsz']} px, "
        f"{content['num_images']} images of {content['dataset']}, {weights}, {content['device']}",
        highlight=False,
    )
    console.print(_layers(content))
    for precision, reason in content["not_run"].items():
        console.print(f"not run in {precision}: {reason}", highlight=False)
    console.print(_end_to_end(content))
    console.print(_conclusion(content), highlight=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def _layers(content: dict[str, Any]) -> Table:
    """A row a layer: the output in full, the gradients by their ratio; verify.json has all of all."""
    table = Table(
        box=SIMPLE,
        title=f"error to fp64 truth, as a share of the largest value; rule: at most {content['max_ratio']:g} x plain",
        title_justify="left",
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("layer", overflow="fold")
    table.add_column("dtype", no_wrap=True)
    for name in ("max diff", "mean diff", "error", "plain"):
        table.add_column(name, justify="right", min_width=7)
    for name in ("x plain", "grad in", "grad par"):
        table.add_column(name, justify="right", min_width=5)
    table.add_column("", no_wrap=True)
    before = content["layers"][0]["precision"]
    for layer in content["layers"]:
        if before != layer["precision"]:
            table.add_section()
        before = layer["precision"]
        output = layer["parts"][0]
        table.add_row(
            layer["layer"].removeprefix("model."),
            layer["precision"],
            *(f"{output[key]:.1e}" for key in ("max_diff", "mean_diff", "error", "plain_error")),
            *(f"{part['ratio']:.2f}" if part["ratio"] < 100 else f"{part['ratio']:.0e}" for part in layer["parts"]),
            "ok" if layer["ok"] else "WRONG",
        )
    return table


def _end_to_end(content: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE, title="end to end, same weights", title_justify="left", pad_edge=False)
    table.add_column("dtype", no_wrap=True)
    for name in ("loss stock", "loss here", "pred. max diff", "mean diff", "error", "plain"):
        table.add_column(name, justify="right")
    for item in content["end_to_end"]:
        table.add_row(
            item["precision"],
            _number(item["loss_stock"], ".6g"),
            _number(item["loss_backend"], ".6g"),
            f"{item['max_diff']:.1e}",
            f"{item['mean_diff']:.1e}",
            f"{item['mean_error']:.1e}",
            f"{item['mean_plain_error']:.1e}",
        )
    return table


def _conclusion(content: dict[str, Any]) -> str:
    lines = []
    accuracy = content["accuracy"]
    if accuracy is None:
        lines.append(content["accuracy_reason"])
    else:
        for name in ("mAP50", "mAP50-95"):
            values = ", ".join(f"{backend} {found[name]:.5f}" for backend, found in accuracy.items())
            lines.append(f"{name} on the val split, fp32: {values}")
    attestation = content["attestation"]
    kernels = sorted({kernel for stage in attestation["executed"].values() for kernel in stage})
    lines.append(
        f"ran: {', '.join(kernels) or 'no attention kernel'}" + ("" if attestation["ok"] else ", NOT AS ASKED")
    )
    wrong = {layer["layer"] for layer in content["layers"] if not layer["ok"]}
    layers = {layer["layer"] for layer in content["layers"]}
    lines.append(
        f"verdict: {len(wrong)} of {len(layers)} layers WRONG"
        if wrong
        else f"verdict: {len(layers)} of {len(layers)} layers compute what stock computes, up to rounding"
    )
    return "\n".join(lines)


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)
