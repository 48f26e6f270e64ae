"""What a sweep measured beside its trainings: group id -> the measurement, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdpa_exp.compare.answer.measurement import Measurement, read_measurement
from sdpa_exp.compare.load.run import Run
from sdpa_exp.runs.files import INTERLEAVED_FOLDER, INTERLEAVED_GROUPS_FILE, read_json


def read_interleaved(sweep_dir: Path) -> dict[str, Measurement | str]:
    """Group id, as the runs recorded it -> its measurement; a group that was not looked at is left out."""
    folder = sweep_dir / INTERLEAVED_FOLDER
    found: dict[str, Measurement | str] = {}
    for group_id, entry in (read_json(folder / INTERLEAVED_GROUPS_FILE) or {}).items():
        measured = None if entry["reason"] else read_measurement(folder / str(entry["folder"]))
        found[group_id] = measured or str(entry["reason"] or "its answer.json can't be read")
    return found


def interleaved_of(sweep_dirs: Sequence[Path], runs: Sequence[Run]) -> dict[str, Measurement | str]:
    """What several sweeps measured, by group: a measurement counts where it has all arms of the group's runs."""
    measured = [item for folder in sweep_dirs for item in read_interleaved(folder).items()]
    found: dict[str, Measurement | str] = {}
    for group_id, each in measured:
        if isinstance(each, str):
            found.setdefault(group_id, each)
            continue
        arms = {run.arm for run in runs if run.group_id == group_id and run.copy_of is None}
        if arms <= {*each.arms, *each.refused}:
            found[group_id] = each
        else:
            found.setdefault(group_id, "no sweep measured all of these arms together")
    return found
