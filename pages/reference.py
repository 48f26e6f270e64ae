"""The reference of every config group, option and key, made from the comments of conf/ and the types of the schema."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.keys import ULTRALYTICS_ARGUMENT, Key, default_options, keys
from sdpa_exp.help import GROUPS, exit_codes
from sdpa_exp.runs.metrics import METRICS, TASK_METRICS, Metric

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
_MADE = "<!-- made by `python -m pages --write` from conf/ -->\n"


def pages() -> dict[Path, Callable[[], str]]:
    """Every page, and what makes it."""
    index = {REFERENCE / "index.md": _index}
    metrics = {REFERENCE / "metrics.md": _metrics}
    return index | metrics | {REFERENCE / f"{name}.md": _maker(name) for name in GROUPS}


def _maker(group: str) -> Callable[[], str]:
    return lambda: _group_page(group)


def _index() -> str:
    found = keys([conf_dir()])
    own = [key for key in found.values() if "config.yaml" in key.values and not key.name.startswith(tuple(GROUPS))]
    groups = "\n".join(f"| [`{name}`]({name}.md) | {_cell(question)} |" for name, question in GROUPS.items())
    codes = "\n".join(f"| {code} | {_cell(meaning)} |" for code, meaning in exit_codes())
    return f"""# Reference

{_MADE}
`python -m sdpa_exp GROUP=OPTION ... KEY=VALUE ... [-m]`. A group takes one of its options; a key overrides what the
option says. With `-m`, values with commas between them are swept. `--cfg job` prints the configuration and stops.

## Groups

| group | what it is about |
|---|---|
{groups}

## Keys of no group

{_keys_table(own, "config.yaml")}
## Exit codes

| code | meaning |
|---|---|
| 0 | all runs finished |
{codes}
"""


def _metrics() -> str:
    return f"""# Metrics

{_MADE.replace("conf/", "sdpa_exp/runs/metrics.py")}
What was not measured is `null`, with the reason in `unmeasured` of `result.json`; never 0. How they are measured is in
[methods](../methods.md).

## Of a training

{_metrics_table(METRICS.values())}
## Of other tasks

{_metrics_table(TASK_METRICS.values())}"""


def _metrics_table(metrics: Iterable[Metric]) -> str:
    rows = "\n".join(f"| `{m.name}` | {m.unit or '-'} | {m.better or '-'} | {_cell(m.meaning)} |" for m in metrics)
    return f"| metric | unit | better | meaning |\n|---|---|---|---|\n{rows}\n"


def _group_page(group: str) -> str:
    default = default_options(conf_dir() / "config.yaml").get(group, "")
    files = sorted((conf_dir() / group).glob("*.yaml"))
    options = "\n".join(
        f"| `{file.stem}`{' (default)' if file.stem == default else ''} | {_cell(_advice(file))} |" for file in files
    )
    parts = [f"# {group}\n\n{_MADE}\n{_cell(GROUPS[group])[:1].upper()}{_cell(GROUPS[group])[1:]}.\n\n## Options\n"]
    parts.append(f"| `{group}=` | when to choose it |\n|---|---|\n{options}\n")
    found = keys([conf_dir()])
    own = [key for key in found.values() if key.name.startswith(f"{group}.") and (key.values or group == "train")]
    if own and group != "train":
        parts.append(f"## Keys\n\n{_keys_table(own, f'{group}={default}')}")
    if group == "task":
        for file in files:
            ours = [key for key in found.values() if key.name.startswith(f"{file.stem}.")]
            if ours:
                parts.append(f"## Options of task={file.stem}\n\n{_keys_table(ours, f'task={file.stem}')}")
    if group == "train":
        parts.append(_train_keys(own, default))
    if group == "dataset":
        parts.append("`kind` says which keys there are: those that the option names here.\n")
    return "\n".join(parts)


def _advice(file: Path) -> str:
    """All of the comment that a file begins with; `--help` shows its first line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("# @"))
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines[first:])
    return " ".join(line.removeprefix("#").strip() for line in comment)


def _keys_table(shown: list[Key], place: str) -> str:
    rows = "\n".join(
        f"| `{key.name}` | {key.takes or 'any'} | {_value(key, place)} | {_cell(key.meaning or 'the option')} |"
        for key in shown
    )
    return f"| key | takes | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _train_keys(shown: list[Key], default: str) -> str:
    ultralytics = _ultralytics_defaults()
    rows = []
    for key in shown:
        name = key.name.partition(".")[2]
        theirs = f"`{ultralytics[name]}`" if name != "name" else "-"
        meaning = "" if key.meaning == ULTRALYTICS_ARGUMENT else _cell(key.meaning)
        value = f"`{key.values[f'train={default}']}`" if f"train={default}" in key.values else ""
        rows.append(f"| `{key.name}` | {key.takes or 'any'} | {value} | {theirs} | {meaning} |")
    return f"""## Keys

Every key but `train.name` is Ultralytics' training argument of that name and is passed on as it is; what it does is in
[Ultralytics' own table](https://docs.ultralytics.com/usage/cfg/#train-settings). `null` is Ultralytics' default.

| key | takes | in `train={default}` | Ultralytics' default | why |
|---|---|---|---|---|
{chr(10).join(rows)}
"""


def _ultralytics_defaults() -> dict[str, str]:
    """The defaults of the installed version, which is pinned; read as a file, so that nothing of it is imported."""
    import importlib.util

    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    values = yaml.safe_load((Path(spec.origin).parent / "cfg" / "default.yaml").read_text(encoding="utf-8"))
    return {name: "null" if value is None else str(value) for name, value in values.items()}


def _value(key: Key, place: str) -> str:
    value = key.values.get(place) or next(iter(key.values.values()), "")
    return f"`{value}`" if value else ""


def _cell(text: str) -> str:
    """Safe in a table: no pipe ends a cell, no angle bracket or star is read as markup."""
    return re.sub(r"([*_<|])", r"\\\1", text) if "`" not in text else text.replace("|", "\\|")
