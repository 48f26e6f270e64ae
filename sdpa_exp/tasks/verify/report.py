"""The table of task=verify, from the content of verify.json."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sdpa_exp.evidence.text import LEGEND, blind_words, equivalence_table, stock_words, verdict
from sdpa_exp.runs.purposes import shown_metrics
from sdpa_exp.text_report import plain_table, text_of

_END_TO_END = (
    "loss: of one batch, with stock and with this attention; pred. max diff, mean diff: of predictions from stock's "
    "(boxes in pixels, scores from 0 to 1); error, plain: their mean distance from fp64, with this attention and with "
    "stock. Shown and not judged."
)


def render_verify(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    weights = "trained weights" if content["weights"] else "weights as initialised"
    return text_of(
        f"attention={content['arm']} against stock, {content['model']} at {content['imgsz']} px, "
        f"{content['num_images']} images of {content['dataset']}, {weights}, {content['device']}",
        equivalence_table(content),
        LEGEND,
        *(f"not run in {precision}: {reason}" for precision, reason in content["not_run"].items()),
        _end_to_end(content),
        _END_TO_END,
        _accuracy_and_kernels(content),
        *stock_words(content),
        *blind_words(content),
        verdict(content),
    )


def _end_to_end(content: dict[str, Any]) -> Table:
    header = ["dtype", "loss stock", "loss here", "pred. max diff", "mean diff", "error", "plain"]
    rows = [
        [
            item["precision"],
            *("-" if item[key] is None else f"{item[key]:.6g}" for key in ("loss_stock", "loss_backend")),
            *(f"{item[key]:.1e}" for key in ("max_diff", "mean_diff", "mean_error", "mean_plain_error")),
        ]
        for item in content["end_to_end"]
    ]
    return plain_table(header, rows, title="end to end, same weights")


def _accuracy_and_kernels(content: dict[str, Any]) -> str:
    lines = []
    accuracy = content["accuracy"]
    if accuracy is None:
        lines.append(content["accuracy_reason"])
    else:
        for name in shown_metrics(next(iter(accuracy.values()))):
            values = ", ".join(f"{backend} {found[name]:.5f}" for backend, found in accuracy.items())
            lines.append(f"{name} on the val split, fp32: {values}")
    attestation = content["attestation"]
    kernels = sorted({kernel for stage in attestation["executed"].values() for kernel in stage})
    lines.append(
        f"ran: {', '.join(kernels) or 'no attention kernel'}" + ("" if attestation["ok"] else ", NOT AS ASKED")
    )
    return "\n".join(lines)
