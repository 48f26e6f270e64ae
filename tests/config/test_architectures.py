"""A model file is judged by its name before anything starts: sizes, nearest names, other kinds of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.config.architectures import _known_names, check_architecture, purpose_of
from sdpa_exp.errors import ConfigError

SIZES = "expected one of yolo12n.yaml, yolo12s.yaml, yolo12m.yaml, yolo12l.yaml, yolo12x.yaml."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yolo12", f"leaves the size open: {SIZES} Set model.architecture=yolo12n.yaml for the smallest."),
        ("yolo12.yaml", f"leaves the size open, and Ultralytics would take n: {SIZES}"),
        ("yolo26-p2.yaml", "expected one of yolo26n-p2.yaml, yolo26s-p2.yaml"),
        ("yolo12n", "is no file: expected one. Set model.architecture=yolo12n.yaml."),
        ("yolov12n.yaml", "is neither a file nor a model of Ultralytics: expected perhaps yolo"),
        ("yolo12t.yaml", "expected perhaps yolo12"),
        ("rtdetr_l.yaml", "expected perhaps rtdetr-l.yaml"),
        ("nothing_like_it.yaml", "expected a model file. `--help` lists the models that model= chooses."),
        (
            "yolo12n.pt",
            "is a file of weights: expected a model file such as yolo12n.yaml. Set model.weights=yolo12n.pt",
        ),
        ("yolo26n-sem.yaml", "ends in SemanticSegment, for classes of pixels (task semantic)"),
        (
            "yolov8n-world.yaml",
            "expected a model for detect, segment, pose, obb, classify. Choose one such as yolov8n.yaml.",
        ),
        ("yoloe-11n.yaml", "for boxes by words (YOLOE), which nothing here trains"),
        ("yoloe-11n-seg.yaml", "for masks by words (YOLOE), which nothing here trains"),
    ],
)
def test_a_name_that_is_not_clear_is_refused_with_what_is(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_architecture(name)
    assert str(caught.value).startswith(f"model.architecture={name} ")
    assert words in str(caught.value)


def test_every_name_that_is_proposed_is_accepted() -> None:
    assert len(_known_names()) > 120
    for name in _known_names():
        check_architecture(f"{name}.yaml")


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("yolo12n.yaml", "detect"),
        ("rtdetr-l.yaml", "detect"),
        ("yolo12x-seg.yaml", "segment"),
        ("yolo26n-seg.yaml", "segment"),
        ("yolo11s-pose.yaml", "pose"),
        ("yolo12m-obb.yaml", "obb"),
        ("yolo12l-cls.yaml", "classify"),
        ("nowhere.yaml", "detect"),
    ],
)
def test_the_last_layer_says_what_a_model_is_for(name: str, purpose: str) -> None:
    assert purpose_of(name).name == purpose


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        (
            "mine.yaml",
            "scales: {s: [1, 1, 1], l: [1, 1, 1]}\nhead: [[-1, 1, Detect, []]]",
            "mine_yolo12s.yaml, mine_yolo",
        ),
        ("mine_yolo12s.yaml", "scales: {s: [1, 1, 1], l: [1, 1, 1]}\nhead: [[-1, 1, Detect, []]]", None),
        ("mine.yaml", "scales: {s: [1, 1, 1]}\nhead: [[-1, 1, Detect, []]]", None),
        ("mine.yaml", "names: [a]", "is no model file: expected backbone: and head:"),
        ("mine.yaml", "head: [", "can't be read as YAML"),
    ],
)
def test_a_file_of_ones_own_is_judged_by_what_is_in_it(tmp_path: Path, file: str, text: str, words: str | None) -> None:
    (tmp_path / file).write_text(text)
    if words is None:
        check_architecture(str(tmp_path / file))
        return
    with pytest.raises(ConfigError) as caught:
        check_architecture(str(tmp_path / file))
    assert words in str(caught.value)
