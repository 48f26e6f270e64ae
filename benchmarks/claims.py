"""Holds the documents to their figures: every figure names a committed JSON, and says what stands in it.

`python -m pages` checks the documents, and `python -m pages --write` fills in their tables. A document says where a
figure comes from in comments, which Markdown does not show:

    0.996<!-- overhead_cpu.json ratio_median .3f -->          the number before it is that value in that format
    4<!-- demo_cpu.json wall_s < /60 -->                      that value, divided by 60, is below the number
    2.0<!-- not measured: an aim -->                          no result, and why; alone on a line: for the block below
    <!-- table: {file: ..., where: ..., columns: ...} -->     the table below is made of that file

Files lie in benchmarks/results/. A path is dotted; `rows[model=yolo12n,what=forward].speedup.sdpa.0` picks entries of a
list by their keys; min(...) and max(...) take the least and largest of several. The YAML of a table has `rows` (the
path of a list, or of a dictionary, whose keys are `key`; default `rows`), `where` (key: value) and `columns` (heading:
path, and a format or `last` for the last word).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_TABLE = re.compile(r"(<!-- table:(.*?)-->\n+)((?:\|[^\n]*\n)*)", re.DOTALL)
_BLOCK_EXEMPT = re.compile(r"^<!-- not measured: [^\n]+? -->\n+(?:```.*?```|(?:[^\n]+\n?)+)", re.MULTILINE | re.DOTALL)
_CLAIM = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?)<!--(.*?)-->", re.DOTALL)
_CODE_FENCE = re.compile(r"^ *```(?:bash|python|yaml)\n.*?^ *```", re.MULTILINE | re.DOTALL)
_NO_FIGURES = re.compile(r"`[^`\n]*`|\]\([^)]*\)|https?://\S+")
_VERSION = re.compile(
    r"\b(?:Python|PyTorch|torch|Ultralytics|MLflow|Hydra|CUDA|capability|FlashAttention|AGPL-)\s?v?\d+(?:\.\d+)*"
)
_UNIT = r"%|ms|s|seconds?|min|minutes?|hours?|[KMG]i?B|images/s|FPS|W|J|points?|times"
_FIGURE = re.compile(
    rf"(?<![\w.])[-+±]?\d[\d,]*\.\d+(?:\s?(?:{_UNIT})\b)?"  # 0.996, 1.57 s
    rf"|(?<![\w.])\d[\d,]*\s?(?:%|(?:{_UNIT})\b)"  # 5 %, 30 ms
    rf"|(?<![\w.])\d+x\b"  # 2x
)
_SELECTOR = re.compile(r"(\w[\w -]*)\[(.*?)\]")


class ClaimError(ValueError):
    """A source that can't be read or does not have what is claimed of it."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something in a document that its source does not bear out."""

    line: int
    sentence: str


def check(text: str, results: Path = RESULTS) -> list[Problem]:
    """What is wrong with a document, by line."""
    found = [*_tables(text, results), *_claims(text, results), *_without_source(text)]
    return sorted(found, key=lambda problem: problem.line)


def filled(text: str, results: Path = RESULTS) -> str:
    """The document with every table made anew from its file."""
    return _TABLE.sub(lambda found: found[1] + _table(yaml.safe_load(found[2]), results), text)


def value_at(content: Any, path: str) -> Any:
    """The value at a path, or the list of values where a selector fits several entries.

    Raises:
        ClaimError: nothing is there.
    """
    if taken := re.fullmatch(r"(min|max)\((.*)\)", path):
        values = value_at(content, taken[2])
        if not isinstance(values, list):
            raise ClaimError(f"{path} needs several values")
        return (min if taken[1] == "min" else max)(values)
    found, is_many = [content], False
    for step in re.findall(r"[^.\[]+(?:\[[^\]]*\])?", path):
        selector = _SELECTOR.fullmatch(step)
        name = selector[1] if selector else step
        try:
            found = [entry[int(name)] if isinstance(entry, list) else entry[name] for entry in found]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ClaimError(f"there is no {name} at {path}") from error
        if selector:
            wanted = dict(pair.split("=", 1) for pair in selector[2].split(",") if pair)
            found = [e for entries in found for e in entries if all(str(e.get(k)) == v for k, v in wanted.items())]
            is_many = len(found) != 1
            if not found:
                raise ClaimError(f"nothing fits {step}")
    return found if is_many else found[0]


@cache
def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClaimError(f"{path.name} can't be read: expected a JSON file in benchmarks/results/") from error


def _table(spec: dict[str, Any], results: Path) -> str:
    rows = value_at(_read(results / spec["file"]), spec.get("rows", "rows"))
    if isinstance(rows, dict):
        rows = [{"key": key, **row} for key, row in rows.items()]
    kept = [row for row in rows if all(row.get(key) == value for key, value in (spec.get("where") or {}).items())]
    columns = {heading: str(source).rsplit(" ", 1) for heading, source in spec["columns"].items()}
    lines = [" | ".join(columns)]
    lines += [" | ".join(_shown(value_at(row, path), *form) for path, *form in columns.values()) for row in kept]
    lines = [f"| {line} |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]]) + "\n"


def _shown(value: Any, form: str = "") -> str:
    if form == "last":
        return str(value).split()[-1]
    if value is None or value == [None, None]:
        return "-"
    if isinstance(value, list):
        return " to ".join(format(each, form) for each in value) if form else ", ".join(map(str, value))
    return format(value, form)


def _tables(text: str, results: Path) -> Iterator[Problem]:
    for found in _TABLE.finditer(text):
        line = _line(text, found.start())
        try:
            expected = _table(yaml.safe_load(found[2]), results).splitlines()
        except (ClaimError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            yield Problem(line=line, sentence=f"this table can't be made: {error}.")
            continue
        got = found[3].splitlines()
        first = _line(text, found.end(1))
        for number, (a, b) in enumerate(zip(got, expected, strict=False)):
            if a != b:
                yield Problem(line=first + number, sentence=f"the table says {a!r}, and its file {b!r}.")
        if len(got) != len(expected):
            yield Problem(line=line, sentence=f"the table has {len(got)} lines, and its file gives {len(expected)}.")


def _claims(text: str, results: Path) -> Iterator[Problem]:
    for found in _CLAIM.finditer(text):
        printed, source = found[1], " ".join(found[2].split())
        if source.startswith("not measured: "):
            continue
        line = _line(text, found.start())
        name, _, rest = source.partition(" ")
        words = rest.split(" ")
        scale = float(words.pop()[1:]) if words[-1].startswith("/") else 1.0
        form = words.pop() if len(words) > 1 else ""
        try:
            value = value_at(_read(results / name), " ".join(words)) / scale
            if form in ("<", ">"):
                limit = float(printed.replace(",", ""))
                is_right, told = (value < limit if form == "<" else value > limit), f"{form} {value:g}"
            else:
                told = format(int(value) if form in ("d", ",d") else value, form)
                is_right = told == printed.lstrip("+") or told == printed
        except (ClaimError, TypeError, ValueError) as error:
            yield Problem(line=line, sentence=f"{printed} has no such source as {source!r}: {error}.")
            continue
        if not is_right:
            yield Problem(line=line, sentence=f"{printed} is {told} in {name}.")


def _without_source(text: str) -> Iterator[Problem]:
    """Figures that are left when all that has a source, or needs none, is blanked out."""
    for pattern in (_TABLE, _BLOCK_EXEMPT, _CODE_FENCE, _CLAIM, _COMMENT, _NO_FIGURES, _VERSION):
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for number, line in enumerate(text.splitlines(), start=1):
        figures = [found[0].strip() for found in _FIGURE.finditer(line)]
        if figures:
            yield Problem(
                line=number,
                sentence=f"no source is named for {', '.join(figures)}: write NUMBER<!-- FILE.json PATH FORMAT --> or, "
                f"for what is no result, NUMBER<!-- not measured: WHY -->.",
            )


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
