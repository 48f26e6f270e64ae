"""`--help`, written for people: one page, a group in full, or what a key means. Imports nothing heavy."""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from difflib import get_close_matches
from pathlib import Path

from sdpa_exp import errors
from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.habits import home_of
from sdpa_exp.config.keys import Key, default_options, keys
from sdpa_exp.errors import ConfigError

_WIDTH = 118
GROUPS = {
    "attention": "which code computes softmax(QK^T)V: the arm",
    "model": "the detector",
    "dataset": "what it learns",
    "train": "the recipe",
    "hardware": "batch, workers, precision and device of a machine",
    "seeds": "named sets of seeds; seed=7 and seed=0,42 work too",
    "task": "what one job does",
    "telemetry": "what is sampled beside a run",
    "tracking": "where MLflow shows the runs",
    "experiment": "presets, each named for its question",
}

_TOP = """\
sdpa_exp trains and times a detector under different attention implementations, proves which kernel ran,
and says with honest statistics whether anything differs.

  python -m sdpa_exp GROUP=OPTION ... KEY=VALUE ... [-m]

One run without -m. With -m, with a set of several seeds or with a preset that names arms, every combination of
comma-separated values runs, each in a fresh process, seeds outermost so that arms alternate; then they are compared.

Examples
  python -m sdpa_exp task=doctor                              what can run on this machine, and what is wrong with it?
  python -m sdpa_exp attention=stock,sdpa seed=0,42 -m        does SDPA change anything? seeds=five for an answer
  python -m sdpa_exp task=answer                              which attention should I use here? minutes, no training
  python -m sdpa_exp dataset=yolo_dir dataset.path=my/data.yaml train.epochs=20 attention=stock,sdpa seed=0,42 -m
  python -m sdpa_exp experiment=which_kernel hardware=a100    a preset, on a named machine
  python -m sdpa_exp resume=multirun/comparison/DATE_TIME     complete an interrupted sweep, or add arms and seeds
  python -m sdpa_exp hardware.batch=4 train.imgsz=320 --cfg job          print the configuration, run nothing

Config groups and their options (* is the default)
"""

_BOTTOM = """\
`flash` is the flash-attention kernel inside PyTorch. It is not the flash-attn package, which is not needed.
An arm runs its kernel or fails. Everything that is written lands in multirun/NAME/DATE_TIME/.

Options
  --help GROUP       when to choose which option, and its keys; --help attention: what one of your own has to be
  --help task=bench  when to choose one option, and what it sets; of a task, its own options
  --help KEY         what a key means and takes, such as --help hardware.batch
  -m, --multirun     run every combination           --cfg job          print the configuration; with -m the jobs
  --config-dir DIR   also look for groups in DIR     --info             where the configuration comes from
  --hydra-help       all of Hydra's own options      --version          the version of sdpa_exp

Exit codes
  0    all runs finished
"""


def help_text(arguments: list[str]) -> str:
    """The page, or a group or key named beside --help; `--config-dir` adds what is found there.

    Raises:
        ConfigError: there is no group or key of that name.
    """
    folders = [conf_dir(), *_config_dirs(arguments)]
    defaults = default_options(folders[0] / "config.yaml")
    topic, option = _topic(arguments)
    if topic in _groups(folders) and option:
        return _option(topic, option, folders)
    if topic:
        return _about(topic, folders, defaults)
    names = [*GROUPS, *sorted(_groups(folders) - set(GROUPS))]
    groups = "\n".join(_names(name, folders, defaults.get(name)) for name in names)
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in exit_codes())
    return f"{_TOP}{groups}\n\n{_BOTTOM}{codes}\n"


def when_to_choose(file: Path) -> str:
    """The first comment of a config file, after Hydra's own header (`# @package ...`), which has to stand first."""
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next((line for line in lines if not line.startswith("# @")), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def exit_codes() -> list[tuple[str, str]]:
    """Codes and meanings from the drawing in errors.py."""
    found = re.findall(r"^[├└]── \w+ +(.+?) +\(exit code (\d+)\)$", errors.__doc__ or "", re.M)
    return [*((code, meaning) for meaning, code in found), ("130", "ended by Ctrl-C"), ("143", "ended by SIGTERM")]


def _topic(arguments: list[str]) -> tuple[str, str]:
    """What stands behind --help, else a group named anywhere; and the option of a group, as `task=bench` has it."""
    place = next(number for number, word in enumerate([*arguments, "--help"]) if word in ("-h", "--help"))
    behind = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments[place + 1 :]))
    if behind:
        topic, _, option = behind[0].partition("=")
        return topic, option or next((word for word in behind[1:] if "=" not in word), "")
    return next((argument for argument in arguments if argument in GROUPS), ""), ""


def _option(group: str, option: str, folders: list[Path]) -> str:
    """When to choose an option of a group, and what it sets; for a task, its own options."""
    files = dict(_options(group, folders))
    if option not in files:
        near = get_close_matches(option, files, n=2)
        step = f"Perhaps {' or '.join(near)}?" if near else f"--help {group} lists them."
        raise ConfigError(f"{group}={option} is no option: expected one of {', '.join(files)}. {step}")
    lines = textwrap.wrap(f"{group}={option}: {when_to_choose(files[option])}", _WIDTH, subsequent_indent="  ")
    found, place = keys(folders), f"{group}={option}"
    own = [key for name, key in found.items() if group == "task" and name.startswith(f"{option}.")]
    rows = [(key.name, key.meaning) for key in own] or [
        (f"{key.name}={key.values[place]}", key.comments.get(place) or key.meaning)
        for key in found.values()
        if place in key.values and not key.name.endswith(".name")
    ]
    title = ["", "Its options" if own else "What it sets"] if rows else []
    return "\n".join([*lines, *title]) + "\n" + (_rows(rows) if rows else "")


def _about(topic: str, folders: list[Path], defaults: dict[str, str]) -> str:
    """A group with its keys, a key, or the keys below a name such as bench or compare.primary."""
    known = keys(folders)
    below = [key for name, key in known.items() if name.startswith(f"{topic}.")]
    if topic in _groups(folders):
        more = f"\n{_attention_contract()}\n" if topic == "attention" else ""
        more += "\nThe options of a task: --help task=NAME, such as --help task=bench\n" if topic == "task" else ""
        title = "Keys, and every other training argument of Ultralytics" if topic == "train" else "Keys"
        shown = [key for key in below if key.values or topic != "train"]
        listed = f"\n{title}\n{_key_list(shown)}" if shown else ""
        return f"{_group(topic, folders, defaults.get(topic))}{listed}{more}"
    if topic in known and not below:
        return _key(known[topic])
    if below:
        return _key_list(below)
    home = home_of(topic)
    if home is not None:
        return f"{topic} is {home} here.\n{_key(known[home]) if home in known else ''}"
    blocks = dict.fromkeys(name.rpartition(".")[0] for name in known if "." in name)
    near = get_close_matches(topic, [*GROUPS, *blocks, *known], n=2)
    near += [name for name in known if name.rpartition(".")[2] == topic]
    step = f"Perhaps {' or '.join(dict.fromkeys(near))}?" if near else "--help alone lists the groups."
    raise ConfigError(f"There is no group or key {topic}: expected one of the configuration's. {step}")


def _key(key: Key) -> str:
    lines = [key.name, f"  {key.meaning or 'the name of the option, as tables show it'}"]
    lines += [f"  takes {key.takes}"] if key.takes else []
    others = {place: comment for place, comment in key.comments.items() if comment != key.meaning}
    for place, value in list(key.values.items())[:12]:
        why = f": {others[place]}" if others.get(place) else ""
        lines.append(f"  {value} in {place}{why}")
    return "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="    ") for line in lines) + "\n"


def _key_list(shown: list[Key]) -> str:
    return _rows([(key.name, key.meaning or "the name of the option") for key in shown])


def _rows(rows: list[tuple[str, str]]) -> str:
    """Names on the left, what they mean beside them."""
    width = min(max(len(name) for name, _ in rows), 36)
    lines = []
    for name, text in rows:
        label = f"  {name:<{width}}  "
        lines += textwrap.wrap(text or "-", _WIDTH, initial_indent=label, subsequent_indent=" " * (width + 4))
    return "\n".join(lines) + "\n"


def _attention_contract() -> str:
    """What an attention of one's own has to be: the docstring of backend.py, which is not imported, for torch."""
    source = (Path(__file__).parent / "attention" / "backend.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def _options(name: str, folders: list[Path]) -> list[tuple[str, Path]]:
    return sorted({file.stem: file for folder in folders for file in (folder / name).glob("*.yaml")}.items())


def _names(name: str, folders: list[Path], default: str | None) -> str:
    """A group in two or three lines: what it is about, and its options' names."""
    names = [f"{option}{'*' if option == default else ''}" for option, _ in _options(name, folders)]
    label = f"  {name:<11} "
    about = textwrap.wrap(GROUPS.get(name, "a group of your own"), _WIDTH, initial_indent=label)
    return "\n".join(
        [*about, textwrap.indent(textwrap.fill(", ".join(names), _WIDTH - 14, break_on_hyphens=False), " " * 14)]
    )


def _group(name: str, folders: list[Path], default: str | None) -> str:
    files = _options(name, folders)
    width = max(len(option) for option, _ in files) + 1
    lines = [f"{name}: {GROUPS[name]}" if name in GROUPS else name]
    for option, file in files:
        label = f"  {option + ('*' if option == default else ''):<{width}}  "
        lines += textwrap.wrap(
            when_to_choose(file),
            _WIDTH,
            initial_indent=label,
            subsequent_indent=" " * len(label),
            break_on_hyphens=False,
        )
    return "\n".join(lines) + "\n"


def _groups(folders: list[Path]) -> set[str]:
    return {place.name for folder in folders for place in folder.iterdir() if place.is_dir() and place.name != "hydra"}


def _config_dirs(arguments: list[str]) -> list[Path]:
    text = "\n".join(arguments)
    return [Path(place) for place in re.findall(r"^(?:--config-dir|-cd)[=\n](.+)$", text, re.M) if Path(place).is_dir()]
