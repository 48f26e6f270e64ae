"""Hydra's and OmegaConf's errors in one sentence each: what, got, expected, next step.

Their classes and fields are read where they have any; the rest is in their messages (hydra-core 1.3, omegaconf 2.3),
and the tests hold on to those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException, SearchPathException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from sdpa_exp.config.compose import SCHEMA_PREFIXES
from sdpa_exp.config.habits import home_of
from sdpa_exp.config.keys import expected, hints_below, options_of
from sdpa_exp.config.launchers import not_installed
from sdpa_exp.config.objectives import NO_OPTUNA
from sdpa_exp.config.refusing import refuse_old_name
from sdpa_exp.config.schema import DATASETS, Config
from sdpa_exp.config.task import other_task, task_names
from sdpa_exp.errors import ConfigError

_MAX_LISTED = 30


def translate(error: BaseException) -> ConfigError | None:  # noqa: PLR0911 - one line a class
    """The sentence for a composition error, or None for an error that is not the user's."""
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return _syntax(error)
    if isinstance(error, SearchPathException):
        return _missing_config_dir(error)
    if isinstance(error, yaml.YAMLError):
        return ConfigError(f"A config file is not valid YAML: {_one_line(error)}. Correct it.")
    if isinstance(error, OmegaConfBaseException):
        return _from_omegaconf(error, str(error))
    if isinstance(error, ValueError) and "Config group override" in str(error):  # of a number, a mapping
        return ConfigError(f"The command line sets a group to no name: {error}. Expected an option of it; see --help.")
    if isinstance(error, HydraException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OmegaConfBaseException):
            return _from_omegaconf(cause, str(error))
        return _from_message(str(error))
    return None


def unknown_key(key: str, known: Sequence[str], place: str = "") -> ConfigError:
    """The sentence for a key that does not exist, with the nearest ones that do."""
    try:
        refuse_old_name(key)
    except ConfigError as renamed:
        return renamed
    parent, _, name = key.rpartition(".")
    kinds = [kind for kind, cls in DATASETS.items() if parent == "dataset" and name in get_type_hints(cls)]
    if kinds:
        return ConfigError(
            f"There is no key {key} in the data set that was chosen: expected dataset={kinds[0]}. Add that."
        )
    home = home_of(key) or _in_another_block(key)
    if home is not None:
        return ConfigError(f"{place}There is no key {key}: expected {home}. Write that in its place.")
    if key.partition(".")[0] in task_names() - set(_root_names()) and set(known) >= set(_root_names()):
        return other_task(key)
    near = [f"{parent}.{option}".lstrip(".") for option in get_close_matches(name, known, n=2, cutoff=0.6)]
    listed = ", ".join(known) if len(known) <= _MAX_LISTED else ", ".join([*known[:_MAX_LISTED], "..."])
    step = f"`--cfg {'hydra' if key.startswith('hydra.') else 'job'}` prints all."
    if near:
        rest = "" if len(known) > _MAX_LISTED else f" {parent or 'The configuration'} has {listed}."
        return ConfigError(f"{place}There is no key {key}: expected perhaps {' or '.join(near)}.{rest} {step}")
    where = f" below {parent}" if parent and key.partition(".")[0] in _root_names() else ""
    return ConfigError(f"{place}There is no key {key}: expected one of {listed}{where}. {step}")


def _in_another_block(key: str) -> str | None:
    """Words for the key below the block whose name is nearly the one typed: of `trian.epochs` it is train.epochs."""
    block, dot, rest = key.partition(".")
    blocks = [*_root_names(), *task_names()]
    if not dot or block in blocks:
        return None
    parent, _, name = rest.rpartition(".")
    for near in get_close_matches(block, blocks, n=2):
        above = f"{near}.{parent}".rstrip(".")
        known = [*hints_below(above), *([] if parent else options_of(near))]
        if names := get_close_matches(name, known, n=1):
            return f"perhaps {above}.{names[0]}"
    return None


def _missing_option(error: MissingConfigException) -> ConfigError:
    group, _, option = str(error.missing_cfg_file or "").rpartition("/")
    if (group, option) == ("task", "predict"):
        return ConfigError(
            "'task=predict' has two names now: expected task=latency, which times inference, or task=detect, which "
            "finds objects in pictures and videos. Write one of them."
        )
    if (missing := not_installed(group, option)) is not None:
        return missing
    if (group, option) == ("hydra/sweeper", "optuna"):
        return ConfigError(NO_OPTUNA)
    options = [name for name in error.options or () if not name.startswith(SCHEMA_PREFIXES)]
    if not options:
        return ConfigError(f"There is no config file {error.missing_cfg_file}.yaml: expected one in conf/. See --help.")
    return ConfigError(
        f"{group}={option} does not exist: expected one of {', '.join(_by_family(options))}. "
        f"{_step(group, option, options)}"
    )


def _by_family(options: Sequence[str]) -> list[str]:
    """Names that differ in a letter for the size and an ending for the purpose, as one: `yolo11 (n, s, m, l, x)`."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    names: dict[str, None] = {}
    for option in options:
        found = re.fullmatch(r"(yolo\d+)([a-z])(-[a-z]+)?", option)
        names[found[1] if found else option] = None
        if found:
            sizes, endings = families.setdefault(found[1], ([], []))
            sizes += [found[2]] if found[2] not in sizes else []
            endings += [found[3]] if found[3] and found[3] not in endings else []
    listed = []
    for name in names:
        sizes, endings = families.get(name, ([], []))
        kinds = f"; with {', '.join(endings)} too" if endings else ""
        listed.append(f"{name} ({', '.join(sorted(sizes, key='nsmblx'.find))}{kinds})" if sizes else name)
    return listed


def _step(group: str, option: str, options: Sequence[str]) -> str:
    """What to write in the place of an option that does not exist."""
    if group == "model" and option.endswith((".pt", ".yaml")):
        known = option.rpartition(".")[0]
        weights = f" model.weights={option}" if option.endswith(".pt") else ""
        return f"Write model={known if known in options else 'yolo12n'}{weights}; --help model.weights says more."
    sizes = sorted((name for name in options if name[:-1] == option), key=lambda name: "nsmlx".find(name[-1]))
    near = sizes or get_close_matches(option, options, n=1)
    letters = " Its last letter is the size; n is the smallest." if sizes else ""
    return f"Did you mean {group}={near[0]}?{letters}" if near else f"`--help {group}` says when to choose which."


def _syntax(error: OverrideParseException) -> ConfigError:
    override = error.override
    key, equals, value = override.partition("=")
    if not equals and not override.startswith("~"):
        return ConfigError(
            f"'{override}' is not a setting: expected key=value, for instance attention=sdpa. See --help."
        )
    if re.search(r"^,|,\s*(,|$)", value):
        values = ",".join(part for part in value.split(",") if part.strip())
        return ConfigError(
            f"{override} has a comma with no value beside it: expected values with one comma between two. "
            f"Write {key}={values}."
        )
    text = value.replace("'", "").replace('"', "")
    return ConfigError(
        f"{override} can't be read: expected key=value, where a value with quotes, brackets or = in it is quoted. "
        f"Write {key}=\"'{text}'\"."
    )


def _missing_config_dir(error: SearchPathException) -> ConfigError:
    found = re.search(r"'(.*)' not found", str(error))
    place = found.group(1) if found else str(error)
    return ConfigError(
        f"--config-dir {place} is not a folder: expected one with groups in it, e.g. hardware/my_box.yaml. "
        "Correct the path."
    )


def _from_omegaconf(error: OmegaConfBaseException, message: str) -> ConfigError:
    place = _place(message)
    override = re.search(r"Could not override '(.*?)'", message)
    key = override.group(1) if override else error.full_key or str(error.key or "")
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(f"{place}{key} is missing: it has no default. Add {key}=VALUE.")
    if isinstance(error, InterpolationKeyError):
        name = re.search(r"key '(.*?)'", str(error.msg or error))
        target = name.group(1) if name else "a key"
        return ConfigError(
            f"{place}{key} refers to {target}, which does not exist: expected a key. `--cfg job` prints all."
        )
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return unknown_key(key, _siblings(error), place)
    if isinstance(error, ValidationError):
        return _wrong_type(error, key, message, place)
    return ConfigError(f"{place}{key or 'The configuration'} can't be used: {_one_line(error.msg or error)}.")


def _wrong_type(error: ValidationError, key: str, message: str, place: str) -> ConfigError:
    override = re.search(r"Error merging override (.*)", message)
    if override and "=" in override.group(1):
        return _wrong_type_sentence(key, override.group(1).partition("=")[2], place, error)
    found = re.search(r"[Vv]alue '(.*?)'", str(error.msg or error), re.DOTALL)
    return _wrong_type_sentence(key, found.group(1) if found else str(error.value), place, error)


def _wrong_type_sentence(key: str, got: str, place: str, error: ValidationError | None = None) -> ConfigError:
    wanted, example = expected(_hint(key, error))
    return ConfigError(f"{place}{key}={got} has the wrong type: expected {wanted}. For instance {key}={example}.")


def _from_message(message: str) -> ConfigError:  # noqa: PLR0911 - one line a message
    """Composition errors that Hydra raises with a message only."""
    if found := re.match(r"Ambiguous value for argument '(.*)'|Sweep parameters '(.*)' requires", message):
        override = found.group(1) or found.group(2)
        return ConfigError(f"{override} names several values: expected one, or -m at the end to run them all. Add -m.")
    if found := re.match(r"Sweeping over Hydra's configuration is not supported : '(.*)'", message):
        return ConfigError(f"{found.group(1)} can't be swept: expected a single value for hydra's own keys. Give one.")
    if found := re.match(r"Could not delete from config. '(.*?)' does not|Could not delete '(.*?)'", message):
        return unknown_key(found.group(1) or found.group(2), _root_names())
    if found := re.search(r"Could not override '(.*?)'|group override, but config group '(.*?)' does not", message):
        return unknown_key(found.group(1) or found.group(2), _root_names(), _place(message))
    if found := re.search(r"(ConfigKeyError|ConfigAttributeError|ValidationError) raised", message):
        key = re.search(r"full_key: (\S+)", message)
        if key and found.group(1) != "ValidationError":
            return unknown_key(key.group(1), _keys_of(key.group(1).rpartition(".")[0]), _place(message))
        if key:
            got = re.search(r"[Vv]alue '(.*?)'", message)
            return _wrong_type_sentence(key.group(1), got.group(1) if got else "?", _place(message))
    return ConfigError(f"The configuration can't be composed: {_one_line(message).rstrip('.')}. See --help.")


def _place(message: str) -> str:
    found = re.match(r"In '(.*?)':", message)
    return f"In {found.group(1)}.yaml: " if found and found.group(1) != "config" else ""


def _siblings(error: OmegaConfBaseException) -> list[str]:
    parent = error.parent_node
    if not isinstance(parent, DictConfig):
        return _root_names()
    names = [str(key) for key in parent if str(key) != "hydra"]
    return names if error.full_key and "." in error.full_key else [*names, "seeds", "experiment"]


def _root_names() -> list[str]:
    return [*get_type_hints(Config), "seeds", "experiment"]


def _keys_of(key: str) -> list[str]:
    hints = hints_below(key)
    return list(hints) if hints else _root_names()


def _hint(key: str, error: ValidationError | None) -> Any:
    """The type of a key; of a task's option its class says it, and of an item in a list the list."""
    parent, _, name = key.rpartition(".")
    if error is not None and name.endswith("]"):
        return next(iter(get_args(error.ref_type)), None)
    if error is not None and is_dataclass(error.object_type):
        return get_type_hints(error.object_type).get(name)
    return hints_below(parent).get(name)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
