"""model=timm:NAME on the command line, and what is refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdpa_exp.config import timm_models
from sdpa_exp.config.arguments import check_arguments
from sdpa_exp.config.validate import check_plan
from sdpa_exp.errors import ConfigError
from sdpa_exp.injection import timm_network
from sdpa_exp.runs.purposes import CLASSIFY
from tests.config.composing import compose_plan


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A timm that registers two models, and raises when it is imported, which nothing does before a run starts."""
    (tmp_path / "timm/models").mkdir(parents=True)
    (tmp_path / "timm/__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    registered = "".join(
        f"@register_model\ndef vit_{size}_patch16_224(pretrained=False): ...\n" for size in ("tiny", "small")
    )
    (tmp_path / "timm/models/vit.py").write_text(registered, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    timm_models._names.cache_clear()
    yield
    timm_models._names.cache_clear()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["model=timm:vit_tiny_patch16_224"], ["model=timm", "model.architecture=timm:vit_tiny_patch16_224"]),
        (["-m", "model=timm:a,timm:b.tag"], ["model=timm", "model.architecture=timm:a,timm:b.tag", "-m"]),
        (["model=yolo12n"], ["model=yolo12n"]),
    ],
)
def test_a_name_of_timm_needs_no_quotes(typed: list[str], read: list[str]) -> None:
    assert check_arguments(typed) == read


def test_models_of_timm_and_others_dont_mix() -> None:
    with pytest.raises(ConfigError, match="mixes models of timm with yolo12n: expected one kind"):
        check_arguments(["model=timm:a,yolo12n", "-m"])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("task", ["bench", "verify"])
def test_a_model_of_timm_composes_for_tasks_that_train_nothing(task: str) -> None:
    plan = compose_plan(f"task={task}", "model=timm", "model.architecture=timm:vit_small_patch16_224.augreg_in1k")
    check_plan(plan)
    assert plan.model.name == "timm:vit_small_patch16_224.augreg_in1k"
    assert plan.purpose is CLASSIFY


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["task=train"],
            "a model of Ultralytics with task=train, since models of timm are timed and verified, and not",
        ),
        (["task=profile"], "Set task=bench or task=verify, or choose a model such as model=yolo12n-cls."),
        (
            ["task=bench", "model.architecture=timm:vit_tiny_patch16"],
            "perhaps vit_tiny_patch16_224 or vit_small_patch16_",
        ),
        (["task=bench", "model.architecture=timm:zzz"], "expected a name that timm.list_models"),
        (["task=verify", "model.weights=best.pt"], "model.weights or verify.weights=best.pt can't work: expected none"),
    ],
)
def test_what_cant_work_with_a_model_of_timm_is_said_in_a_sentence(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_plan(compose_plan("model=timm", *overrides))
    assert words in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_models, "_names", lambda: None)
    with pytest.raises(ConfigError, match=r"needs timm, which is not installed.*pip install 'sdpa-exp\[timm\]'"):
        check_plan(compose_plan("model=timm", "task=bench"))


def test_the_two_halves_agree_on_the_prefix() -> None:
    assert timm_models.PREFIX == timm_network.PREFIX
