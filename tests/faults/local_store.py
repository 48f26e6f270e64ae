"""A local MLflow store that is half made, locked, moved or oddly named: `python -m tests.faults.local_store`."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from sdpa_exp.tracking.location import sqlite_uri
from tests.faults.in_store import around_s, lacking, said_of_mlflow, send_later
from tests.faults.processes import TINY, Command, start, wait_for_orphans
from tests.faults.table import Row, add_caused

STORE = Path("multirun") / "mlflow.db"
ODD = "a b #1 100% of %20 ü 日本"


def cause(place: Path, names: list[str]) -> Iterator[Row]:
    """A row for each of the faults, in a project that has had a run."""
    project = place / "project"
    project.mkdir()
    quiet = run(project, "quiet")
    if quiet.wait() != 0:
        raise RuntimeError(quiet.output)
    for name in names:
        yield FAULTS[name](project, around_s(quiet, project / "quiet"))


def run(cwd: Path, name: str, *more: str) -> Command:
    """A small run with the local store of its folder, in an experiment of its own."""
    return start([*TINY, f"name={name}", f"hydra.run.dir={name}", *more], cwd)


def row_of(command: Command, *run_dirs: Path, quiet_s: float, fault: str, how: str, wrong: list[str]) -> Row:
    """What came of the command that wrote the first folder, and of the others of its experiment."""
    cwd, experiment = run_dirs[0].parent, run_dirs[-1].name
    if command.wait() != 0:
        raise RuntimeError(command.output)
    lost = lacking(sqlite_uri(cwd / STORE), experiment, *run_dirs)
    wrong = [*wrong, *(["a traceback"] if "Traceback" in command.output else [])]
    for problem in (*wrong, *lost):
        print(f"WRONG: {fault}: {problem}", flush=True)
    said = "\n".join(said_of_mlflow(command.output)).replace(str(cwd.parent), ".")
    delay_s = round(max(0.0, around_s(command, run_dirs[0]) - quiet_s), 1)
    return Row(
        fault=fault, how=how, records_lost=len(lost), delay_s=delay_s, saw=said or "nothing",
        is_as_expected=not wrong and not lost,
    )  # fmt: skip


def creation_killed(project: Path, quiet_s: float) -> Row:
    """The first command of a folder is killed while it makes the store; the same line is typed again."""
    cwd = project.with_name("first")
    cwd.mkdir()
    command = run(cwd, "killed")
    command.wait_until(cwd.joinpath("multirun", ".mlflow.db.draft").exists)
    time.sleep(0.5)
    command.send("both", signal.SIGKILL)
    command.wait()
    wait_for_orphans(cwd)
    wrong = ["there is a store"] if (cwd / STORE).exists() else []
    again = run(cwd, "again")
    again.wait()
    how = "kill -9 while the first command of a folder makes the tables; then another run, which makes them"
    fault = "the first creation of a local store is killed"
    return row_of(again, cwd / "again", quiet_s=quiet_s, fault=fault, how=how, wrong=wrong)


def locked(project: Path, quiet_s: float) -> Row:
    """Another process keeps the store locked for the whole run."""
    with closing(sqlite3.connect(project / STORE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        command = run(project, "locked", "tracking.timeout_s=3")
        command.wait()
        connection.execute("ROLLBACK")
    wrong = send_later(command, project)
    wrong += [] if "is locked: process" in command.output else [command.output]
    how = "BEGIN EXCLUSIVE by another process for the whole run, tracking.timeout_s=3; then the printed line"
    fault = "a local store that is locked"
    return row_of(command, project / "locked", quiet_s=quiet_s, fault=fault, how=how, wrong=wrong)


def moved(project: Path, quiet_s: float) -> Row:
    """The folder with the store is renamed between two runs of one experiment."""
    cwd = project.with_name("moved")
    project.rename(cwd)
    command = run(cwd, "after", "name=quiet")
    command.wait()
    wrong = ["the old place was filled"] if project.exists() else []
    wrong += [] if "was moved or copied" in command.output else [command.output]
    how, runs = "the project folder is renamed between two runs of one experiment", (cwd / "quiet", cwd / "after")
    row = row_of(
        command, *reversed(runs), quiet_s=quiet_s, fault="a project folder that is moved", how=how, wrong=wrong
    )
    cwd.rename(project)
    return row


def odd_paths(project: Path, quiet_s: float) -> Row:
    """Every character that an address, a shell or a pattern reads otherwise."""
    cwd = project.with_name(ODD)
    cwd.mkdir()
    command = run(cwd, "odd")
    command.wait()
    refused = start([*TINY, "hydra.run.dir=why?"], cwd)
    wrong = [] if refused.wait() == 2 and "has a ? in its path" in refused.output else [refused.output]
    how = f"a project folder named {ODD!r}; one with ? is refused for runs (Ultralytics reads it as an address)"
    return row_of(command, cwd / "odd", quiet_s=quiet_s, fault="odd characters in paths", how=how, wrong=wrong)


FAULTS: dict[str, Callable[[Path, float], Row]] = {
    "creation_killed": creation_killed,
    "locked": locked,
    "moved": moved,
    "odd_paths": odd_paths,
}


if __name__ == "__main__":
    sys.exit(add_caused("local_store", FAULTS, cause))
