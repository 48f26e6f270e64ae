"""What is shown of a comparison, once for all views: the page, Markdown, the terminal, LaTeX, the note in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdpa_exp.compare.answer.tables import answer_sentences, answer_table, where_sentence
from sdpa_exp.compare.report.accuracy_tables import accuracy_tables
from sdpa_exp.compare.report.evidence import environment_table, layers_table, settings_table
from sdpa_exp.compare.report.methods import methods
from sdpa_exp.compare.report.tables import (
    arms_table,
    described_table,
    differences_table,
    kernels_table,
    noise_table,
    trainings_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.comparison import Comparison, Group
    from sdpa_exp.compare.report.figures.style import Picture
    from sdpa_exp.compare.report.table import TextTable
    from sdpa_exp.compare.verdict import Verdict

_ACCURACY_TITLES = {
    "sizes": "AP by object size",
    "classes": "AP by class",
    "accuracy_runs": "best.pt of each run",
    "image_differences": "Differences over images",
    "learning": "How the arms learned",
}
_MAX_OPEN_ROWS = 12
_DISTURBED = (
    "Trainings ran one after the other, so that these hold what else the machine did meanwhile; the speed and memory "
    "to go by were measured side by side."
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One heading with what stands below it; a view leaves out what it can't show.

    Attributes:
        key: what it is about; a view picks sections by it.
        notes: sentences beside the table.
        fold: where a page shows the table only when asked, the words to ask by.
    """

    key: str
    title: str
    verdicts: tuple[Verdict, ...] = ()
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    table: TextTable | None = None
    notes: tuple[str, ...] = ()
    fold: str = ""


def where(group: Group) -> str:
    """` at imgsz=160`, where there are several groups."""
    return f" at {group.label}" if group.label else ""


def sections(comparison: Comparison, group: Group) -> Iterator[Section]:
    """Everything about one comparison group, in order; pictures are the page's own."""
    yield Section(key="arms", title="Arms", table=arms_table(group))
    if group.judged is not None:
        notes = (where_sentence(group.judged), *answer_sentences(group.judged))
        yield Section(
            key="side_by_side", title="Speed and memory, side by side", table=answer_table(group.judged), notes=notes
        )
    if group.verdicts:
        yield Section(key="verdicts", title="Verdicts", verdicts=group.verdicts)
    if group.noise_floors:
        yield Section(key="noise_floor", title="A/A noise floor", table=noise_table(group))
    yield from _accuracy(group)
    if group.differences:
        table = differences_table(group, comparison.baseline, comparison.alpha)
        yield Section(key="differences", title="Paired differences", table=table)
    if group.judged is not None and (table := trainings_table(group)).header[2:]:
        title = "Times and memory of the trainings themselves"
        yield Section(key="trainings", title=title, table=table, notes=(_DISTURBED,))
    for key, table in (("kernels", kernels_table(group)), ("layers", layers_table(group.runs))):
        if table.rows:
            yield Section(key=key, title="Attention kernels that ran", table=table)
    yield Section(key="methods", title="Methods", text=methods(comparison, group))
    described = described_table(group)
    yield Section(key="described", title="All metrics", table=described, fold="mean, SD, CV, range")
    for key, title, fold, table in (
        ("environment", "Environment", "versions and machine", environment_table(group.runs)),
        ("settings", "Settings", "equal in all runs", settings_table(group)),
    ):
        if table.rows:
            yield Section(key=key, title=title, table=table, fold=fold)


def _accuracy(group: Group) -> Iterator[Section]:
    """Accuracy by size and class, and learning; without accuracy.json it says why there is none."""
    missing = tuple(f"Not measured in {sentence}" for sentence in group.accuracy.missing)
    tables = {table.name: table for table in accuracy_tables(group)}
    if missing and "sizes" not in tables:
        yield Section(key="sizes", title=_ACCURACY_TITLES["sizes"], notes=missing)
    for name, table in tables.items():
        fold = f"{len(table.rows)} rows" if len(table.rows) > _MAX_OPEN_ROWS else ""
        notes = missing if name == "sizes" else ()
        yield Section(key=name, title=_ACCURACY_TITLES[name], table=table, notes=notes, fold=fold)
