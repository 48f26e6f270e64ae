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
        check: what was looked at.
        state: ok; note: nothing to do for the chosen configuration, and good to know; problem: something to do.
        what: what was found.
        next_step: the one step that would help; None for ok.
        kind: which of the eight kinds of installation fault it is, where it is one.
        blocks: the chosen configuration can't run because of it.
    """

    check: str
    state: State
    what: str
    next_step: str | None = None
    kind: FaultKind | None = None
    blocks: bool = False
