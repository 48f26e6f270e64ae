"""Files and lines that went wrong: cut off, reordered, doubled, with numbers and bytes that nobody expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SEED = 7
ODD = (
    "nan", "-inf", "1e999", "-0.0", "0x10", "\uff11", "1_0", "null", "~", "[]", "{}", "true", "NaN",
    "'", '"', ",", ":", "\t",
    "\x00", "\ufeff", "é", "- ", "&a", "*a", "!!python/name:os.system", "${seed}", "=", "..", "/", "-1", "9" * 21,
)  # fmt: skip


def fuzz(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], count: int) -> None:
    """Call the check with that many made-up values, the same ones each time."""

    @hypothesis.seed(SEED)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        check(value)

    run()
    print(f"{check.__name__}: seed {SEED}, {count} examples")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file after one to four accidents."""
    content = whole
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.sampled_from(_ACCIDENTS))(draw, content)
    return content


def _cut_off(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _with_a_hole(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + content[start + draw(st.integers(1, 40)) :]


def _with_garbage(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.binary(min_size=1, max_size=12)) + content[start:]


def _with_an_odd_word(draw: st.DrawFn, content: bytes) -> bytes:
    words = content.split(b" ")
    words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(ODD)).encode()
    return b" ".join(words)


def _with_another_number(draw: st.DrawFn, content: bytes) -> bytes:
    digits = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    if not digits:
        return content
    place = draw(st.sampled_from(digits))
    return content[:place] + draw(st.sampled_from(ODD)).encode() + content[place + 1 :]


def _in_another_order(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join(draw(st.permutations(lines))) if len(lines) < 40 else b"".join(reversed(lines))


def _with_a_line_twice(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    place = draw(st.integers(0, len(lines) - 1))
    return b"".join([*lines[:place], lines[place], *lines[place:]])


_ACCIDENTS = (
    _cut_off, _with_a_hole, _with_garbage, _with_an_odd_word, _with_another_number, _in_another_order,
    _with_a_line_twice,
)  # fmt: skip
