"""Every document that a command makes, or holds to its figures: README.md, docs/ and benchmarks/results/README.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import claims
from pages import kept_sweep, reference, results

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
QUICK_START = DOCS / "quick_start.md"
RESULTS_README = claims.RESULTS / "README.md"

_OUTPUT = re.compile(r"^```text\n(?:(?!```).*\n)*```\n", re.MULTILINE)


def _with_output(*, is_whole: bool) -> Callable[[str], str]:
    """Put the demo's output into the only fence of text that the document has."""

    def made(text: str) -> str:
        kept = kept_sweep.read()
        fence = f"```text\n{kept_sweep.output(kept, is_whole=is_whole)}\n\n({kept_sweep.machine(kept)})\n```\n"
        return _OUTPUT.sub(lambda _: fence, claims.filled(text))

    return made


PAGES: dict[Path, Callable[[], str]] = {**reference.pages(), results.RESULTS_PAGE: results.page}
"""Pages that are made as a whole."""

_WITH_OUTPUT = {README: _with_output(is_whole=False), QUICK_START: _with_output(is_whole=True)}


def written_by_hand() -> list[Path]:
    """The documents whose figures name a source."""
    return [README, RESULTS_README, *(path for path in sorted(DOCS.rglob("*.md")) if path not in PAGES)]


def made_anew(path: Path) -> str:
    """The document as its sources say today."""
    if path in PAGES:
        return PAGES[path]()
    return _WITH_OUTPUT.get(path, claims.filled)(path.read_text(encoding="utf-8"))


def problems(path: Path) -> Iterator[str]:
    """What is wrong with a document, by line."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    name = path.relative_to(ROOT)
    if made_anew(path) != text:
        yield f"{name}: not what its sources say today; `python -m pages --write` makes it anew."
    if path in PAGES:
        return
    if path in _WITH_OUTPUT:
        text = _OUTPUT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for problem in claims.check(text):
        yield f"{name}:{problem.line}: {problem.sentence}"
