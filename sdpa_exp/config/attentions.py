"""Which attentions a plan may name: conf/attention, the same group below a --config-dir, and code of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from sdpa_exp.conf_dir import ATTENTION_GROUP, attentions_in, conf_dir, find_python_file, split_reference
from sdpa_exp.config.refusing import refuse

_WITH_FILES = "relative paths are taken from the current folder, and from the folder of the YAML file that names them"


def attentions_below(config_dirs: Sequence[Path]) -> dict[str, str]:
    """Option -> backend for attentions of one's own, from the folders that --config-dir names."""
    own: dict[str, str] = {}
    for folder in config_dirs:
        for name, backend in attentions_in(folder).items():
            own.setdefault(name, _with_its_path(backend, config_dirs) or backend)
    return own


def absolute_backend(key: str, backend: str, config_dirs: Sequence[Path]) -> str:
    """The backend with the path of its Python file, if it has one, made absolute: a worker has another current folder.

    Raises:
        ConfigError: there is no such file.
    """
    found = _with_its_path(backend, config_dirs)
    if found is None:
        refuse(key, backend, f"a Python file that exists ({_WITH_FILES})", "Check the path. See --help attention.")
    return found


def arm_name(name: str, backend: str) -> str:
    """The arm's name: that of the function where `attention.backend` alone was replaced, lest it passes for ours."""
    reference = split_reference(backend)
    is_ours = attentions_in(conf_dir()).get(name, backend) != backend
    return reference[1] if reference is not None and is_ours else name


def check_backend_name(key: str, backend: str, own: Mapping[str, str]) -> None:
    """Refuse a name that is neither an option of the group `attention` nor code of one's own.

    Raises:
        ConfigError: with the options there are, and the nearest.
    """
    options = [*attentions_in(conf_dir()), *own]
    if backend in options or split_reference(backend) is not None:
        return
    expected = f"one of {', '.join(options)}, or path/file.py:name or package.module:name for your own"
    near = get_close_matches(backend, options, n=1)
    step = f"Did you mean {near[0]}?" if near else f"Write {ATTENTION_GROUP}/{backend}.yaml: see --help attention."
    refuse(key, backend, expected, step)


def names_attention(overrides: Sequence[str]) -> bool:
    """Whether a command line names an attention."""
    return any(line.startswith(("attention=", "attention.")) for line in overrides)


def _with_its_path(backend: str, config_dirs: Sequence[Path]) -> str | None:
    reference = split_reference(backend)
    if reference is None or not reference[0].endswith(".py"):
        return backend
    path = find_python_file(reference[0], [folder / ATTENTION_GROUP for folder in config_dirs])
    return None if path is None else f"{path}:{reference[1]}"
