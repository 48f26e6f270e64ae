"""What a sweep measured beside its trainings: group id -> the measurement, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare.answer.measurement import Measurement, read_measurement
from sdpa_exp.runs.files import INTERLEAVED_FOLDER, INTERLEAVED_GROUPS_FILE, read_json

if TYPE_CHECKING:
    from pathlib import Path


def read_interleaved(sweep_dir: Path) -> dict[str, Measurement | str]:
    """Group id, as the runs recorded it -> its measurement; a group that was not looked at is left out."""
    folder = sweep_dir / INTERLEAVED_FOLDER
    found: dict[str, Measurement | str] = {}
    for group_id, entry in (read_json(folder / INTERLEAVED_GROUPS_FILE) or {}).items():
        measured = None if entry["reason"] else read_measurement(folder / str(entry["folder"]))
        found[group_id] = measured or str(entry["reason"] or "its answer.json can't be read")
    return found
