"""Optuna's study of a search, made of the run folders each time it is asked: nothing else has to be kept or resumed.

`Sweep.search` in sweep.json holds the objective, the space (key -> {"kind": "float" | "int" | "choice", ...}) and the
settings of each trial, by its number, which is written before its job starts.
"""

from __future__ import annotations

import importlib.metadata
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.record import Record, read_record_if_any
from sdpa_exp.runs.sweep import Sweep

if TYPE_CHECKING:
    import optuna

_OLDEST, _TOO_NEW = 5, 6  # optuna's major versions; 5.0.0 is what was run
_STARTUP_TRIALS = 10  # drawn at random before the sampler has enough to learn from; Optuna's own default


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting and what its run came to.

    Attributes:
        state: open, where there is no record; failed, where the run did not finish or did not measure the objective.
        value: of the objective; None where it failed.
        bound: of the metric that the objective bounds; None without one, and where it was not measured.
        is_within: it keeps to the bound.
        why: it failed.
    """

    num: int
    params: dict[str, Any]
    state: Literal["open", "complete", "failed"]
    value: float | None = None
    bound: float | None = None
    is_within: bool = True
    why: str | None = None


def require_optuna() -> None:
    """Refuse a search that can't begin.

    Raises:
        ConfigError: optuna is not installed, or of a version that was not tried.
    """
    try:
        version = importlib.metadata.version("optuna")
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(
            "hydra/sweeper=search is not installed: expected optuna. Run `pip install 'sdpa-exp[search]'`."
        ) from error
    if not _OLDEST <= int(version.partition(".")[0]) < _TOO_NEW:
        raise ConfigError(
            f"hydra/sweeper=search can't work with optuna {version}: expected {_OLDEST}.x, which it was run with. Run "
            f"`pip install 'sdpa-exp[search]'`."
        )


def trials_of(sweep: Sweep) -> list[Trial]:
    """Every trial of a search, by the records of its runs."""
    folders = {job.num: job.run_dir for job in sweep.jobs}
    settings = {int(num): params for num, params in sweep.search.get("trials", {}).items()}
    records = {num: read_record_if_any(folders[num]) if num in folders else None for num in settings}
    return [_trial(num, params, records[num], sweep.search["objective"]) for num, params in settings.items()]


def best_trial(trials: list[Trial], objective: dict[str, Any]) -> Trial | None:
    """Of those that keep to the bound; None where none does."""
    good = [trial for trial in trials if trial.value is not None and trial.is_within]
    sign = 1 if objective["direction"] == "minimize" else -1
    return min(good, key=lambda trial: sign * (trial.value or 0.0), default=None)


def make_study(sweep: Sweep, trials: list[Trial]) -> optuna.Study:
    """Optuna's study of these trials, those that are open left out; a setting outside of the space, too."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective, space = sweep.search["objective"], _distributions(sweep.search["space"])
    sampler = optuna.samplers.TPESampler(seed=sweep.search["seed"] + len(trials), n_startup_trials=_STARTUP_TRIALS)
    study = optuna.create_study(direction=objective["direction"], sampler=sampler)
    for trial in trials:
        if trial.state == "open" or trial.params.keys() != space.keys():
            continue
        constraints = None if trial.bound is None else {objective["bound"]: _excess(trial.bound, objective)}
        state = optuna.trial.TrialState.COMPLETE if trial.state == "complete" else optuna.trial.TrialState.FAIL
        try:
            found = optuna.trial.create_trial(
                state=state, value=trial.value, params=trial.params, distributions=space, constraints=constraints
            )
        except ValueError:  # the space is another one since the search was resumed
            continue
        study.add_trial(found)
    return study


def propose(sweep: Sweep, number: int) -> list[dict[str, Any]]:
    """The settings of the next trials, key -> value; the same again for the same run folders."""
    study, space = make_study(sweep, trials_of(sweep)), _distributions(sweep.search["space"])
    return [study.ask(fixed_distributions=space).params for _ in range(number)]


def _distributions(space: dict[str, dict[str, Any]]) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kinds: dict[str, Any] = {"float": FloatDistribution, "int": IntDistribution, "choice": CategoricalDistribution}
    return {
        key: kinds[each["kind"]](**{name: value for name, value in each.items() if name != "kind"})
        for key, each in space.items()
    }


def _trial(num: int, params: dict[str, Any], record: Record | None, objective: dict[str, Any]) -> Trial:
    if record is None:
        return Trial(num=num, params=params, state="open")
    value, name = record.metrics.get(objective["metric"]), objective["bound"]
    bound = None if name is None else record.metrics.get(name)
    why = record.reason if record.status != "FINISHED" else _unmeasured(record, objective["metric"], value)
    if why is None and name is not None:
        why = _unmeasured(record, name, bound)
    if why is not None:
        return Trial(num=num, params=params, state="failed", why=why)
    is_within = bound is None or _excess(bound, objective) <= 0
    return Trial(num=num, params=params, state="complete", value=value, bound=bound, is_within=is_within)


def _unmeasured(record: Record, name: str, value: float | None) -> str | None:
    if value is not None and math.isfinite(value):
        return None
    return (
        f"{name} was not measured: {record.unmeasured.get(name, 'no reason given')}"
        if value is None
        else f"{name} is {value}"
    )


def _excess(bound: float, objective: dict[str, Any]) -> float:
    """How far the bounded metric is on the wrong side of its bound; 0 or less where it keeps to it."""
    excess = bound - float(objective["bound_value"])
    return -excess if METRICS[objective["bound"]].better == "higher" else excess
