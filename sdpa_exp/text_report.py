"""Reports as text: lines and tables, as wide as the terminal that the parent announced (COLUMNS)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from io import StringIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def text_of(*parts: Table | str) -> str:
    """Tables and lines as plain text; long lines are wrapped."""
    console = Console(file=StringIO(), color_system=None)
    for part in parts:
        console.print(part, highlight=False, markup=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def plain_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str] | None],
    *,
    texts: Collection[str] = (),
    title: str | None = None,
) -> Table:
    """A table without frames.

    Args:
        header: names of the columns.
        rows: cells; None is a line between rows.
        texts: columns that hold words, which are on the left, as in the first column; the others hold numbers.
        title: above it.
    """
    table = Table(box=SIMPLE, title=title, title_justify="left", pad_edge=False, collapse_padding=True)
    for place, name in enumerate(header):
        is_text = place == 0 or name in texts
        table.add_column(name, justify="left" if is_text else "right", no_wrap=place == 0, overflow="fold")
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*row)
    return table


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 case`, `2 cases`; `many` is for what takes more than an s (`boxes are`)."""
    return f"{count} {one if count == 1 else many or one + 's'}"
