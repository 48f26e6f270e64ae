"""Reports as text: lines and tables, as wide as the terminal that the parent announced (COLUMNS)."""

from __future__ import annotations

from io import StringIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


class TextReport:
    """Gathers lines and tables; `text` is all of it."""

    def __init__(self) -> None:
        self._file = StringIO()
        self._console = Console(file=self._file, color_system=None)

    @property
    def text(self) -> str:
        """What was said and shown so far."""
        return self._file.getvalue()

    def say(self, text: str) -> None:
        """A line, or several, as they are; long ones are wrapped."""
        self._console.print(text, highlight=False, markup=False)

    def show(self, table: Table) -> None:
        """A table."""
        self._console.print(table)


def plain_table(title: str | None = None) -> Table:
    """A table without frames."""
    return Table(box=SIMPLE, title=title, title_justify="left", pad_edge=False, collapse_padding=True)


def counted(count: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
