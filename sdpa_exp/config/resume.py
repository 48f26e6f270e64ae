"""resume=FOLDER on the command line: the command that began the run or sweep, completed by what is typed beside it."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdpa_exp.config.choices import CONTINUE, KEEP, REPEAT, RESTART
from sdpa_exp.config.plan import read_plan
from sdpa_exp.config.refusing import one_of
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.attempts import latest_attempt
from sdpa_exp.runs.files import PLAN_FILE, SWEEP_FILE
from sdpa_exp.runs.sweep import read_sweep

COMMAND_VARIABLE = "SDPA_EXP_COMMAND"
"""How people start sdpa_exp where it isn't `python -m sdpa_exp`: the container's way in, set by docker-compose.yml."""

RESUME_KEYS = ("resume", "resume_mode", "resume_changed")
# What says where a command writes: another matter when it is resumed.
_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "run.overwrite")


def check_resume(options: dict[str, Any]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        ConfigError: names the nearest.
    """
    one_of("resume_mode", options["resume_mode"], (RESTART, CONTINUE))
    if options["resume_changed"] is not None:
        one_of("resume_changed", options["resume_changed"], (KEEP, REPEAT))


def typed_as() -> str:
    """How people start sdpa_exp here."""
    return os.environ.get(COMMAND_VARIABLE) or "python -m sdpa_exp"


def resume_line(folder: Path) -> str | None:
    """The line that completes what was interrupted in a folder; None where nothing was begun."""
    if not any((folder / name).exists() for name in (SWEEP_FILE, PLAN_FILE)):
        return None
    path = min(str(folder), os.path.relpath(folder), key=len)
    return f"{typed_as()} {shlex.quote(f'resume={path}')}"


def resume_line_above(file: Path) -> str | None:
    """The line for the sweep, else the run, that a file belongs to."""
    lines = [line for line in map(resume_line, file.parents) if line is not None]
    return lines[-1] if lines else None


def without_folder(arguments: Sequence[str]) -> list[str]:
    """The arguments that say what is done, not where, nor how it is resumed or shown."""
    return [word for word in arguments if _key(word) not in (*_FOLDERS, *RESUME_KEYS, "output")]


def resumed_arguments(arguments: Sequence[str]) -> list[str]:
    """Put the command that began `resume=FOLDER` in its place; without it the arguments stay as they are.

    A key that is typed again takes the place of its first value, so that seeds stay outermost.

    Raises:
        ConfigError: the folder is missing, or holds nothing to resume; the command was typed in another folder, or a
            folder is named as well.
    """
    folder = next((_value(word) for word in reversed(arguments) if _key(word) == "resume"), "")
    if folder in ("", "null"):
        return list(arguments)
    place = Path(folder).expanduser().absolute()
    named = next((word for word in arguments if _key(word) in _FOLDERS), None)
    if named is not None:
        raise ConfigError(f"resume={folder} and {named} both say where to write: expected one of them. Take one out.")
    command, cwd, key = _begun(place)
    if cwd and os.path.isdir(cwd) and not os.path.samefile(cwd, "."):
        raise ConfigError(
            f"resume={folder} can't repeat a command here that was typed in {cwd}, since relative paths in it would "
            f"lead elsewhere: expected that folder. {shlex.join(['cd', cwd])}, then {typed_as()} "
            f"{shlex.quote(f'resume={place}')}"
        )
    typed = [word for word in arguments if _key(word) != "resume"]
    merged = _merged(without_folder(_arguments_of(command)), typed)
    return [*merged, f"{key}={quoted(str(place))}", f"resume={quoted(str(place))}"]


def quoted(path: str) -> str:
    """A path as a value in Hydra's grammar."""
    text = Path(path).as_posix().replace('"', r"\"")
    return f'"{text}"'


def _begun(folder: Path) -> tuple[str, str, str]:
    """The command, where it was typed, and the key of its folder."""
    if (folder / SWEEP_FILE).exists():
        sweep = read_sweep(folder)
        return sweep.command, sweep.cwd, "hydra.sweep.dir"
    last = folder if (folder / PLAN_FILE).exists() else latest_attempt(folder) or folder
    if not (last / PLAN_FILE).exists():
        what = "has nothing to complete" if folder.exists() else "does not exist"
        raise ConfigError(
            f"resume={folder} {what}: expected the folder of a run (with {PLAN_FILE}) or of a sweep "
            f"(with {SWEEP_FILE}) that sdpa_exp began. Look below multirun/."
        )
    job = read_plan(last).job
    sweep_dir = next((above for above in folder.parents if (above / SWEEP_FILE).exists()), None)
    if job.sweep_dir is not None and sweep_dir is not None:
        raise ConfigError(
            f"resume={folder} is one run of a sweep: expected the sweep's folder, which is completed as a whole. Use "
            f"{resume_line(sweep_dir)}"
        )
    return job.command, job.cwd, "hydra.run.dir"


def _arguments_of(command: str) -> list[str]:
    words = shlex.split(command)
    return words[3:] if words[1:3] == ["-m", "sdpa_exp"] else words[1:]


def options_of(command: str) -> list[str]:
    """The `--config-dir` of a command: without it, what it names may not be found."""
    words = _arguments_of(command)
    apart = [pair for pair in itertools.pairwise(words) if pair[0] in ("--config-dir", "-cd")]
    return [*itertools.chain(*apart), *(word for word in words if word.startswith("--config-dir="))]


def _merged(begun: list[str], typed: list[str]) -> list[str]:
    """The words of the command, with those typed again in place of the first, and new ones behind."""
    again = {_key(word): word for word in typed if _key(word)}
    merged = [again.pop(_key(word), word) if _key(word) else word for word in begun]
    new = [word for word in typed if again.get(_key(word)) == word or (not _key(word) and word not in begun)]
    return [*merged, *new]


def _key(word: str) -> str:
    """The key of an override; empty for an option and its value."""
    return "" if word.startswith("-") or "=" not in word else word.lstrip("+~").partition("=")[0]


def _value(word: str) -> str:
    return word.partition("=")[2].strip("\"'")
