"""A Python environment that is thrown away: it sees what this one has installed, and what goes into it stays in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sdpa_exp
from sdpa_exp.config.credentials import without_credentials


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended. `returncode` is None where its time ran out."""

    returncode: int | None
    wall_s: float
    output: str


@contextmanager
def trial_folder() -> Iterator[Path]:
    """A temporary folder that is gone afterwards, whatever happens in between."""
    folder = Path(tempfile.mkdtemp(prefix="sdpa_exp_trial_"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_environment(folder: Path, *, log: Path, time_limit_s: float) -> tuple[Path, Ended]:
    """Make an environment in a folder; its Python finds the packages of this one, torch above all.

    `--system-site-packages` would show those of the system's Python, and not those of the environment we run in.

    Returns:
        The environment's Python, and how making it ended.
    """
    place = folder / "environment"
    ended = run_logged([sys.executable, "-m", "venv", str(place)], log=log, time_limit_s=time_limit_s, folder=folder)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = next(place.glob("**/site-packages"), None)
    if ended.returncode == 0 and packages is not None:
        shared = [*site.getsitepackages(), str(Path(sdpa_exp.__file__).parents[1])]
        (packages / "shared.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    return python, ended


def run_logged(command: Sequence[str], *, log: Path, time_limit_s: float, folder: Path, stdin: str = "") -> Ended:
    """Run a command with all its children in one process group, appending its output to a log.

    Args:
        command: what to run.
        log: gets the command line and everything that it writes.
        time_limit_s: after this the whole group is killed.
        folder: for temporary files, so that nothing is left elsewhere.
        stdin: text for the command.
    """
    environment = {  # nothing that a stranger's setup.py should see
        **without_credentials(os.environ),
        "TMPDIR": str(folder),
        "TEMP": str(folder),
        "TMP": str(folder),
        "PIP_NO_INPUT": "1",
    }
    started_s = time.monotonic()
    with log.open("ab") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        start = file.tell()
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        returncode: int | None
        try:
            process.communicate(stdin.encode(), timeout=max(0.1, time_limit_s))
            returncode = process.returncode
        except subprocess.TimeoutExpired:
            returncode = None
        finally:
            _end_group(process)
    wall_s = time.monotonic() - started_s
    with log.open("rb") as file:
        file.seek(start)
        output = file.read().decode(errors="replace")
    return Ended(returncode=returncode, wall_s=wall_s, output=output)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and its children (compilers, above all)."""
    if os.name == "nt":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
