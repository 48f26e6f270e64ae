"""compare.control=aa: the jobs it adds to a sweep, and where it is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sdpa_exp.config.aa_control import refuse_control
from sdpa_exp.config.schema import AttentionConfig
from sdpa_exp.config.validate import check_sweep
from sdpa_exp.errors import ConfigError
from tests.config.composing import compose_plan
from tests.test_entry import ask


@pytest.mark.parametrize(
    ("line", "jobs"),
    [
        (
            "attention=stock,sdpa seed=0,42 compare.control=aa -m",
            [(0, "stock"), (0, "sdpa"), (0, "stock_aa"), (42, "stock_aa"), (42, "sdpa"), (42, "stock")],
        ),
        ("compare.control=aa baseline=flash attention=choice(flash) seed=3 -m", [(3, "flash"), (3, "flash_aa")]),
        ("experiment=aa_control seed=1", [(1, "stock"), (1, "sdpa"), (1, "stock_aa")]),
    ],
)  # fmt: skip
def test_a_sweep_gets_a_copy_of_its_baseline_as_the_arm_farthest_from_it_at_each_seed(
    line: str, jobs: list[tuple[int, str]], tmp_path: Path
) -> None:
    answer = ask(*line.split(), cwd=tmp_path)
    assert answer.jobs() == jobs, answer.err
    assert {call["plan"]["num_jobs"] for call in answer.calls if call["call"] == "run_job"} == {len(jobs)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("compare.control=ab -m", "compare.control=ab can't work: expected one of aa."),
        ("compare.control=aa", "adds an arm to a sweep, and this is a single run: expected several jobs. Add -m;"),
        ("compare.control=aa task=verify -m", "repeats trainings, and this is task=verify: expected task=train."),
        ("compare.control=aa attention.name=x -m", "can't copy an arm that attention.name=x changes"),
    ],
)
def test_a_control_that_could_not_work_is_refused(line: str, words: str, tmp_path: Path) -> None:
    answer = ask(*line.split(), cwd=tmp_path)
    assert words in answer.err
    assert answer.names() == []


def test_without_a_control_a_plan_passes() -> None:
    refuse_control(compose_plan())


@pytest.mark.parametrize(
    ("copy_of", "baseline", "words"),
    [
        ("flash", None, "attention.copy_of=flash does not fit sdpa_aa: expected another arm of this sweep with b"),
        ("sdpa", "sdpa_aa", "baseline=sdpa_aa is the A/A copy of sdpa: expected an arm that is no copy."),
    ],
)  # fmt: skip
def test_a_copy_must_repeat_an_arm_of_its_sweep(copy_of: str, baseline: str | None, words: str) -> None:
    plan = dataclasses.replace(compose_plan("attention=sdpa"), baseline=baseline)
    copy = dataclasses.replace(plan, attention=AttentionConfig(name="sdpa_aa", backend="sdpa", copy_of=copy_of))
    with pytest.raises(ConfigError, match=words):
        check_sweep([plan, copy])
