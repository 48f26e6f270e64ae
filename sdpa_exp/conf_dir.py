"""Where the config files are, and which attentions they name: conf/attention is the one list of them.

Read by the parent, by `--help` and by the registry, so that nothing is imported here but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sdpa_exp.errors import ConfigError

ATTENTION_GROUP = "attention"
_BACKEND = re.compile(r"^backend:\s*(['\"]?)(.+?)\1\s*(?:#.*)?$", re.MULTILINE)
_REFERENCE = re.compile(r"(?P<place>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*|.+\.py):(?P<name>[A-Za-z_]\w*)")


def conf_dir() -> Path:
    """The folder with config.yaml and the groups: beside the package in a checkout, inside it in a wheel.

    Raises:
        ConfigError: neither place has one, as after copying the package by hand.
    """
    package = Path(__file__).resolve().parent
    places = (package / "conf", package.parent / "conf")
    for place in places:
        if (place / "config.yaml").is_file():
            return place
    raise ConfigError(
        f"The config files are missing: expected config.yaml in {places[0]} or {places[1]}. "
        "Install again with `pip install .` from a complete checkout."
    )


def attentions_in(folder: Path) -> dict[str, str]:
    """Option -> backend for the options of the group `attention` below a config folder."""
    files = sorted((folder / ATTENTION_GROUP).glob("*.yaml"))
    found = {file.stem: _BACKEND.search(file.read_text(encoding="utf-8")) for file in files}
    return {name: match.group(2) for name, match in found.items() if match is not None}


def split_reference(backend: str) -> tuple[str, str] | None:
    """`package.module:name` or `path/file.py:name` as its place and its name; None where it is neither."""
    match = _REFERENCE.fullmatch(backend)
    return (match.group("place"), match.group("name")) if match else None


def find_python_file(place: str, folders: Iterable[Path]) -> Path | None:
    """A Python file by its path: absolute, from the current folder, or from one of these; None where there is none."""
    candidates = (folder / Path(place).expanduser() for folder in (Path.cwd(), *folders))
    return next((path.absolute() for path in candidates if path.is_file()), None)
