"""README.md and docs/ say what their sources say, can be built, and stay short enough to read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import documents
from pages.documents import PAGES, README, ROOT, made_anew, problems, written_by_hand

DOCUMENTS = [*PAGES, *written_by_hand()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_figure_and_every_made_part_agrees_with_its_source(document: Path) -> None:
    assert list(problems(document)) == []


def test_the_readme_is_short_and_has_no_comments() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    assert len(text.splitlines()) <= 150
    assert "<!--" not in text


def test_every_link_of_the_readme_leads_to_a_file_and_to_a_heading() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        assert (ROOT / file).is_file(), target
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.M) if anchor else []
        assert not anchor or anchor in [re.sub(r"[^\w ]", "", each).lower().replace(" ", "-") for each in headings]


def test_a_number_changed_in_the_copied_output_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "README.md"
    changed.write_text(re.sub(r"train \d+", "train 7", README.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    monkeypatch.setattr(documents, "_WITH_OUTPUT", {changed: documents._WITH_OUTPUT[README]})
    assert list(problems(changed)) == [
        "README.md: not what its sources say today; `python -m pages --write` makes it anew."
    ]
    assert made_anew(changed) == README.read_text(encoding="utf-8")


def test_the_site_builds_with_every_page_link_and_anchor_in_place(tmp_path: Path) -> None:
    zensical = shutil.which("zensical", path=str(Path(sys.executable).parent))
    if zensical is None:
        pytest.skip("zensical is not installed: it is in the lock, as the extra docs")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    built = subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {str(path.relative_to(ROOT / "docs").with_suffix(".html")) for path in (ROOT / "docs").rglob("*.md")}
    assert {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.html")} >= pages
    loaded = r"(?:<script|<link|<img|<iframe)[^>]*?(?:src|href)=\"?https?://[^\">]*"
    for page in (tmp_path / "site").rglob("*.html"):
        assert re.findall(loaded, page.read_text(encoding="utf-8")) == [], page


def test_every_page_is_in_the_navigation() -> None:
    named = re.findall(r'"([\w/]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))
