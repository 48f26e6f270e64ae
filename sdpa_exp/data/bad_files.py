"""dataset.on_bad=drop: what is left of a data set without its bad lines and images, and a list of what is not."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sdpa_exp.data.oddities import CheckedPicture
from sdpa_exp.data.prepared_dataset import IMAGE, LINE, BadLabel, LeftOut
from sdpa_exp.runs.files import LEFT_OUT_FILE

_MAX_NAMED = 10
UNUSABLE = "has a label that can't be used"


def without_bad(checked: Sequence[CheckedPicture]) -> tuple[list[CheckedPicture], tuple[LeftOut, ...]]:
    """The pictures that can be trained on, with the sound lines of their labels, and what was left out.

    A picture whose label has no sound line is left out: nobody says that nothing is on it.
    """
    kept: list[CheckedPicture] = []
    left_out: list[LeftOut] = []
    for each in checked:
        faults, sound = each.label.faults, each.label.sound
        whole = each.image.fault or (f"{UNUSABLE}: {faults[-1]}" if faults and not sound else None)
        if whole is not None:
            left_out.append(_left_out(each, IMAGE, whole))
            continue
        left_out += [_left_out(each, LINE, fault) for fault in faults]
        kept.append(dataclasses.replace(each, label_bytes=sound) if sound else each)
    return kept, tuple(left_out)


def labels_with_faults(checked: Sequence[CheckedPicture]) -> tuple[BadLabel, ...]:
    """The labels that have a fault, where the image has none."""
    return tuple(
        BadLabel(
            split=each.split,
            index=each.index,
            image=each.picture.image,
            name=each.picture.name,
            content=each.label_bytes or b"",
        )
        for each in checked
        if each.label.faults and not each.image.fault
    )


def first_named(faults: Sequence[str]) -> str:
    """Up to ten faults, each on a line of its own below a sentence, and how many more there are."""
    more = f"\n  and {len(faults) - _MAX_NAMED} more" if len(faults) > _MAX_NAMED else ""
    return "".join(f"\n  {fault}" for fault in faults[:_MAX_NAMED]) + more


def sentences_of(left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """How much was left out, by split; empty where nothing was."""
    if not left_out:
        return ()
    counts = Counter((each.what, each.split) for each in left_out)
    counted = ", ".join(f"{num} {split} {what}{'s' * (num > 1)}" for (what, split), num in counts.items())
    first = left_out[0]
    return (
        f"dataset.on_bad=drop left out {counted}, for all arms alike ({first.image} {first.why}"
        f"{', ...' * (len(left_out) > 1)}); {LEFT_OUT_FILE} in each run folder lists all.",
    )


def write_left_out(left_out: Sequence[LeftOut], run_dir: Path) -> None:
    """List it in the run folder, one row each; no file where nothing was left out."""
    if not left_out:
        return
    with (run_dir / LEFT_OUT_FILE).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(LeftOut)])
        writer.writerows(dataclasses.astuple(each) for each in left_out)


def _left_out(each: CheckedPicture, what: str, why: str) -> LeftOut:
    return LeftOut(split=each.split, image=each.picture.name, what=what, why=why)
