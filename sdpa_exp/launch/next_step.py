"""The lines at the end of a training or sweep that say what to do with its weights."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.config.resume import options_of, typed_as
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.launch.announce import say, short
from sdpa_exp.runs.files import best_checkpoint
from sdpa_exp.tasks.export import FORMATS

if TYPE_CHECKING:
    from rich.console import Console


def say_weights(console: Console, plan: Plan, metrics: Mapping[str, float | None]) -> None:
    """The command that looks at images with the best.pt of a finished training, and the one that exports it."""
    path = best_checkpoint(plan.run_dir)
    if not path.is_file():
        return
    name, value = plan.purpose.accuracy, metrics.get(plan.purpose.accuracy)
    measured = "" if value is None else f", {name} {value:.3f}"
    kept = [line for line in plan.job.overrides if line.startswith(("attention", "dataset", "model="))]
    named = kept if any(line.startswith("attention") for line in kept) else [f"attention={plan.arm}", *kept]

    def line(task: str, *more: str) -> str:
        weights = f"{task}.weights={short(path)}"
        return f"{typed_as()} {shlex.join([*options_of(plan.job.command), f'task={task}', *named, weights, *more])}"

    say(console, f"to use best.pt of {plan.arm} (seed {plan.seed}{measured}):  {line('detect')}")
    has_onnx = all(find_spec(name) for name in FORMATS["onnx"])
    say(console, f"  to export it:  {line('export', *([] if has_onnx else ['export.format=torchscript']))}")


def say_weights_of(console: Console, comparison: Comparison) -> None:
    """The same for a sweep: the best run of the arm that was recommended, else of the baseline."""
    runs = []
    for group in comparison.groups:
        arm = comparison.baseline if group.recommendation is None else group.recommendation.arm
        runs += [run for run in group.runs.of(arm) if run.is_finished]
    plans = []
    for run in runs:
        try:
            plans.append((read_plan(run.folder), run.metrics))
        except SdpaExpError:
            continue
    if plans:
        say_weights(console, *max(plans, key=lambda pair: pair[1].get(pair[0].purpose.accuracy, 0.0)))
