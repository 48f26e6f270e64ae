"""Command lines that argparse or Hydra would answer with a usage text, a traceback, or a guess."""

from __future__ import annotations

import functools
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, NoReturn, get_args, get_type_hints

from sdpa_exp.config.schema import DATASETS, Config
from sdpa_exp.config.timm_models import without_colon
from sdpa_exp.errors import ConfigError

# `dataset` has no schema of its own in Config; its option brings one.
GROUPS = (*(field.name for field in fields(Config) if field.default_factory is not MISSING), "dataset", "seeds")

# The command line of hydra-core 1.3, which has no public list of it; a test holds them together.
_SWITCHES = (
    ("--help", "-h"), ("--hydra-help",), ("--version",), ("--resolve",), ("--run", "-r"), ("--multirun", "-m"),
    ("--shell-completion", "-sc"),
)  # fmt: skip
_WITH_A_VALUE = (
    ("--package", "-p"), ("--config-path", "-cp"), ("--config-name", "-cn"), ("--config-dir", "-cd"),
    ("--experimental-rerun",),
)  # fmt: skip
_CFG, _INFO = ("--cfg", "-c"), ("--info", "-i")
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?")
_LISTS_JOBS = "++hydra.callbacks.sdpa_exp.lists=true"
FLAGS = frozenset(flag for flags in (*_SWITCHES, *_WITH_A_VALUE, _CFG, _INFO) for flag in flags)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    for flags in _SWITCHES:
        parser.add_argument(*flags, action="store_true")
    for flags in _WITH_A_VALUE:
        parser.add_argument(*flags)
    parser.add_argument(*_CFG, choices=("job", "hydra", "all"))
    info = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    parser.add_argument(*_INFO, nargs="?", const="all", choices=info)
    return parser


def check_arguments(arguments: Sequence[str]) -> list[str]:
    """Check the arguments before Hydra sees them, and bring them into the order that it can read.

    Hydra's own parser wants all overrides in one piece; people write `seed=0,42 -m train.epochs=2`.

    Returns:
        The overrides in the order given, then the options.

    Raises:
        ConfigError: an unknown option, options that exclude each other, a group set to null or to a list.
    """
    parser = _parser()

    def refuse(message: str) -> NoReturn:
        unknown = next((word for word in arguments if word[:1] == "-" and word.partition("=")[0] not in FLAGS), None)
        if unknown is None:
            raise ConfigError(f"The command line can't be read: {message}. See --help.")
        name = unknown.lstrip("-").partition("=")[0].replace("-", "_")
        if name in GROUPS or name == "seed":
            raise ConfigError(f"There is no option {unknown}: settings have no dashes. Write {name}=...")
        near = get_close_matches(unknown, sorted(FLAGS), n=1)
        step = f"Did you mean {near[0]}?" if near else "See --help and --hydra-help."
        raise ConfigError(f"There is no option {unknown}: expected -m, --cfg job, --config-dir DIR or --help. {step}")

    parser.error = refuse  # type: ignore[method-assign]
    arguments = without_colon(list(arguments))
    args = parser.parse_intermixed_args(arguments)
    if args.resolve and args.cfg is None:
        raise ConfigError("--resolve does nothing by itself: expected --cfg with it. Add --cfg job.")
    chosen = {"--cfg": args.cfg, "--info": args.info, "-m": args.multirun, "--run": args.run}
    given = [name for name, value in chosen.items() if value]
    lists_jobs = given == ["--cfg", "-m"] and args.cfg == "job"
    if len(given) > 1 and not lists_jobs:
        step = ": --cfg job -m lists the jobs of a sweep" if args.cfg else ""
        raise ConfigError(f"{' and '.join(given)} don't go together: expected one of them. Take out {given[-1]}{step}.")
    keys = [override.partition("=")[0] for override in args.overrides]
    if "seeds" in keys and "seed" in keys:
        raise ConfigError("seeds= and seed= both name the seeds: expected one of them. Take out one.")
    options = list(arguments)
    for override in args.overrides:
        _check_group(override)
        _check_text(override)
        options.remove(override)
    if lists_jobs:  # Hydra's --cfg prints one configuration, and knows no sweep
        return [*args.overrides, _LISTS_JOBS, "-m", *_without_cfg(options)]
    return [*args.overrides, *options]


def _without_cfg(options: list[str]) -> list[str]:
    """The options without --cfg and -m."""
    words = [word for word in options if word.partition("=")[0] not in _CFG and word not in ("-m", "--multirun")]
    return [word for word in words if word != "job"]


def _check_text(override: str) -> None:
    """A text that Hydra reads as a number and writes in another way: name=1e3 would be called 1000.0."""
    key, _, values = override.partition("=")
    if key not in _text_keys():
        return
    for value in values.split(","):
        if not _NUMBER.fullmatch(value):
            continue
        read = str(int(value) if value.replace("_", "").isdecimal() else float(value))
        if read != value and not (value.isdecimal() and value.startswith("0")):
            raise ConfigError(
                f"{key}={value} would be read as the number {read}: expected a text. Write {key}=\"'{value}'\"."
            )


@functools.cache
def _text_keys() -> frozenset[str]:
    """The keys whose values are texts."""
    keys = set()
    for name, hint in get_type_hints(Config).items():
        classes = DATASETS.values() if name == "dataset" else [hint] if is_dataclass(hint) else []
        keys |= {f"{name}.{key}" for cls in classes for key, each in get_type_hints(cls).items() if _is_text(each)}
        keys |= {name} if _is_text(hint) else set()
    return frozenset(keys)


def _is_text(hint: Any) -> bool:
    return hint is str or (str in get_args(hint) and int not in get_args(hint))


def _check_group(override: str) -> None:
    """A group set to null has no keys, and of a list Hydra merges all options into one, where the last one wins."""
    if override.startswith("~") and not override.startswith("~hydra"):
        key = override[1:].partition("=")[0]
        step = f"Leave {override} out for what comes by itself; --help {key} says what else there is."
        raise ConfigError(f"{override} takes a setting away: expected a value for each, as a run needs all. {step}")
    group, _, value = override.partition("=")
    if group not in GROUPS:
        return
    if group == "dataset" and re.search(r"[/\\]|\.ya?ml$", value):
        raise ConfigError(
            f"{override} names a file or folder: expected an option. Write dataset=yolo_dir dataset.path={value}."
        )
    if value.startswith("["):
        names = re.sub(r"[\[\]\s]", "", value)
        raise ConfigError(
            f"{override} would merge several options into one: expected one. To run them all: {group}={names} -m."
        )
    numbers = [each for each in value.split(",") if each.isdecimal()]
    if numbers:
        how_many = int(numbers[0])
        seeds = f"{how_many} of your own: seed={','.join(map(str, range(min(how_many, 20))))} -m"
        step = f"Write seeds=five, or {seeds}." if group == "seeds" else f"--help {group} lists them."
        raise ConfigError(f"{override} is a number: expected the name of an option of {group}. {step}")
    if "null" in value.split(","):
        raise ConfigError(f"{override} leaves the job without its {group}: expected an option's name. See --help.")
