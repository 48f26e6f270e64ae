"""A table of finished text, which every view shows in its way, and the forms for papers and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

_LATEX = {
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of finished text. The first `num_text` columns are left-aligned, the others right-aligned."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    num_text: int = 1

    def without(self, *columns: str) -> TextTable:
        """The same table without these columns."""
        kept = [i for i, name in enumerate(self.header) if name not in columns]
        return replace(
            self,
            header=tuple(self.header[i] for i in kept),
            rows=tuple(tuple(row[i] for i in kept) for row in self.rows),
        )


def words_table(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> TextTable:
    """A table of words: everything on the left, columns without content left out."""
    table = TextTable(name=name, header=tuple(header), rows=tuple(map(tuple, rows)), num_text=len(header))
    return table.without(*(column for i, column in enumerate(header) if not any(row[i] for row in table.rows)))


def to_latex(table: TextTable) -> str:
    """A table environment for booktabs."""
    align = "".join("l" if i < table.num_text else "r" for i in range(len(table.header)))
    head = " & ".join(map(_latex, table.header))
    body = " \\\\\n".join(" & ".join(map(_latex, row)) for row in table.rows)
    return (
        "% needs \\usepackage{booktabs}\n"
        f"\\begin{{table}}\n\\centering\n\\caption{{{_latex(table.caption)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body} \\\\\n\\bottomrule\n"
        f"\\end{{tabular}}\n\\end{{table}}\n"
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated lines below a header; None is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)
