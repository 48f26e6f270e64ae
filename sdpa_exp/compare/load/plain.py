"""Reads Ultralytics' own run folders: results.csv and args.yaml, ours or anybody's.

`train_s` can't be known from results.csv. Its `time` column counts every epoch and validation too; the value of its
last line is the metric `csv_time_s`. best.pt is saved at the epoch of best fitness (mAP50-95; with YOLOv5 a tenth of
mAP50 counts too), so that epoch's line stands in for a re-evaluation of best.pt.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sdpa_exp.compare.findings.finding import listed
from sdpa_exp.compare.load.results_csv import BOXES, OBJECTNESS, SHARES, read_results_csv
from sdpa_exp.compare.load.run import CSV_TIME, UNKNOWN_GROUP, Curves, Run, is_number
from sdpa_exp.errors import ComparisonError

ARGS_FILE = "args.yaml"
_FITNESS = ("mAP50-95", "mask_mAP50-95", "pose_mAP50-95", "top1", "top5")
# Arguments that say where results go or which repeat this is, and can't touch a measurement.
_OUTSIDE_GROUP = frozenset({"seed", "project", "name", "save_dir", "exist_ok", "resume", "verbose", "plots", "show"})


def find_results(folder: Path) -> list[Path]:
    """The results files of a folder: `results.csv`, else everything named results*.csv."""
    main = folder / "results.csv"
    return [main] if main.is_file() else sorted(folder.glob("results*.csv"))


def is_plain_folder(folder: Path) -> bool:
    """Whether Ultralytics wrote a training run here."""
    return bool(find_results(folder)) or (folder / ARGS_FILE).is_file()


def read_plain_runs(folder: Path, *, arm: str | None = None) -> list[Run]:
    """The runs of one plain folder: one, or one for each results*.csv, named after what its name adds to `results`."""
    files = find_results(folder)
    if len(files) > 1:
        return [read_plain_run(file, arm=_stem(file)) for file in files]
    return [read_plain_run(files[0] if files else folder / "results.csv", arm=arm or folder.name)]


def read_plain_run(results_csv: Path, *, arm: str | None = None) -> Run:
    """Read one results.csv with the args.yaml beside it.

    A file that can't be read gives a missing run, one whose last epoch has NaN or infinity a failed one.
    """
    folder = results_csv.parent
    settings = _read_args(folder)
    seed = _whole(settings.get("seed"))
    group = {key: value for key, value in settings.items() if key not in _OUTSIDE_GROUP}
    common: dict[str, Any] = {
        "arm": _without_seed(arm or (_stem(results_csv) if results_csv.name != "results.csv" else folder.name), seed),
        "seed": seed,
        "folder": folder,
        "is_plain": True,
        "group_id": _digest(group) if group else UNKNOWN_GROUP,
        "settings": group,
    }
    if not results_csv.is_file():
        return Run(**common, status="MISSING", reason=f"no {results_csv.name}: the run ended in its first epoch.")
    try:
        curves, problems = read_results_csv(results_csv)
    except ComparisonError as error:
        return Run(**common, status="MISSING", reason=str(error))
    notes = [("results-csv", problem) for problem in problems]
    planned = settings.get("epochs")
    last = int(curves.epochs[-1])
    if isinstance(planned, int) and last < planned:
        notes.append(("fewer-epochs", f"results.csv ends at epoch {last} of {planned}: stopped early, or unfinished."))
    diverged = [name for name, values in curves.columns.items() if _is_watched(name) and not np.isfinite(values[-1])]
    if diverged:
        lost = curves.epochs[~np.isfinite(curves.columns[diverged[0]])].tolist()
        what = f"{listed(diverged)} is not a finite number in its last epoch (epoch {listed(lost)})"
        reason = f"it diverged: {what}, and the best.pt of an epoch before is not the end of this training."
        return Run(**common, status="FAILED", curves=curves, reason=reason, notes=tuple(notes))
    for name in (name for name in SHARES if name in curves.columns):
        lost = curves.epochs[~np.isfinite(curves.columns[name])].tolist()
        if lost:
            text = f"{name} is not a finite number in epoch {listed(lost)}; best.pt is of another."
            notes.append(("not-finite", text))
    metrics, unmeasured = _metrics(curves)
    return Run(
        **common, status="FINISHED", curves=curves, metrics=metrics, unmeasured=unmeasured, notes=tuple(notes)
    )  # fmt: skip


def _is_watched(name: str) -> bool:
    """Whether a column that ends in NaN or infinity means that the training diverged; losses in validation may."""
    return name in SHARES or name.startswith("train/")


def _metrics(curves: Curves) -> tuple[dict[str, float], dict[str, str]]:
    """What a results.csv says about a run, and what it can't say."""
    in_percent = [name for name in SHARES if np.any(curves.columns.get(name, np.zeros(0)) > 1)]
    columns = {name: values for name, values in curves.columns.items() if name not in in_percent}
    measured: dict[str, float] = {}
    parts = [columns[name] for name in _FITNESS if name in columns]  # Ultralytics adds that of boxes and of masks
    fitness_E = np.sum(parts, axis=0) if parts else None
    if fitness_E is not None and OBJECTNESS in columns and "mAP50" in columns:
        fitness_E = 0.1 * columns["mAP50"] + 0.9 * columns["mAP50-95"]
    if fitness_E is not None and np.isfinite(fitness_E).any():
        best = int(np.nanargmax(np.where(np.isfinite(fitness_E), fitness_E, np.nan)))
        measured["best_epoch"] = float(curves.epochs[best])
        measured.update({name: float(columns[name][best]) for name in SHARES if name in columns})
        measured.update({f"last/{n}": float(columns[n][-1]) for n in ("mAP50", "mAP50-95") if n in columns})
    unmeasured = dict.fromkeys(("train_s", "images_per_s", "peak_memory_mib"), "a results.csv does not hold it")
    found = f"its results.csv has no column for it; it has {', '.join(curves.columns)}"
    expected = () if "top1" in curves.columns else BOXES
    unmeasured |= {name: found for name in expected if name not in curves.columns}
    unmeasured |= dict.fromkeys(in_percent, "it is above 1, as a percentage would be")
    if "time" in columns:
        why = _why_no_time(curves)
        measured |= {} if why else {CSV_TIME: float(columns["time"][-1])}
        unmeasured |= {CSV_TIME: why} if why else {}
    unmeasured.update({name: "not a finite number" for name, value in measured.items() if not is_number(value)})
    return {name: value for name, value in measured.items() if is_number(value)}, unmeasured


def _why_no_time(curves: Curves) -> str | None:
    """Why the last value of the time column is not the time of the run."""
    if curves.epochs[0] > 1:
        return f"results.csv begins at epoch {curves.epochs[0]}"
    if np.any(np.diff(curves.columns["time"]) < 0):
        return "the time column restarts, as it does where a training was resumed"
    return "the time column is negative" if curves.columns["time"][-1] < 0 else None


def _read_args(folder: Path) -> dict[str, Any]:
    """The arguments of the run, empty where there is no readable args.yaml."""
    try:
        content = yaml.safe_load((folder / ARGS_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def _whole(value: object) -> int | None:
    """A whole number, also where it is written 0.0 or "0"."""
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None
    return int(number) if number is not None and number.is_integer() else None


def _stem(results_csv: Path) -> str:
    """`results_flash_attn.csv` -> `flash_attn`."""
    return re.sub(r"^results[-_. ]*", "", results_csv.stem) or results_csv.parent.name


def _without_seed(name: str, seed: int | None) -> str:
    """`flash_seed42` -> `flash` for the run with seed 42, so that repeats of an arm share its name."""
    if seed is None:
        return name
    return re.sub(rf"[-_. ]?(seed|s)[-_=]?{seed}$", "", name, flags=re.IGNORECASE) or name


def _digest(settings: dict[str, Any]) -> str:
    """A short digest of plain settings."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
