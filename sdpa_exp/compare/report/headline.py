"""The answer in a sentence or two, as it stands on top of every view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sdpa_exp.compare import numbers
from sdpa_exp.compare.answer.sentence import accuracy_sentence, answer_sentence
from sdpa_exp.compare.answer.verdicts_side_by_side import accuracy_of
from sdpa_exp.compare.comparison import Group
from sdpa_exp.compare.findings.caveats import is_unlearnt
from sdpa_exp.compare.findings.finding import Finding, listed, of_group
from sdpa_exp.compare.load.run import CSV_TIME
from sdpa_exp.compare.noise_floor import floors_sentence
from sdpa_exp.compare.verdict import Verdict
from sdpa_exp.compare.wording import is_worded, seeds_text, way

_TIMES = frozenset({"train_s", "total_s", "images_per_s", CSV_TIME})


def headline(groups: Sequence[Group], findings: Sequence[Finding], baseline: str) -> str:
    """A sentence for each question, one for each arm that is no other model, and the names of errors found."""
    parts: list[str] = []
    for group in groups:
        own = of_group(findings, group.group_id)
        identical = [(set(f.evidence["arms"]), set(f.evidence["seeds"])) for f in own if f.code == "identical-curves"]
        where = f" at {group.label}" if group.label else ""
        same = {
            arm: set[object]().union(*(seeds for arms, seeds in identical if {arm, baseline} <= arms))
            for arm in dict.fromkeys(verdict.arm for verdict in group.verdicts)
        }
        if group.recommendation is not None:
            parts.append(_recommended(group, own))
            continue
        nothing = [arm for arm in same if _is_same_model(group, arm, same[arm])]
        parts.extend(_of_same_model(group, arm, baseline, where) for arm in nothing)
        others = [verdict for verdict in group.verdicts if verdict.arm not in nothing]
        if others:
            for index, name in enumerate(dict.fromkeys(verdict.question.name for verdict in others)):
                against = "" if index else f" against {baseline}{where}"
                asked = [verdict for verdict in others if verdict.question.name == name]
                if is_unlearnt(asked[0], own):
                    shown = f"nothing was learnt ({asked[0].question.metric} is 0 in every run), so it says nothing"
                else:
                    shown = "; ".join(_of_question(asked))
                parts.append(f"{name[:1].upper()}{name[1:]}{against}: {shown}.")
        if group.noise_floors:
            parts.append(floors_sentence(group.noise_floors))
    if not parts:
        return "Nothing could be compared; the findings say why."
    errors = list(dict.fromkeys(finding.code for finding in findings if finding.severity == "error"))
    warning = f" Errors among the findings: {listed(errors)}." if errors else ""
    return " ".join(parts) + warning


def _recommended(group: Group, findings: Sequence[Finding]) -> str:
    """What to use, by what was measured side by side, and what the trainings say of accuracy."""
    assert group.recommendation is not None
    verdicts = accuracy_of(group)
    accuracy = accuracy_sentence(verdicts, group.noise_floors, group.recommendation.arm)
    if verdicts and is_unlearnt(verdicts[0], findings):
        accuracy = (
            f"Accuracy: nothing was learnt ({verdicts[0].question.metric} is 0 in every run), so it says nothing."
        )
    return answer_sentence(group.recommendation, accuracy, where=group.label)


def _of_question(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Arms with the same outcome, together."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        mean = verdict.test.mean if verdict.test is not None else 0.0
        has_way = "different" in verdict.kind or (verdict.kind == "deterministic" and mean != 0)
        direction = way(verdict.question.metric, mean) if has_way else ""
        groups[f"{verdict.kind}|{direction}"].append(verdict)
    for key, group in groups.items():
        kind, _, direction = key.partition("|")
        arms = listed((verdict.arm for verdict in group), 8)
        be = "is" if len(group) == 1 else "are"
        sizes = ", ".join(_size(verdict) for verdict in group)
        ways = ", ".join(_size_and_way(verdict) for verdict in group)
        texts = {
            "inconclusive": f"inconclusive for {arms} ({_seeds(group)})",
            "equivalent": f"{arms} {be} equivalent within {group[0].question.margin_text()}",
            "no pairs": f"no verdict on {arms}",
            "no test": f"one seed, so no test of {arms} ({ways})",
            "not comparable": f"no verdict on {arms}, which trained for another number of epochs",
            "within the noise floor": f"{arms} {be} within the A/A noise floor ({ways})",
            "same attention": f"{arms} ran the same attention as {group[0].baseline} ({ways})",
            "deterministic": f"{arms} {be} {f'{direction} in all pairs ({sizes})' if direction else 'identical'}",
            "different": f"{arms} {be} {direction} ({sizes})",
            "different but within the margin": f"{arms} {be} {direction} ({sizes}), but within the margin",
        }
        yield texts[kind]


def _seeds(group: Sequence[Verdict]) -> str:
    """`n = 5; 11 to 44 seeds would settle it`; too few pairs say nothing about that."""
    n = f"n = {listed(sorted({verdict.test.n for verdict in group if verdict.test}))}"
    return f"{n}; {seeds_text(group)}" if any(verdict.seeds_needed for verdict in group) else n


def _size(verdict: Verdict) -> str:
    test, metric = verdict.test, verdict.question.metric
    if test is None:
        return "-"
    if numbers.is_in_points(metric) or not test.baseline_mean:
        return numbers.difference(metric, test.mean, spread=test.standard_error)
    return numbers.percent(test.mean / test.baseline_mean)


def _size_and_way(verdict: Verdict) -> str:
    """`10.2 % slower`, where no word beside it says what more of the metric means."""
    test, metric = verdict.test, verdict.question.metric
    if test is None or not test.mean or not test.baseline_mean or not is_worded(metric):
        return _size(verdict)
    return f"{numbers.percent(test.mean / test.baseline_mean, sign=False)} {way(metric, test.mean)}"


def _is_same_model(group: Group, arm: str, same_seeds: set[object]) -> bool:
    """Whether the arm's curves equal the baseline's at every seed that was paired."""
    pairs = {seed for entry in group.differences if entry.arm == arm for seed in entry.seeds}
    return bool(pairs) and pairs <= same_seeds


def _of_same_model(group: Group, arm: str, baseline: str, where: str) -> str:
    differences = [entry for entry in group.differences if entry.arm == arm]
    if any(entry.test.mean != 0 for entry in differences if entry.metric not in _TIMES):
        return f"{arm} and {baseline} computed the same model{where}: their metric curves are identical."
    metrics = [verdict.question.metric for verdict in group.verdicts if verdict.question.metric in _TIMES]
    speed = next((entry.test for entry in differences if entry.metric in metrics), None)
    by = f", and time by {numbers.percent(speed.mean / speed.baseline_mean, sign=False)}" if speed else ""
    return f"{arm} and {baseline} did not differ in anything but time{where}{by}."
