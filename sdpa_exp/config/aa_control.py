"""compare.control=aa: a sweep gets a second copy of its baseline arm, whose spread is the noise floor.

Hydra composes jobs from group options, so that the copy becomes one: `attention=stock_aa`, in Hydra's config store,
which every launcher hands to its processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, open_dict

from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import AttentionConfig
from sdpa_exp.errors import ConfigError

AA = "aa"
_SUFFIX = "_aa"
_AXIS = "attention"


def refuse_control(plan: Plan) -> None:
    """A single run has no arm to repeat.

    Raises:
        ConfigError: compare.control is set.
    """
    if plan.compare.control is not None:
        raise ConfigError(
            f"compare.control={plan.compare.control} adds an arm to a sweep, and this is a single run: expected "
            f"several jobs. Add -m; task=compare finds the copy among its runs by itself."
        )


def add_control(config: DictConfig, loader: ConfigLoader, plans: Sequence[Plan]) -> bool:
    """Put a copy of the baseline arm among the arms of a sweep that asks for it; False where it doesn't.

    Args:
        config: of the sweep; its overrides and sweep parameters are what the jobs are composed from, and change.
        loader: Hydra's, which reads `choice(...)` and `glob(...)`.
        plans: the jobs without the copy.

    Raises:
        ConfigError: the task does not compare arms, or the arm has its name or backend from the command line.
    """
    if not plans and config.compare.control is not None:
        raise ConfigError(
            f"compare.control={config.compare.control} needs jobs that are known before the sweep, and this sweeper "
            f"chooses them as it goes: expected hydra/sweeper=basic. Take compare.control out."
        )
    if not any(plan.compare.control for plan in plans):
        return False
    others = [plan.task.name for plan in plans if plan.task.name != "train"]
    if others:
        raise ConfigError(
            f"compare.control={AA} repeats trainings, and this is task={others[0]}: expected task=train. Take it out."
        )
    lines = [str(line) for line in config.hydra.overrides.task]
    own = next((line for line in lines if line.lstrip("+").startswith(f"{_AXIS}.")), None)
    if own is not None:
        raise ConfigError(
            f"compare.control={AA} can't copy an arm that {own} changes, since it would change the copy too: expected "
            f"arms by option. Write the arm into a file, attention/NAME.yaml below a --config-dir."
        )
    arms = list(dict.fromkeys(plan.arm for plan in plans))
    baseline = resolve_baseline(arms, plans[0].baseline)
    attention = next(plan.attention for plan in plans if plan.arm == baseline)
    copy = replace(attention, name=baseline + _SUFFIX, copy_of=baseline)
    _add_option(config, loader, lines, copy)
    return True


def _add_option(config: DictConfig, loader: ConfigLoader, lines: list[str], copy: AttentionConfig) -> None:
    """Make the copy an option of the group `attention`, and its name the last value of that axis."""
    ConfigStore.instance().store(group=_AXIS, name=copy.name, node=asdict(copy))
    parser = OverridesParser.create(config_loader=loader)
    params = config.hydra.sweeper.get("params") or {}
    index = next((i for i, line in enumerate(lines) if line.startswith(f"{_AXIS}=")), None)
    if index is not None:
        line = lines[index]
    elif _AXIS in params:
        line = f"{_AXIS}={params[_AXIS]}"
    else:
        line = f"{_AXIS}={config.hydra.runtime.choices[_AXIS]}"
    override = parser.parse_override(line)
    options = (
        [str(value) for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [str(override.get_value_element_as_str())]
    )
    extended = ",".join([*options, copy.name])
    with open_dict(config):
        if index is not None:
            lines[index] = f"{_AXIS}={extended}"
            config.hydra.overrides.task = lines
        elif _AXIS in params:
            config.hydra.sweeper.params[_AXIS] = extended
        else:
            config.hydra.overrides.task = [*lines, f"{_AXIS}={extended}"]
