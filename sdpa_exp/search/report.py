"""The end of a search: its best setting on the screen, in search.json and for a tracker, and Optuna's own plots."""

from __future__ import annotations

import dataclasses
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import HEADLINE_FILE, SEARCH_FILE, write_json_atomic
from sdpa_exp.runs.sweep import Sweep
from sdpa_exp.search.study import Trial, best_trial, make_study, trials_of

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 10
_PLOTS = {"history": "plot_optimization_history", "slice": "plot_slice", "importances": "plot_param_importances"}


def end_search(sweep: Sweep, console: Console) -> int:
    """Write and show what a search came to; returns its exit code: 0 where it has all its trials and a best one.

    A trial that failed is one, as for Optuna; one without a record is missing.
    """
    trials, objective = trials_of(sweep), sweep.search["objective"]
    best = best_trial(trials, objective)
    complete = [trial for trial in trials if trial.state == "complete"]
    headline = _headline(trials, best, objective)
    content = {
        "schema_version": 1,
        "headline": headline,
        "objective": objective,
        "best": None if best is None else dataclasses.asdict(best),
        "trials": [dataclasses.asdict(trial) for trial in trials],
    }
    write_json_atomic(sweep.folder / SEARCH_FILE, content)
    _write_headline(sweep, headline, best, num_complete=len(complete), num_trials=len(trials))
    pictures = _draw(sweep, trials) if len(complete) > 1 else []
    _show(console, sweep, trials, best, headline)
    if pictures:
        _say(console, f"pictures: {', '.join(pictures)} in the sweep's folder")
    is_whole = len(trials) >= sweep.search["num_trials"] and all(trial.state != "open" for trial in trials)
    return 0 if is_whole and best is not None else RunError.exit_code


def _headline(trials: list[Trial], best: Trial | None, objective: dict[str, Any]) -> str:
    counts = {state: sum(trial.state == state for trial in trials) for state in ("complete", "failed", "open")}
    words = {"complete": "complete", "failed": "failed", "open": "not run"}
    known = ", ".join(f"{num} {words[state]}" for state, num in counts.items() if num) or "no trial"
    if best is None:
        outside = sum(not trial.is_within for trial in trials)
        why = f"; none keeps {objective['bound']} to {objective['bound_value']:g}" if outside else ""
        return f"search: {known}, and no best setting{why}"
    bound = "" if best.bound is None else f" with {objective['bound']} {best.bound:.4g}"
    return f"search: {known}; best {objective['metric']} {best.value:.4g}{bound} in trial {best.num}"


def _show(console: Console, sweep: Sweep, trials: list[Trial], best: Trial | None, headline: str) -> None:
    objective = sweep.search["objective"]
    _say(console, f"\n{headline}")
    for trial in [trial for trial in trials if trial.why is not None][:_SHOWN]:
        _say(console, f"  trial {trial.num} failed: {trial.why}")
    if best is None:
        return
    bound = [] if objective["bound"] is None else [objective["bound"]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("trial", objective["metric"], *bound, *sweep.search["space"]):
        table.add_column(name, justify="right")
    sign = 1 if objective["direction"] == "minimize" else -1
    complete = [trial for trial in trials if trial.value is not None]
    for trial in sorted(complete, key=lambda t: (not t.is_within, sign * (t.value or 0.0)))[:_SHOWN]:
        mark = "" if trial.is_within else " outside"
        limited = [f"{trial.bound:.4g}{mark}"] if trial.bound is not None else []
        settings = [_text(trial.params.get(key, "")) for key in sweep.search["space"]]
        table.add_row(str(trial.num), f"{trial.value:.4g}", *limited, *settings, style="bold" if trial is best else "")
    console.print(table)
    line = " ".join(f"{key}={value}" for key, value in best.params.items())
    _say(console, f"to train with it:  {line}")
    _say(
        console,
        f"the best of {len(complete)} trials with one seed is partly luck: train it and your first setting with other "
        "seeds, before you say that it is better",
    )


def _write_headline(sweep: Sweep, headline: str, best: Trial | None, *, num_complete: int, num_trials: int) -> None:
    metrics = {"search/trials": float(num_trials), "search/complete": float(num_complete)}
    tags = {"headline": headline}
    if best is not None:
        metrics |= {"search/best": best.value or 0.0, "search/best_trial": float(best.num)}
        tags |= {f"best.{key}": str(value) for key, value in best.params.items()}
    content = {"schema_version": 1, "metrics": metrics, "tags": tags, "note": f"**{headline}**"}
    write_json_atomic(sweep.folder / HEADLINE_FILE, {**content, "time_unix_ms": round(time.time() * 1000)})


def _draw(sweep: Sweep, trials: list[Trial]) -> list[str]:
    """Optuna's plots, those that it can make of these trials; the names of their files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as plots

    study, made = make_study(sweep, trials), []
    for name, function in _PLOTS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that these plots are experimental
                axes = getattr(plots, function)(study)
        except (ValueError, RuntimeError, ImportError):  # too few trials, no spread, or scikit-learn is missing
            continue
        first = axes if hasattr(axes, "figure") else axes.flat[0]
        path: Path = sweep.folder / f"search_{name}.png"
        first.figure.savefig(path, dpi=120, bbox_inches="tight")
        plt.close(first.figure)
        made.append(path.name)
    return made


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _say(console: Console, message: str) -> None:
    console.print(message, highlight=False, markup=False, soft_wrap=True)
