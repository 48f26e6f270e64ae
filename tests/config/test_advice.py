"""Whatever a message tells people to type can be typed: it composes, and it mends what was refused."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from sdpa_exp.config.arguments import check_arguments
from sdpa_exp.config.hydra_errors import translate
from sdpa_exp.config.train_ranges import FRACTIONS
from sdpa_exp.errors import ConfigError
from tests.config.composing import compose_plan

PACKAGE = Path(__file__).parents[2] / "sdpa_exp"
TASKS = {path.stem for path in (PACKAGE.parent / "conf/task").glob("*.yaml")}
ADVICE = re.compile(r"(?<![\w.+~'])([a-z_]+(?:[./][a-z_0-9]+)*=(?:\[[^ ]*\]|[^\s,;)`'\"]+))")
PLACES = re.compile(
    r"[A-Z]{3,}|path/to|my_|my/|\.pt$|=$|^key=|^(optimizer|role|id|s|trust|username|need_weights|rope)="
)
"""Advice with a place for a value of one's own, and what is no option: others' arguments, parts of a page."""


def _messages(path: Path) -> list[str]:
    """The texts of a file that are sentences, docstrings aside; NUL stands for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    holders = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef) and n.body]
    docstrings = {id(n.body[0].value) for n in holders if isinstance(n.body[0], ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            texts.append(node.value)
    return [text for text in texts if " " in text]


ADVISED = sorted(
    {
        found.rstrip(".:")
        for path in PACKAGE.rglob("*.py")
        for text in _messages(path)
        for found in ADVICE.findall(text)
        if "\0" not in found and not PLACES.search(found.rstrip(".:"))
    }
)


def _compose(*overrides: str) -> str | None:
    """Compose and check a plan; the sentence of a refusal."""
    try:
        compose_plan(*overrides)
    except ConfigError as error:
        return str(error)
    except Exception as error:  # Hydra's own classes
        found = translate(error)
        if found is None:
            raise
        return str(found)
    return None


def _context(advice: str) -> list[str]:
    """What must be chosen for an option to be there."""
    head = advice.split(".", maxsplit=1)[0].partition("=")[0]
    if advice.startswith("dataset.on_bad"):
        return ["dataset=yolo_dir", "dataset.path=."]
    if advice.startswith(("dataset.split_seed", "dataset.val_share")):
        return ["dataset=coco_json", "dataset.path=."]
    if advice.startswith("dataset.digest"):
        return ["dataset=weeds3"]
    return [f"task={head}"] if head in TASKS and head != "compare" else []


def test_messages_have_advice() -> None:
    assert len(ADVISED) > 60


@pytest.mark.parametrize("advice", ADVISED)
def test_an_option_in_a_message_can_be_typed(advice: str) -> None:
    if advice.startswith(("hydra/", "hydra.launcher.")):
        pytest.skip("a group of Hydra's own, or a key of a launcher that may not be installed")
    if advice == "dataset=yolo_dir":
        pytest.skip("it comes with a path")
    sentence = _compose(*_context(advice), advice)
    needs_more = ("is missing", "has no currency", "contradict each other", "is for CUDA", "nothing to compare")
    assert sentence is None or any(words in sentence for words in needs_more), sentence


REFUSED = [
    "hardware.batch=-4",
    "hardware.workers=-1",
    "hardware.device=0",
    "hardware.precision=fp64",
    "hardware.cache=disc",
    "train.imgsz=100",
    "train.epochs=0",
    "train.optimizer=AdmW",
    "train.optimizer=auto",
    "train.rect=true train.mosaic=1",
    "train.split=testing",
    "seed=-1",
    "telemetry.period_s=0",
    "attention=flsh",
    "attention.name=flash/2",
    "train.lr0=nan",
    "train.lr0=-1",
    "train.fraction=0",
    "train.fraction=1.5",
    "train.nbs=0",
    "train.multi_scale=3",
    "model=yolo12",
    "model.architecture=yolo12",
    "model.architecture=yolo12n",
    "trian.epochs=3",
    "train.epoch=3",
    "compare.alpha=2",
    "dataset=yolo_dir dataset.path=a=b",
    "dataset=yolo_dir dataset.path=my(1).yaml",
    "name=my run",
    "dataset.image_px=8",
]


@pytest.mark.parametrize("overrides", REFUSED)
def test_advice_that_is_an_override_mends_what_was_refused(overrides: str) -> None:
    """The advice in place of the refused value, typed into a shell as it is printed."""
    given = re.split(r" (?=[a-z_.]+=)", overrides)
    sentence = _compose(*given)
    assert sentence is not None
    steps = re.findall(
        r"(?:Set|Write|Did you mean|use|Use|or) ([\w./]+=(?:\"[^\"]*\"|\[[^\]]*\]|[^\s,;?]+?))(?=[.,;?]?(?:\s|$))",
        sentence,
    )
    if not steps:  # names to choose from
        assert re.search(r"expected (perhaps|one of) ", sentence), sentence
        return
    (typed,) = shlex.split(steps[0])
    key = typed.partition("=")[0]
    others = [one for one in given if one.partition("=")[0] != key]
    assert _compose(*others, typed) is None, f"{sentence} -> {typed}"


def test_the_fractions_are_those_of_ultralytics() -> None:
    from ultralytics.cfg import CFG_FRACTION_KEYS

    assert FRACTIONS == CFG_FRACTION_KEYS


@pytest.mark.parametrize("key", ["name", "attention.name", "model.weights", "dataset.path"])
@pytest.mark.parametrize("value", ["1e3", "1.50", "1_000", ".5"])
def test_a_text_that_would_be_read_as_another_is_refused_with_what_to_write(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments([f"{key}={value}"])
    (typed,) = shlex.split(re.findall(r"Write (.*)\.$", str(caught.value))[0])
    check_arguments([typed])
    if key == "name" and value != ".5":  # which is no name of a folder either
        assert compose_plan(typed).name == value


@pytest.mark.parametrize(
    "override", ["name=010", "name=1.5", "name=run3", "seed=7", "train.lr0=1e-5", "name=2024-01-02"]
)
def test_what_stays_as_typed_is_taken(override: str) -> None:
    assert check_arguments([override]) == [override]
