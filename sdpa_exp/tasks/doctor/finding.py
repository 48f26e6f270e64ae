"""What a check of the machine says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdpa_exp.tasks.doctor.faults import FaultKind

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's second table.

    Attributes:
        check: what was looked at; `examine` fills it in, from the table of checks.
        state: ok; note: nothing to do for the chosen configuration, and good to know; problem: something to do.
        what: what was found.
        next_step: the one step that would help; None for ok.
        kind: which of the eight kinds of installation fault it is, where it is one.
        blocks: the chosen configuration can't run because of it.
    """

    state: State
    what: str
    next_step: str | None = None
    kind: FaultKind | None = None
    blocks: bool = False
    check: str = ""


def ok(what: str) -> Finding:
    """Nothing to do."""
    return Finding(state="ok", what=what)


def note(what: str, next_step: str, *, kind: FaultKind | None = None) -> Finding:
    """Good to know; the chosen configuration runs without it."""
    return Finding(state="note", what=what, next_step=next_step, kind=kind)


def problem(what: str, next_step: str, *, kind: FaultKind | None = None, blocks: bool = False) -> Finding:
    """Something to do."""
    return Finding(state="problem", what=what, next_step=next_step, kind=kind, blocks=blocks)
