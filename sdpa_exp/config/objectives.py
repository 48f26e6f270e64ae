"""What a sweeper that looks for the best setting (Optuna's, say) is told about a run: the declared primary metrics.

With one direction it is the first of `compare.primary`, with a list of directions as many of them, in their order. A
run that failed is NaN, which Optuna counts as a failed trial. No metric is turned round: the direction must fit it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegaconf import ListConfig

from sdpa_exp.config.architectures import purpose_of
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import one_of
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.purposes import AUTO

NO_OPTUNA = (
    "hydra/sweeper=optuna can't be resumed and wants an optuna below 3, which fails with today's SQLAlchemy: expected "
    "hydra/sweeper=search, which draws from the same intervals. Write that in its place."
)
_DIRECTIONS = {"higher": "maximize", "lower": "minimize"}


def num_objectives(hydra_config: Any) -> int | None:
    """How many numbers the sweeper wants; None for one that is no list."""
    directions = hydra_config.sweeper.get("direction")
    return len(directions) if isinstance(directions, ListConfig) else None


def objective_metrics(plan: Plan) -> list[str]:
    """The metrics that a sweeper looks at, in order: `objective.metric`, else those of `compare.primary`."""
    names = [each.metric for each in plan.compare.primary.values()]
    return _in_order(names, plan.objective.metric, lambda: plan.purpose.accuracy)


def _in_order(primary: list[str], named: str | None, accuracy: Callable[[], str]) -> list[str]:
    """`named` in the place of the first; `accuracy` is what `auto` stands for."""
    names = primary if named is None else [named, *primary[1:]]
    return [accuracy() if name == AUTO else name for name in names]


def resolved_objective(plan: Plan) -> dict[str, Any]:
    """`objective` of a search with nothing left open: metric, direction, bound, bound_value.

    Raises:
        ConfigError: a metric that does not exist or of which neither way is better, or a direction to the worst.
    """
    objective, metric = plan.objective, next(iter(objective_metrics(plan)), plan.purpose.accuracy)
    one_of("objective.metric", metric, tuple(METRICS))
    fitting = _DIRECTIONS.get(METRICS[metric].better or "")
    direction = objective.direction or fitting
    if direction is None:
        raise ConfigError(
            f"objective.metric={metric} is better neither way by itself: expected a direction. Set "
            f"objective.direction=maximize or minimize."
        )
    one_of("objective.direction", direction, tuple(_DIRECTIONS.values()))
    if fitting not in (None, direction):
        raise ConfigError(
            f"objective.direction={direction} would look for the worst {metric}: expected {fitting}. Leave it out."
        )
    if (objective.bound is None) != (objective.bound_value is None):
        raise ConfigError(
            "objective.bound and objective.bound_value belong together: expected both or neither, such as "
            "objective.bound=train_s objective.bound_value=60."
        )
    if objective.bound is not None:
        one_of("objective.bound", objective.bound, tuple(name for name, each in METRICS.items() if each.better))
    bound = {"bound": objective.bound, "bound_value": objective.bound_value}
    return {"metric": metric, "direction": direction, **bound}


def check_directions(config: Any) -> None:
    """Refuse directions in which a sweeper would look for the worst setting; one without directions wants the least.

    Raises:
        ConfigError: names the metric and the direction that fits.
    """
    directions = config.hydra.sweeper.get("direction")
    if directions is None:
        return
    given = list(directions) if isinstance(directions, ListConfig) else [directions]
    names = [primary.metric for primary in config.compare.primary.values()]
    named = (config.get("objective") or {}).get("metric")
    metrics = _in_order(names, named, lambda: purpose_of(config.model.architecture).accuracy)
    if len(given) > len(metrics):
        raise ConfigError(
            f"hydra.sweeper.direction has {len(given)} directions, and compare.primary has {len(metrics)} metrics: "
            f"expected at most as many. Give as many as there are metrics: {', '.join(metrics)}."
        )
    for direction, metric in zip(given, metrics, strict=False):
        name = str(getattr(direction, "name", direction)).lower()
        better = METRICS[metric].better if metric in METRICS else None
        if better is not None and name != _DIRECTIONS[better]:
            fitting = [_DIRECTIONS.get(METRICS[m].better or "lower", "minimize") for m in metrics[: len(given)]]
            value = fitting[0] if not isinstance(directions, ListConfig) else f"[{','.join(fitting)}]"
            raise ConfigError(
                f"hydra.sweeper.direction={name} would look for the worst {metric}, of which {better} is better: "
                f"expected {_DIRECTIONS[better]}. Set hydra.sweeper.direction={value}."
            )
