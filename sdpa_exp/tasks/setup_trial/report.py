"""The table of task=setup_trial, from the content of setup_trial.json."""

from __future__ import annotations

from typing import Any

from sdpa_exp.text_report import plain_table, text_of


def render_setup_trial(content: dict[str, Any]) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    trials = content["trials"]
    keys = ("environment_s", "build_tools_s", "install_s", "first_call_s", "setup_s")
    lines = []
    for trial in trials:
        if trial["outcome"] == "works":
            lines.append(f"{trial['implementation']} ran {', '.join(trial['kernels'])}")
            continue
        kind = trial["error_class"] or "an unknown kind of fault"
        lines.append(f"{trial['implementation']} ({kind}): {trial['error'] or 'no words in its log'}")
        if trial["next_step"]:
            lines.append(f"  next step: {trial['next_step']}")
        lines.append(f"  whole log: {trial['log']} in the run folder")
    return text_of(
        f"What it takes to get an implementation, and to run {content['model']} with it once on {content['device']} in "
        f"{content['precision']}; at most {content['time_limit_s']:g} s each",
        plain_table(
            ["to get", "outcome", "venv s", "tools s", "install s", "call s", "all s"],
            [[each["implementation"], each["outcome"], *(_seconds(each[key]) for key in keys)] for each in trials],
            texts=["outcome"],
        ),
        *lines,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
