"""A figure in a document names a committed JSON, and agrees with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.claims import RESULTS, ClaimError, check, filled, value_at

TABLE = """\
<!-- table:
file: one.json
where: {what: forward}
columns:
  model: model
  layer: level last
  stock ms: ms.stock .0f
  shape: shape
-->
| model | layer | stock ms | shape |
|---|---|---|---|
| n | P4 | 76 | 2, 3 |
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = [
        {"model": "n", "level": "module P4", "what": "forward", "ms": {"stock": 76.01}, "shape": [2, 3]},
        {"model": "n", "level": "module P5", "what": "backward", "ms": {"stock": 90.55}, "shape": [4, 3]},
    ]
    (tmp_path / "one.json").write_text(json.dumps({"rows": rows, "ratio": 0.99638, "wall_s": 240.4}), encoding="utf-8")
    return tmp_path


def test_every_file_of_figures_is_told_of() -> None:
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in RESULTS.glob("*.json") if f"`{path.name}`" not in text] == []


@pytest.mark.parametrize(
    "text",
    [
        "It took 0.996<!-- one.json ratio .3f --> times as long.",
        "under 5<!-- one.json wall_s < /60 --> minutes, that is 4.0<!-- one.json wall_s .1f /60 -->",
        "at most 91<!-- one.json max(rows[model=n].ms.stock) .0f --> ms",
        "an aim of 2.0<!-- not measured: an aim --> and PyTorch 2.15.0, `x=0.5`, [a](b/0.5.md)",
        "<!-- not measured: settings -->\nwithin 2 % and 0.005\nof it",
        "```bash\nrun --limit 0.5\n```\nall 280 numbers of study A",
        TABLE,
    ],
)  # fmt: skip
def test_what_agrees_passes(text: str, results: Path) -> None:
    assert check(text, results) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\n0.997<!-- one.json ratio .3f --> times", "0.997 is 0.996 in one.json."),
        ("under 4<!-- one.json wall_s < /60 --> minutes", "4 is < 4.00667 in one.json."),
        ("It is 2.5 times faster.", "no source is named for 2.5 times: write NUMBER<!-- FILE.json"),
        ("saves 5 % and 30 ms", "no source is named for 5 %, 30 ms"),
        ("```text\ntrain 0.5 s\n```", "no source is named for 0.5 s"),
        ("| a | b |\n|---|---|\n| x | 1.25 |", "no source is named for 1.25"),
        ("0.996<!-- two.json ratio .3f -->", "two.json can't be read: expected a JSON file in benchmarks/results/"),
        ("0.996<!-- one.json ration .3f -->", "has no such source as 'one.json ration .3f': there is no ration"),
        (TABLE.replace("| 76 |", "| 75 |"), "the table says '| n | P4 | 75 | 2, 3 |', and its file '| n | P4 | 76 |"),
        (TABLE + "| n | P6 | 1 | 1 |\n", "the table has 4 lines, and its file gives 3."),
        (TABLE.replace("one.json", "gone.json"), "this table can't be made: gone.json can't be read"),
    ],
)  # fmt: skip
def test_what_does_not_agree_or_has_no_source_is_told(text: str, words: str, results: Path) -> None:
    told = [f"{problem.line}: {problem.sentence}" for problem in check(text, results)]
    assert len(told) == 1, told
    assert words in told[0]


def test_a_problem_is_told_with_its_line(results: Path) -> None:
    text = f"0.997<!-- one.json ratio .3f -->\n\n{TABLE.replace('| 76 |', '| 75 |')}\n2.5 times\n"
    assert [problem.line for problem in check(text, results)] == [1, 14, 16]


def test_tables_are_filled_from_their_files(results: Path) -> None:
    stale = TABLE.replace("| n | P4 | 76 | 2, 3 |\n", "| x | P9 | 1 | 0 |\n| y | P9 | 1 | 0 |\n")
    assert filled(stale, results) == TABLE
    assert filled(TABLE.partition("| model")[0], results) == TABLE


def test_a_path_that_leads_nowhere_is_an_error() -> None:
    content = {"rows": [{"a": 1, "b": 2}, {"a": 1, "b": 3}]}
    assert value_at(content, "rows[a=1].b") == [2, 3]
    assert value_at(content, "rows[b=3].a") == 1
    for path in ("rows[b=4].a", "rows.7", "row"):
        with pytest.raises(ClaimError):
            value_at(content, path)
