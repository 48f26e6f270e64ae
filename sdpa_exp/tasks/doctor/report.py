"""The tables of task=doctor, from the content of doctor.json."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sdpa_exp.text_report import counted, plain_table, text_of

_PRECISIONS = ("fp32", "bf16", "fp16")


def render_doctor(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    parts: list[Table | str] = []
    matrix = content["matrix"]
    if matrix is not None:
        layers = f"{counted(matrix['num_layers'], 'layer')}; {_shapes(matrix['shapes'])}"
        parts = [f"Which attention runs here: {matrix['model']} ({layers}), {matrix['device']}", _matrix(matrix)]
        parts += [f"- : {reason}\n" for reason in matrix["untrainable"].values()]
    return text_of(*parts, "The machine", _findings(content["findings"]), _verdict(content))


def _matrix(matrix: dict[str, Any]) -> Table:
    rows = []
    for name, row in matrix["backends"].items():
        cells = ["-" if p in matrix["untrainable"] else _cell(row["precisions"][p]) for p in _PRECISIONS]
        mark = " <" if name == matrix["chosen"]["backend"] else ""
        rows.append([f"{name}{mark}", *cells, _why(row)])
    texts = (*_PRECISIONS, "why not, and what would help")
    return plain_table(["attention", *texts], rows, texts=texts)


def _cell(entry: dict[str, Any]) -> str:
    if entry["reasons"]:
        return "no"
    return entry["kernel"] or "yes"


def _why(row: dict[str, Any]) -> str:
    """Reasons that hold in every precision stand alone; others name theirs."""
    by_precision = {name: row["precisions"][name]["reasons"] for name in _PRECISIONS}
    everywhere = [r for r in by_precision["fp32"] if all(r in reasons for reasons in by_precision.values())]
    said = list(everywhere)
    if not everywhere:
        said += [f"{name}: {'; '.join(reasons)}" for name, reasons in by_precision.items() if reasons]
    parts = ["; ".join(said)] if said else []
    if row["step"]:
        parts.append(f"Helps: {row['step']}")
    if row["caveat"]:
        parts.append(row["caveat"])
    return ". ".join(parts)


def _findings(findings: list[dict[str, Any]]) -> Table:
    rows = []
    for finding in sorted(findings, key=lambda found: ("problem", "note", "ok").index(found["state"])):
        step = f". Next: {finding['next_step']}" if finding["next_step"] and finding["state"] != "ok" else ""
        state = "PROBLEM" if finding["state"] == "problem" else finding["state"]
        rows.append([state, finding["check"], f"{finding['what']}{step}"])
    texts = ("check", "found, and the next step")
    return plain_table(["", *texts], rows, texts=texts)


def _verdict(content: dict[str, Any]) -> str:
    asked = f"attention={content['arm']} model={content['model']}"
    matrix = content["matrix"]
    if matrix is not None:
        asked += f" in {matrix['precision']} on {matrix['device']}, batch {matrix['batch']}"
    if content["can_run"]:
        return f"verdict: {asked} can run here"
    return "\n".join([f"verdict: {asked} CAN'T RUN here", *(f"  {obstacle}" for obstacle in content["obstacles"])])


def _shapes(shapes: list[list[int]]) -> str:
    """2 and 4 heads, head_dim 32."""
    by_dims: dict[str, list[int]] = {}
    for heads, head_dim_qk, head_dim_v in shapes:
        same = head_dim_qk == head_dim_v
        dims = f"head_dim {head_dim_v}" if same else f"head_dim {head_dim_qk} for q, k and {head_dim_v} for v"
        by_dims.setdefault(dims, []).append(heads)
    return "; ".join(f"{' and '.join(map(str, sorted(set(heads))))} heads, {dims}" for dims, heads in by_dims.items())
