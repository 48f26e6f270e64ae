"""What every key of the configuration means and takes: the comments of conf/, and the types of the schema.

Read by `--help` and by the documentation's reference; neither YAML nor Hydra is imported.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from sdpa_exp.config.choices import CHOICES, choices_of_task
from sdpa_exp.config.schema import DATASETS, Config
from sdpa_exp.config.task import Task, task_class
from sdpa_exp.errors import ConfigError

PRESETS = frozenset({"experiment", "seeds"})
"""Groups whose files set keys of others, and have none of their own."""

ULTRALYTICS_ARGUMENT = "Ultralytics' training argument of this name, passed on as it is; null = its own default"

_LINE = re.compile(r"( *)([A-Za-z_][\w.-]*): *(.*?)(?:(?:^|(?<=\s))# ?(.*))?$")
_LEFT_OUT = frozenset({"defaults", "hydra", "_target_"})
_WORDS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "4"),
    float: ("a number", "0.5"),
    bool: ("true or false", "true"),
    str: ("a text", "abc"),
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key, as it is typed.

    Attributes:
        meaning: its comment in conf/, in the file that comes by default or the first that has one.
        takes: its type in words; empty where nothing says it.
        values: "config.yaml" or "group=option" -> its value there, for every file that sets it.
        comments: the same -> its comment there.
    """

    name: str
    meaning: str
    takes: str
    values: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


def keys(folders: Sequence[Path]) -> dict[str, Key]:
    """All keys of config.yaml and of the groups in these folders, by name, in the order of the files."""
    found: dict[str, Key] = {}
    for place, file, prefix in _files(folders):
        for name, value, comment in _lines(file):
            key = f"{prefix}{name}"
            old = found.get(key)
            meaning = (old.meaning if old else "") or comment
            values = {**(old.values if old else {}), **({place: value} if value else {})}
            comments = {**(old.comments if old else {}), place: comment}
            words = old.takes if old else _takes(key)
            found[key] = Key(name=key, meaning=meaning, takes=words, values=values, comments=comments)
    for name in get_type_hints(_class_of(Config, "train")):
        key = f"train.{name}"
        found.setdefault(key, Key(name=key, meaning=ULTRALYTICS_ARGUMENT, takes=_takes(key)))
    return found


def default_options(config: Path) -> dict[str, str]:
    """Group -> the option that config.yaml chooses."""
    lines = config.read_text(encoding="utf-8").splitlines()
    matches = (re.match(r"  - (\w+): (\w+)", line) for line in lines)
    return {match.group(1): match.group(2) for match in matches if match and match.group(2) != "null"}


def hint(key: str) -> Any:
    """The type of a key in the schema, or in the class of its task; None where neither knows it."""
    parent, _, name = key.rpartition(".")
    found = hints_below(parent).get(name)
    cls = _task_of(parent) if found is None else None
    return found if cls is None else get_type_hints(cls).get(name)


def options_of(task: str) -> list[str]:
    """The options of one of our own tasks; none of what is no task."""
    cls = _task_of(task)
    return [] if cls is None else list(get_type_hints(cls))


def hints_below(key: str) -> dict[str, Any]:
    """The typed keys below `key`; for `dataset` those of all kinds."""
    if key == "dataset":
        return {name: each for cls in DATASETS.values() for name, each in get_type_hints(cls).items()}
    node: Any = Config
    for part in filter(None, key.split(".")):
        node = _class_of(node, part)
        if not is_dataclass(node) and get_origin(node) is not dict:
            return {}
    return get_type_hints(node) if is_dataclass(node) else {}


def expected(wanted: Any) -> tuple[str, str]:
    """What a type is in words, and an example."""
    options = get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)
    first = next(iter(options))
    if get_origin(first) is list:
        item, example = _WORDS.get(get_args(first)[0], ("a list of numbers", "[4]"))
        words, example = f"a list of this: {item}", f"[{example}]"
    else:
        words, example = _WORDS.get(first, ("a group of keys", "..."))
        others = [_WORDS[each][0] for each in options[1:] if each in _WORDS]
        words = " or ".join([words, *others])
    return (f"{words}, or null" if type(None) in options else words), example


def takes(wanted: Any) -> str:
    """The same without the example; empty for what any value may be given to."""
    return "" if wanted in (None, Any) else expected(wanted)[0]


def _takes(key: str) -> str:
    """What a key takes; for closed sets of words these."""
    words, wanted = _choices(key), hint(key)
    text = takes(wanted)
    if not words:
        return text
    these = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    return text.replace("a list of this: a text", f"a list of {these}").replace("a text", these)


def _choices(key: str) -> Sequence[str]:
    parent, _, name = key.rpartition(".")
    cls = None if key in CHOICES else _task_of(parent)
    return CHOICES.get(key, ()) if cls is None else choices_of_task(cls, name)


def _task_of(name: str) -> type[Task] | None:
    """One of our own tasks; None for another block."""
    if not re.fullmatch(r"\w+", name):
        return None
    try:
        return task_class(name, f"sdpa_exp.tasks.{name}.{_camel(name)}")
    except ConfigError:
        return None


def _class_of(node: Any, part: str) -> Any:
    return get_args(node)[1] if get_origin(node) is dict else get_type_hints(node).get(part)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _files(folders: Sequence[Path]) -> Iterator[tuple[str, Path, str]]:
    """Where it is, the file, and what its keys begin with; defaults first, as their comments are the general ones."""
    config = folders[0] / "config.yaml"
    yield "config.yaml", config, ""
    defaults = default_options(config)
    for folder in folders:
        for file in sorted(
            folder.glob("*/*.yaml"), key=lambda file: (defaults.get(file.parent.name) != file.stem, file)
        ):
            group = file.parent.name
            if group not in PRESETS and group != "hydra":
                is_global = "# @package _global_" in file.read_text(encoding="utf-8")
                yield f"{group}={file.stem}", file, "" if is_global else f"{group}."


def _lines(file: Path) -> Iterator[tuple[str, str, str]]:
    """Dotted name, value and comment of every key; `defaults` and Hydra's own are left out."""
    above: list[tuple[int, str]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        indent, name, value, comment = len(found[1]), found[2], found[3].strip(), (found[4] or "").strip()
        above = [*(each for each in above if each[0] < indent), (indent, name)]
        names = [each for _, each in above]
        if not _LEFT_OUT & set(names) and (value or comment):
            yield ".".join(names), value, comment
