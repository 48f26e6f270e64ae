"""A sweep's comparison with what was measured beside its trainings: the answer, the verdicts, and where they hold."""

from __future__ import annotations

import dataclasses
import io
import json
import platform
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sdpa_exp.compare.report.methods import methods
from sdpa_exp.compare.report.terminal import render_terminal, render_text
from sdpa_exp.compare.run_compare import compare_runs, compare_sweep
from sdpa_exp.config.schema import CompareConfig, PrimaryMetric
from sdpa_exp.launch.measure_side_by_side import measure_beside
from sdpa_exp.runs.files import (
    ANSWER_FILE,
    INTERLEAVED_FOLDER,
    INTERLEAVED_GROUPS_FILE,
    folders_with,
    write_json_atomic,
)
from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep
from tests.compare.answer.made import content_of
from tests.compare.answer.test_answer import FASTER, NOISY
from tests.compare.folders import RunSpec, crossed, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

ARMS = ["stock", "sdpa"]
SPEEDUPS = {"sdpa": FASTER}
_PRIMARY = {
    "accuracy": PrimaryMetric(metric="mAP50-95", margin=0.005, margin_kind="absolute"),
    "speed": PrimaryMetric(metric="train_s", margin=0.02, margin_kind="relative"),
    "memory": PrimaryMetric(metric="peak_memory_mib", margin=0.02, margin_kind="relative"),
}


def measured(sweep_dir: Path, speedups: dict[str, list[float]] = SPEEDUPS, **reasons: str) -> Path:
    """The sweep with a measurement, or a reason, for each of its groups; the second group is measured as noisy."""
    folder = sweep_dir / INTERLEAVED_FOLDER
    groups = dict.fromkeys(read_record(job.run_dir).group_id for job in read_sweep(sweep_dir).jobs)
    for num, content in zip(range(len(groups)), (speedups, {"sdpa": NOISY}), strict=False):
        (folder / str(num)).mkdir(parents=True)
        write_json_atomic(folder / str(num) / ANSWER_FILE, content_of(content))
    entries = {group: {"folder": str(num), "reason": reasons.get("reason")} for num, group in enumerate(groups)}
    write_json_atomic(folder / INTERLEAVED_GROUPS_FILE, entries)
    return sweep_dir


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return measured(write_sweep(tmp_path, crossed(ARMS, [0, 1])))


def test_speed_and_memory_come_from_side_by_side_and_accuracy_from_the_trainings(sweep: Path) -> None:
    comparison = compare_sweep(sweep)
    assert comparison.headline.startswith(
        "Use sdpa: 1.07 times as fast per step (1.05 to 1.09), same memory, same function to rounding. Accuracy: "
        "inconclusive with 2 seeds ("
    )
    assert [verdict.question.name for verdict in comparison.verdicts] == ["accuracy"]
    assert "train_s" in {entry.metric for entry in comparison.groups[0].differences}


def test_a_sweep_that_is_compared_by_name_gives_its_own_answer(sweep: Path, tmp_path: Path) -> None:
    own = compare_sweep(sweep)
    named = compare_runs([sweep], baseline=None, config=CompareConfig(primary=_PRIMARY), out_dir=tmp_path / "out")
    assert (named.headline, [each.sentence for each in named.verdicts]) == (
        own.headline,
        [each.sentence for each in own.verdicts],
    )
    trainings = CompareConfig(primary=_PRIMARY, speed="trainings")
    by_trainings = compare_runs([sweep], baseline=None, config=trainings, out_dir=tmp_path / "out")
    assert {verdict.question.name for verdict in by_trainings.verdicts} == {"accuracy", "speed", "memory"}


def test_the_methods_say_how_speed_was_measured_and_name_no_metric_of_trainings_for_it(sweep: Path) -> None:
    comparison = compare_sweep(sweep)
    text = methods(comparison, comparison.groups[0])
    assert "The declared primary metric was mAP50-95 for accuracy (margin 0.5 points)." in text
    assert "train_s" not in text
    assert "peak_memory_mib" not in text
    assert "Speed (margin 2 %) and memory were not taken from the trainings: in each of " in text
    assert "process's median log ratio to stock" in text


def test_sweeps_that_measured_other_arms_are_judged_by_their_trainings_together(sweep: Path, tmp_path: Path) -> None:
    other = write_sweep(tmp_path / "other", crossed(["stock", "flash"], [2, 3]))
    both = compare_runs([sweep, other], baseline=None, config=CompareConfig(primary=_PRIMARY), out_dir=tmp_path / "out")
    (finding,) = [each for each in both.findings if each.code == "speed-by-trainings"]
    assert "no sweep measured all of these arms together" in finding.sentence


def test_the_sentence_stands_once_on_the_screen_with_its_details_below(sweep: Path) -> None:
    file = io.StringIO()
    Console(file=file, width=400).print(render_terminal(compare_sweep(sweep)))
    text = file.getvalue()
    assert text.count("Use sdpa:") == 1
    assert text.index("Use sdpa:") < text.index("function: sdpa computes") < text.index("speed per training step: sdpa")
    assert text.index("speed per training step") < text.index("accuracy: inconclusive for sdpa")


def test_the_first_table_has_the_speed_of_side_by_side_and_the_trainings_times_stand_below(sweep: Path) -> None:
    comparison = compare_sweep(sweep)
    page, screen = (sweep / "report.html").read_text(encoding="utf-8"), render_text(comparison)
    for text, last in ((page, "<nav"), (screen, "Paired differences")):
        first = text.partition(last)[0]
        assert "times faster" in first
        assert "train s" not in first
        assert "images/s" not in first
        assert "Times and memory of the trainings themselves" in text
        assert "train s" in text


def test_report_note_and_json_say_it_too(sweep: Path) -> None:
    headline = compare_sweep(sweep).headline
    assert (sweep / "report.html").read_text(encoding="utf-8").count(headline) == 1
    told: dict[str, Any] = json.loads((sweep / "headline.json").read_text(encoding="utf-8"))
    assert told["note"].startswith(f"**{headline}**")
    assert told["metrics"]["compare/speed/sdpa/ratio"] == pytest.approx(1.07, abs=0.001)
    assert (told["tags"]["verdict.speed.sdpa"], told["tags"]["verdict.memory.sdpa"]) == ("faster", "equivalent")
    (group,) = json.loads((sweep / "comparison.json").read_text(encoding="utf-8"))["groups"]
    assert group["side_by_side"]["recommendation"]["arm"] == "sdpa"


def test_where_it_was_not_measured_the_trainings_judge_and_the_reason_is_told(tmp_path: Path) -> None:
    sweep = measured(write_sweep(tmp_path, crossed(ARMS, [0, 1])), reason="not all arms ran on this machine")
    comparison = compare_sweep(sweep)
    assert {verdict.question.name for verdict in comparison.verdicts} == {"accuracy", "speed", "memory"}
    (finding,) = [finding for finding in comparison.findings if finding.code == "speed-by-trainings"]
    assert "not measured side by side: not all arms ran on this machine." in finding.sentence


def test_groups_are_named_by_what_differs_and_each_has_its_own_answer(tmp_path: Path) -> None:
    specs = [*crossed(ARMS, [0, 1], batch=8), *crossed(ARMS, [0, 1], batch=16)]
    comparison = compare_sweep(measured(write_sweep(tmp_path, specs)))
    assert [group.label for group in comparison.groups] == ["batch=8", "batch=16"]
    first, _, second = comparison.headline.partition(" At batch=16: ")
    assert first.startswith("At batch=8: use sdpa: 1.07 times as fast per step")
    assert second.startswith("keep stock: it is inconclusive whether sdpa is faster: 1.02 times")
    assert not any(group.group_id in (tmp_path / "comparison.txt").read_text() for group in comparison.groups)


def test_findings_say_where_they_hold(tmp_path: Path) -> None:
    killed = RunSpec(arm="sdpa", seed=1, batch=16, status="KILLED", reason="a signal")
    specs = [*crossed(ARMS, [0, 1], batch=8), *crossed(ARMS, [0], batch=16), RunSpec(seed=1, batch=16), killed]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    (finding,) = [finding for finding in comparison.findings if finding.code == "runs-lost"]
    assert finding.sentence.startswith("At batch=16: ")


def test_runs_of_another_machine_are_not_measured_here(tmp_path: Path) -> None:
    sweep_dir = write_sweep(tmp_path, crossed(ARMS, [0], environment={"host": "elsewhere"}))
    sweep = read_sweep(sweep_dir)
    records = [read_record(job.run_dir) for job in sweep.jobs]
    assert measure_beside(sweep, records, Console(file=io.StringIO())) is None
    (entry,) = json.loads((sweep_dir / INTERLEAVED_FOLDER / INTERLEAVED_GROUPS_FILE).read_text()).values()
    assert entry["reason"] == "not all arms ran on this machine"


def test_arms_with_one_kernel_are_not_timed_against_each_other(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, crossed(ARMS, [0], environment={"host": platform.node()})))
    records = [read_record(job.run_dir) for job in sweep.jobs]
    alike = [{"group_id": records[0].group_id, "arms": ARMS}]
    known = dataclasses.replace(sweep, preflight={"same_kernel": alike})
    assert measure_beside(known, records, Console(file=io.StringIO())) is None
    (entry,) = json.loads((tmp_path / INTERLEAVED_FOLDER / INTERLEAVED_GROUPS_FILE).read_text()).values()
    assert entry["reason"] == "all arms run the same kernel, so that there is nothing to time"


def test_a_single_arm_or_a_sweep_that_asks_for_trainings_is_left_alone(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, crossed(["stock"], [0, 1])))
    records = [read_record(job.run_dir) for job in sweep.jobs]
    assert measure_beside(sweep, records, Console(file=io.StringIO())) is None
    assert not (tmp_path / INTERLEAVED_FOLDER).exists()


def test_a_resumed_sweep_keeps_what_it_has_measured(sweep: Path) -> None:
    known = read_sweep(sweep)
    records = [dataclasses.replace(read_record(job.run_dir), environment={}) for job in known.jobs]
    before = (sweep / INTERLEAVED_FOLDER / INTERLEAVED_GROUPS_FILE).read_text()
    assert measure_beside(known, records, Console(file=io.StringIO())) is None
    assert (sweep / INTERLEAVED_FOLDER / INTERLEAVED_GROUPS_FILE).read_text() == before


def test_the_measurement_is_no_run_of_its_own_for_a_store(sweep: Path) -> None:
    (sweep / INTERLEAVED_FOLDER / "0" / "plan.yaml").write_text("name: field\n", encoding="utf-8")
    assert all(folder.parent == sweep for folder in folders_with("plan.yaml", sweep))
