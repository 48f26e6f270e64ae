"""Small pieces of HTML: escaped text, tables, findings, figures, links to runs."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from sdpa_exp.compare.report.terminal import relative_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sdpa_exp.compare.findings.finding import Finding
    from sdpa_exp.compare.load.run import Run
    from sdpa_exp.compare.report.figures.style import Picture
    from sdpa_exp.compare.report.tables import TextTable

TRACKING_FILE = "tracking.json"
_FEW_RUNS = 3


def table(data: TextTable) -> str:
    """A table that scrolls by itself on a narrow screen."""
    marks = [' class="text"' if i < data.num_text else "" for i in range(len(data.header))]
    head = "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(marks, data.header, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True)) + "</tr>"
        for row in data.rows
    )
    caption = f'<div class="caption">{escape(data.caption)}</div>' if data.caption else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}'


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words: everything on the left, long cells wrap, columns without content are left out."""
    lines = [list(row) for row in rows]
    kept = [i for i in range(len(header)) if any(line[i] for line in lines)]
    header, rows = [header[i] for i in kept], [[line[i] for i in kept] for line in lines]
    head = "".join(f'<th class="text">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="text{" long" if len(cell) > 40 else ""}">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def findings(items: Iterable[Finding]) -> str:
    """Findings as a list, each with its severity and name."""
    lines = [
        f'<li class="{f.severity}"><span class="severity">{f.severity}</span> <code>{escape(f.code)}</code> '
        f"{escape(f.sentence)}</li>"
        for f in items
    ]
    return f'<ul class="findings">{"".join(lines)}</ul>' if lines else ""


def figure(picture: Picture, base: Path) -> str:
    """A figure with caption and links to its runs."""
    return (
        f'<figure id="{escape(picture.name)}"><h3>{escape(picture.title)}</h3>{picture.svg}'
        f"<figcaption>{escape(picture.caption)} {run_links(picture.runs, base)}</figcaption></figure>"
    )


def run_links(runs: Sequence[Run], base: Path) -> str:
    """Links to the run folders, folded away where there are many."""
    links = ", ".join(run_link(run, base, is_short=True) for run in runs[:200])
    more = f" and {len(runs) - 200} more in comparison.json" if len(runs) > 200 else ""
    if len(runs) <= _FEW_RUNS:
        return f"Runs: {links}."
    return f"<details><summary>{len(runs)} runs</summary>{links}{more}.</details>"


def run_link(run: Run, base: Path, *, is_short: bool = False) -> str:
    """A link to the run folder, relative, and to the MLflow run where its address is known; a short one says less."""
    link = f'<a href="{quote(relative_path(run.folder, base))}/">{escape(run.label)}</a>'
    page = mlflow_page(run)
    if page is None:
        return link
    address, words = page
    return f'{link} (<a href="{escape(address)}">{words.partition(",")[0] if is_short else words}</a>)'


def mlflow_page(run: Run) -> tuple[str, str] | None:
    """The address of the run in the MLflow UI after tracking.json, and words for the link; a server comes first.

    A local store has a page only while its UI runs, which the words say.
    """
    try:
        content = json.loads((run.folder / TRACKING_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    stores = content.get("stores") if isinstance(content, dict) else None
    found: list[tuple[str, str]] = []
    for uri, progress in stores.items() if isinstance(stores, dict) else ():
        page = progress.get("page") if isinstance(progress, dict) else None
        if isinstance(page, str) and page.startswith(("http://", "https://")):
            found.append((page, "MLflow, while mlflow ui runs" if uri.startswith("sqlite:") else "MLflow"))
    return min(found, key=lambda entry: len(entry[1]), default=None)
