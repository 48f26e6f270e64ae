"""A methods paragraph, fit for a paper, made of what was really done: it claims nothing that the runs don't show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from sdpa_exp.compare import numbers
from sdpa_exp.compare.answer.judge import Judged
from sdpa_exp.compare.answer.verdicts_side_by_side import SIDE_BY_SIDE
from sdpa_exp.compare.comparison import Comparison, Group
from sdpa_exp.compare.findings.finding import listed
from sdpa_exp.compare.findings.prices import cost_sentence
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.report.tables import arm_label
from sdpa_exp.compare.statistics.paired import PERMUTATION_MIN_PAIRS


def methods(comparison: Comparison, group: Group) -> str:
    """The paragraph for one comparison group."""
    return " ".join(_sentences(comparison, group, list(group.runs.runs)))


def question(comparison: Comparison, group: Group) -> str:
    """What the comparison asks, in a sentence."""
    others = [arm.name for arm in group.arms if not arm.is_baseline and arm.copy_of is None]
    asked = listed(q.name for q in comparison.questions)
    model = group.settings.get("model.name") or group.settings.get("model")
    data = group.settings.get("dataset.name") or group.settings.get("data")
    where = f" of {model}" if model else ""
    where += f" on {data}" if data else ""
    if not others and group.noise_floors:
        return f"How far apart in {asked}{where} do two copies of {comparison.baseline} come out?"
    do = "Do" if len(others) > 1 else "Does"
    return f"{do} {listed(others) or 'the arm'} change the {asked}{where}, compared with {comparison.baseline}?"


def _sentences(comparison: Comparison, group: Group, runs: list[Run]) -> Iterator[str]:
    yield _training(group, runs)
    yield _runs(group, runs)
    yield from _kernels(group)
    asked = [q for q in comparison.questions if group.judged is None or q.metric not in SIDE_BY_SIDE]
    questions = [f"{q.metric} for {q.name} (margin {q.margin_text()})" for q in asked]
    declared = "declared primary" if all(not run.is_plain for run in runs) else "primary"
    if questions:
        yield f"The {declared} metric{'s were' if len(questions) > 1 else ' was'} {listed(questions, 9)}."
        yield from _tests(comparison, group)
    if group.judged is not None:
        yield _side_by_side(group.judged)
    if group.noise_floors:
        yield _control(group)
    used = [q.metric for q in asked if any(q.metric in arm.described for arm in group.arms)]
    if used:
        is_plain = any(run.is_plain for run in runs)
        shown = [f"{name}: {numbers.meaning(name, is_plain=is_plain)}" for name in used]
        yield f"Measured were {'; '.join(shown)}."
    cost = cost_sentence(runs)
    if cost is not None:
        yield cost
    if group.accuracy.measured:
        yield (
            "AP by object size is COCO's, by area of the labelled box in the original image; intervals of single runs "
            "are 95 % percentile bootstrap intervals over the validation images."
        )


def _tests(comparison: Comparison, group: Group) -> Iterator[str]:
    """How the arms' trainings were tested against the baseline's."""
    tested = [verdict for verdict in group.verdicts if verdict.p is not None]
    if tested:
        num_tests = max(verdict.num_tests for verdict in tested)
        holm = f", with p-values adjusted after Holm over {num_tests} tests, of all arms and metrics"
        holm = holm if num_tests > 1 else ""
        yield (
            f"Arms were paired with {comparison.baseline} by seed and compared by a two-sided paired t-test, and by "
            f"two one-sided tests (TOST) against the margin, at the {100 * comparison.alpha:.3g} % level{holm}; "
            f"intervals are t intervals of the mean difference."
        )
        times = [v.test for v in tested if v.test is not None and v.test.is_ratio]
        if times:
            out = max(test.num_trimmed for test in times)
            trimmed = f", without {out} pair{'s' if out > 1 else ''} at each end" if out else ""
            yield f"Times were compared as ratios, by the mean of their logarithms{trimmed}."
        if any(v.test is not None and v.test.n >= PERMUTATION_MIN_PAIRS for v in tested):
            yield "A sign-flip permutation test is given beside it, unadjusted."
    else:
        yield "No test was made of trainings, because no metric had two pairs of runs that vary."


def _side_by_side(judged: Judged) -> str:
    measured, where = judged.measurement, judged.measurement.where
    margin = next((100 * speed.margin for speed in judged.step.values()), None)
    num = len(measured.others)
    within = "" if margin is None else f" (margin {margin:g} %)"
    adjusted = f", adjusted after Bonferroni over {num} arms" if num > 1 else ""
    return (
        f"Speed{within} and memory were not taken from the trainings: in each of {measured.num_processes} fresh "
        f"processes all arms ran in turns at batch {where['batch']}, at least {measured.num_rounds} rounds of training "
        f"steps and of inference. The unit is the process: a process's median log ratio to {measured.baseline}, "
        f"compared by a t-test over processes at the {100 * judged.alpha:.3g} % level{adjusted}. Memory is the "
        f"allocated peak of a training step above what was held before it."
    )


def _control(group: Group) -> str:
    floors = group.noise_floors
    return (
        f"As an A/A control, {floors[0].arm} repeated {floors[0].baseline} at the same seeds from initial weights of "
        f"which every trainable value but 0 was moved one unit in the last place up or down; the root mean square of "
        f"its paired differences ({floors[0].n} pair{'s' if floors[0].n != 1 else ''}) is the noise floor "
        f"({', '.join(f'{floor.metric} {floor.text()}' for floor in floors)}). Where every pair had its copy, arms "
        f"were tested against the mean of {floors[0].baseline} and its copy. The control is not among the arms that "
        f"p-values were adjusted for."
    )


def _training(group: Group, runs: list[Run]) -> str:
    """Model, data, recipe, machine and versions, as far as they are known."""

    def get(*names: str) -> Any:
        return next((group.settings[name] for name in names if group.settings.get(name) is not None), None)

    model, data = get("model.name", "model"), get("dataset.name", "data")
    text = f"{model or 'The model'} was trained" + (f" on {data}" if data else "")
    if get("dataset.num_train_images"):
        text += f" ({get('dataset.num_train_images')} training and {get('dataset.num_val_images')} validation images)"
    parts: list[str] = []
    for label, value in (
        ("a share of {} of the training images", get("dataset.fraction")),
        ("at most {} images of each split", get("dataset.limit")),
        ("{} epochs", get("train.epochs", "epochs")),
        ("{} px", get("train.imgsz", "imgsz")),
        ("batch size {}", get("hardware.batch", "batch")),
        ("optimiser {}", get("train.optimizer", "optimizer")),
        ("initial learning rate {}", get("train.lr0", "lr0")),
        ("precision {}", get("hardware.precision")),
    ):
        if value is not None:
            parts.append(label.format(value))
    text += f" ({', '.join(parts)})" if parts else ""
    return f"{text}{_machine(next((run.environment for run in runs if run.environment), {}))}."


def _machine(environment: dict[str, Any]) -> str:
    if not environment:
        return ""
    device = environment.get("gpu") or environment.get("cpu") or "an unnamed machine"
    versions = environment.get("versions") or {}
    names = [f"{name} {versions[name]}" for name in ("torch", "ultralytics") if versions.get(name)]
    names += [
        f"{key.upper()} {environment[key]}" for key in ("cuda",) if environment.get("gpu") and environment.get(key)
    ]
    names += [f"driver {environment['driver']}"] if environment.get("driver") else []
    commit = (environment.get("git") or {}).get("commit")
    names += [f"code at commit {commit[:12]}"] if commit else []
    return f" on {device}" + (f" with {', '.join(names)}" if names else "")


def _runs(group: Group, runs: list[Run]) -> str:
    arms = listed((arm_label(a) for a in group.arms), 9)
    seeds = list(dict.fromkeys(run.seed for run in runs if run.seed is not None))
    planned, finished = sum(a.num_planned for a in group.arms), sum(a.num_finished for a in group.arms)
    text = f"The arms were {arms}"
    text += f", each with {len(seeds)} seed{'s' if len(seeds) != 1 else ''} ({listed(seeds, 10)})" if seeds else ""
    text += f"; {finished} of {planned} runs finished"
    if all(not run.is_plain for run in runs):
        text += ", each in a process of its own"
        order = [run.arm for run in sorted((r for r in runs if r.num is not None), key=lambda r: r.num or 0)]
        switches = sum(a != b for a, b in pairwise(order))
        if len(group.arms) > 1 and switches > len(group.arms) - 1:
            text += ", with the arms taking turns"
    return text + "."


def _kernels(group: Group) -> Iterator[str]:
    """Attested kernels, and for which arms there is no attestation."""
    attested = [arm for arm in group.arms if arm.kernels]
    if attested:
        shown = []
        for arm in attested:
            assert arm.kernels is not None
            names = dict.fromkeys(kernel for kernels in arm.kernels.values() for kernel in kernels)
            shown.append(f"{arm.name} ran {listed(names)}")
        stages = [stage.replace("_", " ").replace("best pt", "reloaded best.pt") for stage in attested[0].kernels or ()]
        yield f"The attention kernels were read from the profiler in {listed(stages)}: {'; '.join(shown)}."
    blind = [arm.name for arm in group.arms if not arm.kernels]
    if blind:
        yield f"Which attention kernels ran in {listed(blind)} is not known."
