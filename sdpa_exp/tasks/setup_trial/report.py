"""The table of task=setup_trial, from the content of setup_trial.json."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def render_setup_trial(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    console = Console(file=StringIO(), color_system=None)
    console.print(
        f"What it takes to get an implementation, and to run {content['model']} with it once on {content['device']} in "
        f"{content['precision']}; at most {content['time_limit_s']:g} s each",
        highlight=False,
    )
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("to get", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for name in ("venv s", "tools s", "install s", "call s", "all s"):
        table.add_column(name, justify="right", no_wrap=True)
    for trial in content["trials"]:
        seconds = (trial[key] for key in ("environment_s", "build_tools_s", "install_s", "first_call_s", "setup_s"))
        table.add_row(trial["implementation"], trial["outcome"], *map(_seconds, seconds))
    console.print(table)
    for trial in content["trials"]:
        if trial["outcome"] == "works":
            console.print(f"{trial['implementation']} ran {', '.join(trial['kernels'])}", highlight=False, markup=False)
            continue
        kind = trial["error_class"] or "an unknown kind of fault"
        lines = [f"{trial['implementation']} ({kind}): {trial['error'] or 'no words in its log'}"]
        if trial["next_step"]:
            lines.append(f"  next step: {trial['next_step']}")
        lines.append(f"  whole log: {trial['log']} in the run folder")
        console.print("\n".join(lines), highlight=False, markup=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
