"""A real MLflow server behind a proxy that breaks it while a run goes on: `python -m tests.faults.tracking_server`.

Adds a row a fault. In each the run must end well, say one sentence, and be in the store once in the end, by itself or
by the line on its screen. The full disk needs root, for a small tmpfs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdpa_exp.runs.record import read_record
from tests.faults.in_store import around_s, lacking, run_id_of, said_of_mlflow, send_later
from tests.faults.processes import TINY, Command, start
from tests.faults.single_run import fill, has_epoch, small_disk
from tests.faults.table import Row, add_caused
from tests.tracking.server import free_port, mlflow_server
from tests.tracking.slow_proxy import slow_proxy

DISK_MIB = 64
FULL_DISK = "a full disk at the MLflow server"
TIMEOUT_S = 8.0  # that the command waits for a request, and for the rest when the run has ended


@dataclass
class Server:
    """A server behind its proxy, and what the proxy does to requests now."""

    folder: Path
    direct: str
    url: str
    status: int | None = None
    delay_s: float = 0.0
    seen: list[Any] = field(default_factory=list)

    def heal(self) -> None:
        """Pass everything on."""
        self.status, self.delay_s = None, 0.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way of a server to fail.

    Attributes:
        how: the words of the table.
        strike: breaks it, given the server and the run's folder.
        is_from_start: before the command starts; else after the first epoch.
        lasts_s: until it is well again, in seconds; None: until after the run, which is an hour's absence in small.
        mend: what else makes it well, given the server and the name of the experiment.
        num_sentences: that the screen must have about it.
    """

    how: str
    strike: Callable[[Server, str], None]
    is_from_start: bool = False
    lasts_s: float | None = None
    mend: Callable[[Server, str], None] = lambda server, experiment: server.heal()
    num_sentences: int = 1


def cause(place: Path, names: list[str]) -> Iterator[Row]:
    """A row for each of the faults; one server for all of them, whose store is a small disk where that can be made."""
    with ExitStack() as until_the_end:
        try:
            until_the_end.enter_context(small_disk(place / "disk", DISK_MIB))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{FULL_DISK}: left out, it can't be caused here: {error}", flush=True)
            names = [name for name in names if name != FULL_DISK]
        server = until_the_end.enter_context(running(place / "disk"))
        quiet_s = undisturbed(server, place)
        for name in names:
            yield hit(server, place, name, FAULTS[name], quiet_s)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server with its proxy."""
    from sdpa_exp.tracking.local_database import create_database

    create_database(folder / "mlflow.db")
    with mlflow_server(folder, folder / "mlflow.db", free_port()) as direct:
        server = Server(folder=folder, direct=direct, url="")
        port = int(direct.rpartition(":")[2])
        with slow_proxy(port, lambda what: server.delay_s, refused=lambda what: server.status) as (url, passed):
            server.url, server.seen = url, passed
            yield server


def command_for(server: Server, place: Path, experiment: str) -> Command:
    """A small run that is shown by the server, in the folder and the experiment of this name."""
    tracking = ("tracking=server", f"tracking.uri={server.url}", f"tracking.timeout_s={TIMEOUT_S}")
    return start([*TINY, *tracking, f"name={experiment}", f"hydra.run.dir={experiment}"], place)


def undisturbed(server: Server, place: Path) -> float:
    """Seconds around the worker with a healthy server."""
    command = command_for(server, place, "quiet")
    if command.wait() != 0 or said_of_mlflow(command.output):
        raise RuntimeError(command.output)
    wrong = lacking(server.direct, "quiet", place / "quiet")
    if wrong:
        raise RuntimeError(f"{wrong}: {command.output}")
    return around_s(command, place / "quiet")


def hit(server: Server, place: Path, name: str, fault: Fault, quiet_s: float) -> Row:
    """Run with the fault, mend it, send what is missing by the printed line, and look at the store."""
    experiment = "".join(c if c.isalnum() else "_" for c in name)
    run_dir = place / experiment
    if fault.is_from_start:
        fault.strike(server, experiment)
    command = command_for(server, place, experiment)
    if not fault.is_from_start:
        command.wait_until(lambda: has_epoch(run_dir) and run_id_of(run_dir) is not None)
        fault.strike(server, experiment)
    if fault.lasts_s is not None and command.wait_for(fault.lasts_s):
        fault.mend(server, experiment)
    code = command.wait()
    fault.mend(server, experiment)
    wrong = [] if code == 0 else [f"it ended with {code}: {command.output}"]
    before = run_id_of(run_dir)
    wrong += send_later(command, place)
    wrong += [] if before in (None, run_id_of(run_dir)) else ["it became another run"]
    lost = lacking(server.direct, experiment, run_dir)
    said = said_of_mlflow(command.output)
    sentences = [line for line in said if not line.startswith("tracking: not all")]
    wrong += [] if len(sentences) <= fault.num_sentences else [f"{len(sentences)} sentences: {sentences}"]
    wrong += [] if "Traceback" not in command.output else [command.output]
    for problem in (*wrong, *lost):
        print(f"WRONG: {name}: {problem}", flush=True)
    train_s = read_record(run_dir).phases_s.get("train")
    return Row(
        fault=name,
        how=f"{fault.how}; the training itself took {train_s:.1f} s",
        records_lost=len(lost),
        delay_s=round(max(0.0, around_s(command, run_dir) - quiet_s), 1),
        saw="\n".join(said).replace(str(place), ".") or "nothing: all of it arrived before the command ended",
        is_as_expected=not wrong and not lost,
    )


def answers(status: int) -> Callable[[Server, str], None]:
    """Let the proxy answer with a status; 0 closes the connection."""

    def strike(server: Server, experiment: str) -> None:
        server.status = status

    return strike


def slows_down(server: Server, experiment: str) -> None:
    """Let each request take 5 s."""
    server.delay_s = 5.0


def deletes(server: Server, experiment: str) -> None:
    """As a click in the UI does."""
    client = _client(server)
    client.delete_experiment(client.get_experiment_by_name(experiment).experiment_id)


def restores(server: Server, experiment: str) -> None:
    """As a click in the UI does."""
    client = _client(server)
    found = client.get_experiment_by_name(experiment)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)


def fills_disk(server: Server, experiment: str) -> None:
    """Nothing more can be written there."""
    fill(server.folder)


def frees_disk(server: Server, experiment: str) -> None:
    """What filled it is gone."""
    (server.folder / "fill").unlink(missing_ok=True)


def _client(server: Server) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(server.direct)


_LATER = "until after the end of the run (an hour, in small); then the printed line"
FAULTS = {
    "an MLflow server that is away from the start": Fault(
        how=f"no connection {_LATER}", strike=answers(0), is_from_start=True
    ),
    "an MLflow server that dies": Fault(how=f"no connection from the first epoch {_LATER}", strike=answers(0)),
    "an MLflow server that dies and is back": Fault(
        how="no connection for 3 s after the first epoch", strike=answers(0), lasts_s=3.0
    ),
    "an MLflow server that takes 5 s for a request": Fault(
        how=f"each request held back 5 s {_LATER}", strike=slows_down, is_from_start=True
    ),
    "an MLflow server that answers 500": Fault(how=f"from the first epoch {_LATER}", strike=answers(500)),
    "an MLflow server that answers 429": Fault(
        how="with Retry-After: 3, for 6 s after the first epoch", strike=answers(429), lasts_s=6.0
    ),
    "an MLflow server that no longer takes the password": Fault(
        how=f"401 from the first epoch {_LATER}", strike=answers(401)
    ),
    "an experiment that is deleted in the UI": Fault(
        how="delete_experiment after the first epoch, restore_experiment after the run; then the printed line",
        strike=deletes,
        mend=restores,
    ),
    FULL_DISK: Fault(
        how=f"a tmpfs of {DISK_MIB} MiB, filled after the first epoch and freed after the run; then the printed line",
        strike=fills_disk,
        mend=frees_disk,
    ),
}


if __name__ == "__main__":
    sys.exit(add_caused("tracking_server", FAULTS, cause))
