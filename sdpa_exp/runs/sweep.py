"""`sweep.json`: what a sweep is made of, written before its first job starts.

Paths in it are relative to its folder, so that a copied or moved sweep is read as itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdpa_exp.errors import ComparisonError, DamagedFile
from sdpa_exp.runs.files import SWEEP_FILE, write_json_atomic
from sdpa_exp.runs.typed import wrong_fields

SCHEMA_VERSION = 1
IN_TURNS = "arms turn round at every other seed"  # config/job_order.py


@dataclass(frozen=True, kw_only=True)
class SweepJob:
    """One run of a sweep: its folder, which may not be made yet, and what is known of it beforehand.

    Attributes:
        num: its place in the command that ran last, from 0.
        key: the digest of its plan, by which a resumed sweep knows it again; None in older sweeps.
        group_id: of its plan; None where the hardware is resolved later, and in older sweeps.
        added: 0 for a job that was there at first; n where the n-th entry of `Sweep.resumed` (from 1) added it.
        is_kept: it had finished before the sweep was resumed the last time, and is not run again.
        continue_from: a checkpoint below its folder to go on from (resume_mode=continue).
        is_excluded: it finished with a larger batch than the sweep came down to, and is not compared (on_oom=exclude).
    """

    num: int
    run_dir: Path
    arm: str
    seed: int | None
    title: str
    key: str | None = None
    group_id: str | None = None
    added: int = 0
    is_kept: bool = False
    continue_from: str | None = None
    is_excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep folder's content.

    Attributes:
        folder: where sweep.json is.
        baseline: the control arm; None where nothing is compared or the sweeper can't say beforehand.
        copies: A/A copy -> the arm that it repeats.
        begun_at: ISO time; empty in sweeps of older versions.
        max_seeds: to which the comparison may grow, declared beforehand; None: its own seeds are all.
        order: how the jobs were put in order, in words; empty where the sweeper chose as it went.
        preflight: what launch/before_sweep.py found out before the first job; empty where it was not asked.
        cwd: the folder that the command was typed in.
        search: of a sweep that looks for the best setting: see search/study.py; empty in any other.
        resumed: one entry for each time that the sweep was resumed, oldest first; see launch/resume.py. An entry with
            `num_added` above 0 extended it: with `arms_added` and `seeds_added`, after `num_finished` runs, and after
            somebody could have read a comparison of those where `was_compared`.
    """

    folder: Path
    name: str
    command: str = ""
    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    baseline: str | None = None
    copies: dict[str, str] = field(default_factory=dict)
    jobs: tuple[SweepJob, ...] = ()
    preflight: dict[str, Any] = field(default_factory=dict)
    order: str = ""
    begun_at: str = ""
    max_seeds: int | None = None
    cwd: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    resumed: tuple[dict[str, Any], ...] = ()

    @property
    def extensions(self) -> tuple[dict[str, Any], ...]:
        """The entries of `resumed` that added jobs."""
        return tuple(entry for entry in self.resumed if entry["num_added"])


def write_sweep(sweep: Sweep) -> None:
    """Write `sweep.json` atomically."""
    content = {key: value for key, value in asdict(sweep).items() if key != "folder"}
    jobs = [{**asdict(job), "run_dir": os.path.relpath(job.run_dir, sweep.folder)} for job in sweep.jobs]
    write_json_atomic(sweep.folder / SWEEP_FILE, {"schema_version": SCHEMA_VERSION, **content, "jobs": jobs})


def read_sweep(folder: Path) -> Sweep:
    """Read `sweep.json` of a sweep folder.

    Raises:
        ComparisonError: it is missing, not JSON, of another schema version or without its keys.
    """
    path = folder / SWEEP_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ComparisonError(
            f"{path} is missing: expected the folder of a sweep that sdpa_exp began. "
            f"Name run folders with compare.runs=[a,b] to compare those."
        ) from error
    except (OSError, ValueError) as error:
        raise ComparisonError(f"{path} is not JSON: {error}.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise ComparisonError(
            f"{path} has schema version {version}, and this version reads {SCHEMA_VERSION}: "
            f"read it with the sdpa_exp that wrote it."
        )
    try:
        sweep = _sweep(folder, content)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedFile(f"{path} is damaged: {error}. Compare its run folders with compare.runs=[a,b].") from error
    if wrong := [*wrong_fields(sweep), *(name for job in sweep.jobs for name in wrong_fields(job))]:
        raise DamagedFile(
            f"{path} is damaged: {wrong[0]} can't be read. Compare its run folders with compare.runs=[a,b]."
        )
    return sweep


def _sweep(folder: Path, content: dict[str, Any]) -> Sweep:
    return Sweep(
        folder=folder,
        name=str(content.get("name") or folder.parent.name),
        command=content.get("command") or "",
        arms=tuple(content.get("arms") or ()),
        seeds=tuple(content.get("seeds") or ()),
        baseline=content.get("baseline"),
        copies=content.get("copies") or {},
        jobs=tuple(_job(folder, job) for job in content.get("jobs") or ()),
        preflight=content.get("preflight") or {},
        order=content.get("order") or "",
        cwd=content.get("cwd") or "",
        search=content.get("search") or {},
        resumed=tuple(content.get("resumed") or ()),
        begun_at=content.get("begun_at") or "",
        max_seeds=content.get("max_seeds"),
    )


def _job(folder: Path, job: dict[str, Any]) -> SweepJob:
    """One job; older sweeps have absolute paths, and what was moved with sweep.json wins over what stands there."""
    recorded = folder / str(job.get("run_dir"))
    moved = folder / recorded.name
    run_dir = moved if Path(str(job.get("run_dir"))).is_absolute() and moved.exists() else recorded
    arm, seed = str(job.get("arm")), job.get("seed")
    return SweepJob(
        num=int(job.get("num") or 0),
        run_dir=run_dir,
        arm=arm,
        seed=seed,
        title=str(job.get("title") or f"{arm} seed {seed}"),
        key=job.get("key"),
        group_id=job.get("group_id"),
        added=int(job.get("added") or 0),
        is_kept=bool(job.get("is_kept")),
        continue_from=job.get("continue_from"),
        is_excluded=bool(job.get("is_excluded")),
    )
