"""The file `comparison.json`: its keys, its version, and how it is written.

Written atomically; readers refuse a `schema_version` they don't know. New keys may come without a new version; a key
that changes its meaning or goes raises it. Floats are plain numbers; what does not apply is null. Paths are relative
to the folder of the file.

| key            | content |
|---             |---|
| schema_version | 4 (3 adjusted p-values for each question by itself; 2 called inconclusive verdicts can't tell;
|                | 1 had no A/A control, and called arms different that ran the same attention) |
| name, command  | of the sweep |
| headline       | the answer in a sentence |
| baseline, alpha | the control arm; the level of all tests |
| questions      | [{name, metric, margin, margin_kind}]: declared before the run, only these get a verdict |
| findings       | [{code, severity: error / warning / info, sentence, evidence, group_id}], errors first; group_id is
|                | null where a finding is about all comparison groups |
| groups         | [{group_id, settings, arms, differences, verdicts, noise_floors}]: arms are compared inside
|                | a comparison group only |
| runs           | [{arm, seed, copy_of, folder, status, reason, group_id, num, is_plain, metrics,
|                | unmeasured, phases_s, digests}] |
| preflight      | what the sweep found before it began |

| in a comparison group      | content |
|---             |---|
| arms           | [{name, is_baseline, copy_of, num_planned, num_finished, described, kernels}]; copy_of names
|                | the arm that an A/A copy repeats |
| .described     | metric -> {n, mean, sd, cv, low, high} over finished runs; sd with n - 1 |
| .kernels       | stage -> kernel -> number of layers; null without attestation |
| label          | what sets the group apart from the others, such as imgsz=160; empty where it is alone
| side_by_side   | {num_processes, num_rounds, functions, verdicts: {step, inference, memory}, recommendation}: speed
|                | and memory measured in fresh processes (interleaved/ of the sweep); null where they were not, and
|                | then the verdicts are about the trainings' too
| differences    | [{arm, metric, seeds, test}]: arm minus baseline, paired by seed |
| accuracy       | {sizes, classes, differences, runs, learning, missing}: of best.pt, and of the mAP50-95 curve |
| .sizes, .classes | [{name, num_boxes: [least, most over runs], reason, by_arm: arm -> described AP50-95}]; sizes
|                | by COCO's AP, classes by Ultralytics' |
| .differences   | [{arm, num_pairs, mean, low, high}]: mAP50-95, arm minus baseline, mean over seeds, with the
|                | 95 % interval over images (paired bootstrap) |
| .runs          | [{arm, seed, overall, intervals}] as in the run's accuracy.json; intervals are over images |
| .learning      | [{arm, seed, ...}]: the fields of accuracy/learning.py; for plain folders, too |
| .missing       | sentences: how many runs have no accuracy.json, and why |
| verdicts       | [{question, arm, baseline, kind, sentence, test, p, p_equivalence, num_tests, level,
|                | level_equivalence, best_of, level_best, detectable, seeds_needed, noise_floor}]; an A/A copy
|                | gets none |
| .kind          | different, different but within the margin, equivalent, inconclusive,
|                | deterministic, no test, no pairs;
|                | not comparable: the runs of a pair trained for different numbers of epochs;
|                | within the noise floor: different from the baseline, not from it and its A/A copy together;
|                | same attention: tested, but both arms ran the same kernels, or have the same curves or
|                | weights |
| noise_floors   | [{question, metric, arm, baseline, n, floor, largest, mean, sd, baseline_mean, p}]: the A/A
|                | copy `arm` minus the baseline; floor is the root mean square of the n differences, largest the
|                | largest without sign, p adjusted after Holm over the metrics; empty without a control |
| .p, .p_equivalence | adjusted after Holm over `num_tests` tests, all arms and questions of the group; in `test`
|                | they stand unadjusted |
| .level, .level_equivalence | of the intervals that agree with the two tests, by Holm's steps |
| .detectable    | smallest true difference that these pairs would show with power 0.8 |
| .best_of, .level_best | of how many arms it is the best, and the level at which the intervals of all tests hold
|                | together, for the gain of an arm that was picked; null where it is not |
| .seeds_needed  | {plan, least, most} pairs that would settle it: to plan with, and over the likely range of the
|                | SD; null in it: more than 1,000; null below 5 pairs |
| test           | {n, mean, sd, baseline_mean, level, low, high, p, margin, p_equivalence, p_permutation, d_z,
|                | is_deterministic, is_ratio, num_trimmed}; of times is_ratio: arm over baseline was compared on
|                | the scale of logarithms, num_trimmed pairs left out at each end, and mean is that ratio less 1,
|                | times baseline_mean |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.compare.answer.page import answer_content
from sdpa_exp.compare.comparison import Comparison, Group
from sdpa_exp.compare.report.links import relative_path
from sdpa_exp.runs.files import COMPARISON_FILE, write_json_atomic

SCHEMA_VERSION = 4
_ARM = ("name", "is_baseline", "copy_of", "num_planned", "num_finished", "described", "kernels")
_RUN = (
    "arm", "seed", "copy_of", "status", "reason", "group_id", "num", "is_plain", "metrics", "unmeasured", "phases_s",
    "digests",
)  # fmt: skip


def write_comparison(comparison: Comparison) -> Path:
    """Write comparison.json into the folder of the comparison."""
    path = comparison.folder / COMPARISON_FILE
    write_json_atomic(path, to_json(comparison))
    return path


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values."""
    names = ("name", "command", "headline", "baseline", "alpha", "questions", "findings", "preflight")
    content = {
        "schema_version": SCHEMA_VERSION,
        **_picked(comparison, names),
        "groups": [_group(group) for group in comparison.groups],
        "runs": [
            {**_picked(run, _RUN), "folder": relative_path(run.folder, comparison.folder)} for run in comparison.runs
        ],
    }
    return _plain(content)  # type: ignore[no-any-return]


def _group(group: Group) -> dict[str, Any]:
    facts = group.accuracy
    measured = [(run, run.accuracy or {}) for run in facts.measured]
    return {
        **_picked(group, ("group_id", "settings", "differences", "noise_floors")),
        "label": group.label,
        "arms": [_picked(arm, _ARM) for arm in group.arms],
        "side_by_side": _side_by_side(group),
        "verdicts": [{**vars(verdict), "question": verdict.question.name} for verdict in group.verdicts],
        "accuracy": {
            **_picked(facts, ("sizes", "classes", "differences", "missing")),
            "runs": [
                {"arm": run.arm, "seed": run.seed, "overall": found.get("overall"), "intervals": _bounds(found)}
                for run, found in measured
            ],
            "learning": [{"arm": e.run.arm, "seed": e.run.seed, **vars(e.facts)} for e in facts.learning],
        },
    }


def _bounds(accuracy: Mapping[str, Any]) -> dict[str, Any]:
    """Intervals without the thousand values that they come from, which stay in the run's folder."""
    return {key: value for key, value in (accuracy.get("intervals") or {}).items() if key != "resampled"}


def _side_by_side(group: Group) -> dict[str, Any] | None:
    if group.judged is None or group.recommendation is None:
        return None
    found = group.judged.measurement
    return {
        "num_processes": found.num_processes,
        "num_rounds": found.num_rounds,
        "functions": found.functions,
        **answer_content(group.judged, group.recommendation),
    }


def _picked(thing: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _plain(value: Any) -> Any:
    """Plain JSON values: dataclasses as objects, tuples as lists, what is not finite as null, the unknown as text."""
    if is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
