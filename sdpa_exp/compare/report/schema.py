"""The file `comparison.json`: its keys, its version, and how it is written.

Written atomically; readers refuse a `schema_version` they don't know. New keys may come without a new version; a key
that changes its meaning or goes raises it. Floats are plain numbers; what does not apply is null. Paths are relative
to the folder of the file.

| key            | content |
|---             |---|
| schema_version | 3 (2 called inconclusive verdicts can't tell; 1 had no A/A control, and called arms different that
|                | ran the same attention) |
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
| differences    | [{arm, metric, seeds, test}]: arm minus baseline, paired by seed |
| accuracy       | {sizes, classes, runs, learning, missing}: of best.pt, and of the mAP50-95 curve |
| .sizes, .classes | [{name, num_boxes: [least, most over runs], reason, by_arm: arm -> described AP50-95}]; sizes
|                | by COCO's AP, classes by Ultralytics' |
| .runs          | [{arm, seed, overall, intervals}] as in the run's accuracy.json; intervals are over images |
| .learning      | [{arm, seed, ...}]: the fields of accuracy/learning.py; for plain folders, too |
| .missing       | sentences: how many runs have no accuracy.json, and why |
| verdicts       | [{question, arm, baseline, kind, sentence, test, p, p_equivalence, num_arms, detectable,
|                | seeds_needed, noise_floor}]; an A/A copy gets none |
| .kind          | different, different but within the margin, equivalent, inconclusive,
|                | deterministic, no test, no pairs;
|                | within the noise floor: a test says different, the A/A copy differs as much;
|                | same attention: tested, but both arms ran the same kernels, or have the same curves or
|                | weights |
| noise_floors   | [{question, metric, arm, baseline, n, floor, largest, mean, sd, baseline_mean, p}]: the A/A
|                | copy `arm` minus the baseline; floor is the root mean square of the n differences, largest the
|                | largest without sign, p adjusted after Holm over the metrics; empty without a control |
| .p, .p_equivalence | adjusted after Holm over `num_arms` arms; in `test` they stand unadjusted |
| .detectable    | smallest true difference that these pairs would show with power 0.8 |
| test           | {n, mean, sd, baseline_mean, level, low, high, p, margin, p_equivalence, p_permutation, d_z,
|                | is_deterministic} |
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.report.links import relative_path
from sdpa_exp.runs.files import write_json_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.compare.accuracy_facts import AccuracyFacts, Part
    from sdpa_exp.compare.comparison import Comparison, Group
    from sdpa_exp.compare.load.run import Run

COMPARISON_FILE = "comparison.json"
SCHEMA_VERSION = 3


def write_comparison(comparison: Comparison) -> Path:
    """Write comparison.json into the folder of the comparison."""
    path = comparison.folder / COMPARISON_FILE
    write_json_atomic(path, to_json(comparison))
    return path


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "name": comparison.name,
        "command": comparison.command,
        "headline": comparison.headline,
        "baseline": comparison.baseline,
        "alpha": comparison.alpha,
        "questions": [asdict(question) for question in comparison.questions],
        "findings": [asdict(finding) for finding in comparison.findings],
        "groups": [_group(group) for group in comparison.groups],
        "runs": [_run(run, comparison.folder) for run in comparison.runs],
        "preflight": dict(comparison.preflight),
    }
    return _finite(content)  # type: ignore[no-any-return]


def _group(group: Group) -> dict[str, Any]:
    arms = []
    for arm in group.arms:
        described = {name: asdict(description) for name, description in arm.described.items()}
        arms.append(
            {
                "name": arm.name,
                "is_baseline": arm.is_baseline,
                "copy_of": arm.copy_of,
                "num_planned": arm.num_planned,
                "num_finished": arm.num_finished,
                "described": described,
                "kernels": arm.kernels,
            }
        )
    return {
        "group_id": group.group_id,
        "settings": dict(group.settings),
        "arms": arms,
        "differences": [asdict(difference) for difference in group.differences],
        "accuracy": _accuracy(group.accuracy),
        "verdicts": [{**asdict(verdict), "question": verdict.question.name} for verdict in group.verdicts],
        "noise_floors": [asdict(floor) for floor in group.noise_floors],
    }


def _accuracy(facts: AccuracyFacts) -> dict[str, Any]:
    def part(entry: Part) -> dict[str, Any]:
        by_arm = {arm: asdict(description) for arm, description in entry.by_arm.items()}
        return {"name": entry.name, "num_boxes": list(entry.num_boxes), "reason": entry.reason, "by_arm": by_arm}

    runs = [
        {
            "arm": run.arm,
            "seed": run.seed,
            "overall": (run.accuracy or {}).get("overall"),
            "intervals": (run.accuracy or {}).get("intervals"),
        }
        for run in facts.measured
    ]
    return {
        "sizes": [part(entry) for entry in facts.sizes],
        "classes": [part(entry) for entry in facts.classes],
        "runs": runs,
        "learning": [{"arm": e.run.arm, "seed": e.run.seed, **asdict(e.facts)} for e in facts.learning],
        "missing": list(facts.missing),
    }


def _run(run: Run, folder: Path) -> dict[str, Any]:
    names = (
        "arm", "seed", "copy_of", "status", "reason", "group_id", "num", "is_plain",
        "metrics", "unmeasured", "phases_s", "digests",
    )  # fmt: skip
    return {**{name: getattr(run, name) for name in names}, "folder": relative_path(run.folder, folder)}


def _finite(value: Any) -> Any:
    """Plain JSON values: tuples as lists, what is not finite as null, what is unknown as text."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    return str(value)
