"""A data set in another format than was asked for is told the option for its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdpa_exp.config.schema import AnnotatedDataset, YoloDirDataset
from sdpa_exp.data.sources import require_data
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import DETECT
from tests.data.small_field import make_field


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """A folder of each kind; the images don't matter."""
    made = {kind: tmp_path / kind for kind in ("yolo_dir", "voc_xml", "coco_json")}
    make_field(made["yolo_dir"])
    (made["voc_xml"] / "Annotations").mkdir(parents=True)
    (made["voc_xml"] / "Annotations" / "a.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    (made["coco_json"] / "annotations").mkdir(parents=True)
    content: dict[str, list[str]] = {"images": [], "annotations": [], "categories": []}
    (made["coco_json"] / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return made


@pytest.mark.parametrize("kind", ["yolo_dir", "voc_xml", "coco_json"])
def test_the_option_for_what_is_there_is_named(kind: str, places: dict[str, Path], tmp_path: Path) -> None:
    for there, place in places.items():
        cls = YoloDirDataset if kind == "yolo_dir" else AnnotatedDataset
        dataset = cls(kind=kind, name=kind, path=str(place))
        if there == kind:
            continue
        with pytest.raises(DatasetError) as caught:
            require_data(dataset, None, DETECT, tmp_path / "cache")
        assert str(caught.value).endswith(
            f" What is there looks like dataset={there}: write that in the place of dataset={kind}."
        )


def test_a_folder_of_nothing_known_is_told_nothing_of_the_kind(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(DatasetError) as caught:
        require_data(YoloDirDataset(name="x", path=str(tmp_path)), None, DETECT, tmp_path / "cache")
    assert "looks like" not in str(caught.value)
