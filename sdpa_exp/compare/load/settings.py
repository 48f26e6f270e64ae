"""What runs were given: the settings that define their comparison group, and labels that differ without harm."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdpa_exp.compare.load.ours import read_plan_if_any
from sdpa_exp.compare.load.run import UNKNOWN_GROUP, Run
from sdpa_exp.config.plan import Plan, flatten

DATA_PATH = "dataset.path"


def with_settings(runs: Sequence[Run]) -> list[Run]:
    """Our runs with settings and labels from their plans; plain runs have theirs already.

    Reading YAML is slow, so one plan is read for all runs of an arm and group in one sweep.
    """
    read: dict[tuple[Path, str, str], dict[str, Any]] = {}
    known = []
    for run in runs:
        key = (run.folder.parent, run.group_id, run.arm)
        if not run.is_plain and not read.get(key):
            plan = read_plan_if_any(run.folder)
            read[key] = {} if plan is None else {"settings": flatten(plan.group()), "labels": _labels(plan)}
        known.append(dataclasses.replace(run, **read.get(key, {})))
    return known


def in_one_place(runs: Sequence[Run]) -> list[Run]:
    """Runs with one group id for all whose settings are equal; the place of a data set does not count, its digest does.

    Two machines keep a data set at two places, and older versions counted labels. A run of unknown group joins the only
    known one, where there is just one.
    """
    settings: dict[str, dict[str, Any]] = {}
    digests: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.group_id != UNKNOWN_GROUP:
            settings[run.group_id] = settings.get(run.group_id) or run.settings
            digests[run.group_id] |= {run.digests["data_set"]} if "data_set" in run.digests else set()
    homes: dict[str, str] = {}
    first: dict[str, str] = {}
    for group_id, found in settings.items():
        data: list[Any] = sorted(digests[group_id]) or [found.get(DATA_PATH)]
        others = {key: value for key, value in found.items() if key != DATA_PATH}
        identity = json.dumps([others, data], sort_keys=True, default=str) if found else group_id
        homes[group_id] = first.setdefault(identity, group_id)
    known = set(homes.values())
    homes[UNKNOWN_GROUP] = known.pop() if len(known) == 1 else UNKNOWN_GROUP
    return [dataclasses.replace(run, group_id=homes[run.group_id]) for run in runs]


def _labels(plan: Plan) -> dict[str, Any]:
    """What only names things, and where the data set lay."""
    path = getattr(plan.dataset, "path", None)
    return {**plan.labels(), **({DATA_PATH: path} if path else {})}
