"""What a comparison leaves behind: one page without network, Markdown, tables, a methods paragraph."""

from __future__ import annotations

import csv
import html
import html.parser
import json
import re
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.report import render
from sdpa_exp.compare.report.glossary import WORDS
from sdpa_exp.compare.report.methods import methods
from sdpa_exp.compare.run_compare import compare_runs, compare_sweep
from sdpa_exp.config.schema import CompareConfig
from tests.compare.folders import crossed, default_metrics, write_plain, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

ARMS = ["stock", "eager", "sdpa"]


class Page(html.parser.HTMLParser):
    """Collects what a page refers to, and checks that tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.figures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [v for key in ("href", "src") if (v := values.get(key)) is not None]
        self.ids += [v for v in [values.get("id")] if v is not None]
        self.figures += tag == "figure"
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def sweep_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    specs = crossed(ARMS, [0, 42, 7])
    specs[1].status, specs[1].reason = "FAILED", "CUDA out of memory <8 GB>."
    for spec in specs:
        spec.environment = {
            "gpu": "NVIDIA H200",
            "cuda": "13.2",
            "versions": {"torch": "2.15.0", "ultralytics": "8.4.190"},
        }
        spec.telemetry = {"overall": None, "phases": {"train": {"energy_j": 4000.0 + spec.seed}}}
    write_sweep(folder, specs)
    samples = [{"mono_s": float(t), "gpu_power_w": 300.0 + t, "cpu_percent": None} for t in range(20)]
    (folder / "0" / "telemetry.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples), encoding="utf-8")
    stores = {
        "sqlite:///mlflow.db": {"page": "http://127.0.0.1:5000/#/experiments/1/runs/abc"},
        "http://mlflow.lab": {"page": "http://mlflow.lab/#/experiments/1/runs/def"},
    }
    for num, known in enumerate((["sqlite:///mlflow.db"], list(stores))):
        content = {"stores": {uri: stores[uri] for uri in known}}
        (folder / str(num) / "tracking.json").write_text(json.dumps(content), encoding="utf-8")
    calls = [{"op": "aten::x", "operands": [{"shape": [32, 2, 400, 32], "dtype": "fp16"}]}]
    evidence = [
        {"layer": f"model.6.m.{i}.attn", "stage": "train_forward", "kernels": {"flash": 1}, "calls": calls}
        for i in range(2)
    ]
    (folder / "2" / "attestation.json").write_text(json.dumps({"evidence": evidence}), encoding="utf-8")
    compare_sweep(folder)
    return folder


@pytest.fixture(scope="module")
def page(sweep_dir: Path) -> str:
    return (sweep_dir / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_no_network(page: str) -> None:
    outside = [a for a in Page(page).addresses if re.match(r"(?!#)(https?:)?//", a)]
    assert not re.search(r"@import|url\((?!#)|<script|<link", page)
    assert {address.split("/#/")[0] for address in outside} == {"http://127.0.0.1:5000", "http://mlflow.lab"}  # links
    assert ">MLflow, while mlflow ui runs</a>" in page
    assert ">MLflow</a>" in page


def test_tags_close_and_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_reference_inside_the_page_has_its_target(page: str) -> None:
    parsed = Page(page)
    targets = {address[1:] for address in parsed.addresses if address.startswith("#")}
    assert targets | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(parsed.ids)


def test_question_headline_errors_and_table_come_before_everything_else(page: str) -> None:
    places = [page.index(text) for text in ("Do eager and sdpa change", 'class="headline"', "stock (baseline)", "<h2")]
    assert places == sorted(places)


def test_the_contents_name_every_section_and_headings_say_what_they_mean(page: str) -> None:
    contents = page[page.index("<nav") : page.index("</nav>")]
    headings = re.findall(r'<h2 id="([^"]+)"', page)
    assert page.count("<h2") == len(headings) >= 8
    assert [address.removeprefix("#") for address in Page(contents).addresses] == headings
    explained = dict(re.findall(r'<abbr title="([^"]+)" tabindex="0">([^<]+)</abbr>', page))
    assert explained[html.escape(WORDS["mAP50-95"])] == "mAP50-95"
    assert all(f"<dd>{meaning}</dd>" in page for meaning in explained)


def test_pictures_follow_the_theme_and_name_their_n(page: str) -> None:
    assert Page(page).figures >= 10
    assert "currentColor" in page
    assert "#010203" not in page
    assert "prefers-color-scheme: dark" in page
    assert "stock n = 3, eager n = 2, sdpa n = 3" in page


def test_links_to_run_folders_are_relative_and_exist(page: str, sweep_dir: Path) -> None:
    folders = {address for address in Page(page).addresses if not address.startswith(("#", "http"))}
    assert folders == {f"{num}/" for num in range(9)}
    assert all((sweep_dir / folder).is_dir() for folder in folders)


def test_text_of_runs_is_escaped(page: str) -> None:
    assert "CUDA out of memory &lt;8 GB&gt;" in page
    assert "<8 GB>" not in page


def test_kernels_are_told_layer_by_layer_with_dtype_and_shape(page: str) -> None:
    assert "2: model.6.m.0, model.6.m.1" in page
    assert "32 x 2 x 400 x 32" in page


def test_markdown_has_the_headline_and_the_runs(sweep_dir: Path) -> None:
    text = (sweep_dir / "report.md").read_text(encoding="utf-8")
    headline = json.loads((sweep_dir / "comparison.json").read_text(encoding="utf-8"))["headline"]
    assert f"**{headline}**" in text
    assert "- [eager seed 0](1/) FAILED: CUDA out of memory <8 GB>." in text


def test_csv_tables_hold_full_precision(sweep_dir: Path) -> None:
    with (sweep_dir / "tables" / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((sweep_dir / "0" / "result.json").read_text(encoding="utf-8"))
    assert float(rows[0]["train_s"]) == record["metrics"]["train_s"]
    assert rows[1]["status"] == "FAILED"
    assert rows[1]["train_s"] == ""


def test_latex_escapes_what_latex_would_read(sweep_dir: Path) -> None:
    text = (sweep_dir / "tables" / "differences.tex").read_text(encoding="utf-8")
    assert r"images\_per\_s" in text
    assert re.search(r"(?<!\\)[_%]", text.partition("\n")[2]) is None
    assert text.count("&") % 6 == 0


def test_methods_say_what_was_done(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, crossed(ARMS, list(range(6)))))
    text = methods(comparison, comparison.groups[0])
    for words in (
        "yolo12n was trained on synthetic (64 training and 32 validation images) (4 epochs, 160 px, batch size 16)",
        "The arms were stock (baseline), eager and sdpa, each with 6 seeds (0, 1, 2, 3, 4 and 5)",
        "18 of 18 runs finished, each in a process of its own, with the arms taking turns",
        "sdpa ran flash",
        "mAP50-95 for accuracy (margin 0.5 points)",
        "at the 5 % level, with p-values adjusted after Holm over 6 tests, of all arms and metrics",
        "Times were compared as ratios, by the mean of their logarithms.",
        "permutation",
    ):
        assert words in text


def test_methods_claim_nothing_that_plain_folders_do_not_show(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, value]) for name, value in (("a", 0.2), ("b", 0.3))]
    comparison = compare_runs(folders, baseline="a", config=CompareConfig(), out_dir=tmp_path / "out")
    text = methods(comparison, comparison.groups[0])
    assert "process of its own" not in text
    assert "Which attention kernels ran in a and b is not known." in text
    assert "No test was made of trainings" in text
    assert "mAP50-95: from the line of results.csv with the best mAP50-95" in text
    assert "yolo12n.pt was trained on field.yaml (2 epochs, batch size 8)" in text


def test_of_many_groups_only_the_first_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "MAX_DRAWN_GROUPS", 1)
    specs = [spec for batch in (8, 16, 32) for spec in crossed(["stock", "sdpa"], [0], batch=batch)]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    drawn = [name for name in page.ids if name.startswith("dots-mAP50-")]
    assert [name.rpartition("-")[2] for name in drawn] == [comparison.groups[0].group_id] * len(drawn)
    assert drawn


def test_names_that_look_like_markup_are_text_everywhere(tmp_path: Path) -> None:
    specs = crossed(["stock", '<b onload="x">|'], [0, 1])
    for spec in specs:
        spec.warnings = [{"code": "<i>", "message": "a & b | c"}]
        spec.environment = {"gpu": "<script>"}
    path = write_sweep(tmp_path, specs) / "sweep.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"name": "<h1>", "command": "a <br> b"}
    path.write_text(json.dumps(content), encoding="utf-8")
    compare_sweep(tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert Page(text).open == []
    assert not re.search(r"<b |<i>|<script|<h1><|<br>", text)
    assert "&lt;b onload=&#34;x&#34;&gt;" in text
    assert "a &amp; b | c" in text
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert '| <b onload="x">\\| | 2/2 |' in markdown


def test_a_cell_of_the_arms_that_is_empty_says_why_below_the_table_in_every_view(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa", "eager"], [0, 1])
    for spec in specs:
        if spec.arm == "sdpa":
            spec.metrics = {**default_metrics(spec.arm, spec.seed), "train_s": None}
            spec.unmeasured = {"train_s": "one epoch, which is the warm-up"}
        if spec.arm == "eager":
            spec.status, spec.reason = "FAILED", "out of memory"
    folder = write_sweep(tmp_path, specs)
    compare_sweep(folder)
    for name in ("report.html", "report.md", "comparison.txt"):
        text = " ".join((folder / name).read_text(encoding="utf-8").split())
        assert "- (train s of sdpa): one epoch, which is the warm-up." in text
        assert "- (all of eager): no run has finished." in text
