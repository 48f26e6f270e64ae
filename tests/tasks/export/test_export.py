"""task=export: the file computes what its source computes, and what became of its attention is counted."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.export import FORMATS, NEVER_RUN
from sdpa_exp.tasks.export.attention_nodes import AttentionNodes
from sdpa_exp.tasks.export.work import export
from tests.config.composing import compose_plan
from tests.tasks.in_process import run_task
from tests.tasks.latency.frames import write_images
from tests.tasks.latency.running import write_checkpoint

TINY = (
    "task=export",
    "hardware=cpu",
    "hardware.num_threads=1",
    "export.num_images=2",
    "export.num_batches=6",
    "export.time_limit_s=1",
)


def _run(folder: Path, *overrides: str, kind: str = "", imgsz: int = 64) -> tuple[dict[str, Any], Outcome]:
    """Noise of that size for images and batch statistics: elsewhere activations grow until fp32 is off by itself."""
    weights = write_checkpoint(folder / "best.pt", imgsz=imgsz, score=None if kind == "-cls" else 0.5, kind=kind)
    write_images(folder / "images", 2, (imgsz, imgsz))
    (folder / "run").mkdir()
    places = (f"export.weights={weights}", f"export.source={folder / 'images'}")
    outcome, _ = run_task(export, folder / "run", *TINY, *places, f"export.imgsz={imgsz}", *overrides)
    return json.loads((folder / "run" / "export.json").read_text()), outcome


def test_torchscript_keeps_attention_whole_and_finds_what_its_source_finds(tmp_path: Path) -> None:
    content, outcome = _run(tmp_path, "attention=sdpa", "export.format=torchscript")
    mine, stock = content["files"]
    assert (mine["num_attention_nodes"], mine["num_layers"]) == (8, 8)
    assert stock["num_attention_nodes"] == 0
    assert "no attention node for 8 layers" in stock["attention"]
    assert (tmp_path / "run" / mine["path"]).is_file()
    assert [each["is_close"] for each in content["agreement"]] == [True, True]
    assert content["agreement"][0]["raw_max_box_diff_px"] < 0.1  # pixels of 64
    assert set(content["timing"]["arms"]) == {"source (PyTorch)", "torchscript sdpa", "torchscript stock"}
    assert content["beside_stock"]["low"] <= content["beside_stock"]["high"]
    assert outcome.attestation is not None
    assert outcome.attestation["executed"] == {"predict_forward": {"flash": 8}}
    report = (tmp_path / "run" / "report.txt").read_text()
    assert "attention is kept whole: 8 nodes for 8 layers" in report
    assert "torchscript with sdpa is " in report


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("-seg", "masks overlap by "),
        pytest.param("-pose", ", keypoints ", marks=pytest.mark.slow),
        pytest.param("-obb", "rotated boxes overlap by ", marks=pytest.mark.slow),
        pytest.param("-cls", "have the same 2 best classes on 2 images", marks=pytest.mark.slow),
    ],
)
def test_a_file_of_a_model_for_something_else_than_boxes_is_compared_by_what_it_finds(
    tmp_path: Path, kind: str, words: str
) -> None:
    content, outcome = _run(
        tmp_path, "attention=sdpa", "export.format=torchscript", "export.beside_stock=false", kind=kind
    )
    (found,) = content["agreement"]
    assert found["is_close"]
    assert words in found["sentence"]
    assert outcome.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "num_nodes"), [("onnx", 0), ("openvino", 8), ("ncnn", 8)])
def test_other_formats_find_what_their_source_finds(tmp_path: Path, kind: str, num_nodes: int) -> None:
    """NCNN's parity is that of trained weights, in export_cpu.json: with weights of chance its boxes differ."""
    missing = [name for name in FORMATS[kind] if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: the extra export has them")
    content, _ = _run(tmp_path, "attention=sdpa", f"export.format={kind}", "export.beside_stock=false", imgsz=320)
    assert content["files"][0]["num_attention_nodes"] == num_nodes
    assert kind == "ncnn" or content["agreement"][0]["is_close"] or content["runtime_precision"] == "bf16"


def test_every_format_of_ultralytics_is_known_here() -> None:
    from ultralytics.engine.exporter import export_formats

    assert {*FORMATS, *NEVER_RUN} == set(export_formats()["Argument"]) - {"-"}


def test_what_became_of_attention_is_a_sentence() -> None:
    whole, parts, some, unread = (
        AttentionNodes(num_layers=8, num_whole=num, num_softmax=None if num is None else 9 - num)
        for num in (8, 0, 3, None)
    )
    assert "8 nodes for 8 layers, and the runtime chooses its kernel" in whole.sentence("sdpa")
    assert (
        "9 softmax nodes in the file. The runtime computes what it would for eager; the layout is sdpa"
        in parts.sentence("sdpa")
    )
    assert some.sentence("sdpa") == "attention is kept whole at 3 of 8 layers"
    assert "was not looked into" in unread.sentence("sdpa")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("task=export",), "export.weights is missing: fresh weights are of no use elsewhere"),
        (("export.format=tensorrt",), "export.format=tensorrt can't work: expected one of torchscript, onnx, openvino"),
        (("export.format=hailo",), "Install hailo_sdk_client"),
        (("export.opset=17", "export.format=torchscript"), "export.opset=17 can't work: expected null with another"),
        (("export.format=torchscript", "export.source=nowhere"), "nowhere can't work: expected an image, a folder or"),
        (
            ("export.format=torchscript", "export.half=true", "hardware=cpu"),
            "since TorchScript has fp16 on a GPU alone",
        ),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_starts(overrides: tuple[str, ...], sentence: str) -> None:
    weights = () if overrides == ("task=export",) else ("export.weights=best.pt",)
    with pytest.raises(ConfigError) as caught:
        compose_plan("task=export", *weights, *overrides)
    assert sentence in str(caught.value)


def test_a_missing_package_is_one_sentence_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdpa_exp.tasks.export.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"takes ncnn, pnnx, which .* pip install -e '\.\[export\]' in the clone, or set export"
    ):
        compose_plan("task=export", "export.weights=best.pt", "export.format=ncnn")
