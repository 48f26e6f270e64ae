"""task=verify on a real model and real (rendered) images: honest arms pass, planted ones fail, all of it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sdpa_exp.errors import AttestationError, BackendUnavailable, EquivalenceError
from sdpa_exp.injection.build import build_network
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.verify.report import render_verify
from sdpa_exp.tasks.verify.work import verify
from tests.tasks.in_process import run_task

TINY = (
    "task=verify",
    "hardware=cpu",
    "hardware.batch=4",
    "hardware.num_threads=1",
    "dataset.num_train_images=2",
    "dataset.num_val_images=4",
    "dataset.image_px=96",
    "train.imgsz=64",
    "verify.num_images=2",
)


def run(folder: Path, *overrides: str) -> tuple[Outcome, dict[str, Any]]:
    outcome, _ = run_task(verify, folder, *TINY, *overrides)
    return outcome, json.loads((folder / "verify.json").read_text())


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict[str, Any]]:
    """All that verify compares, for an arm that is right."""
    return run(tmp_path_factory.mktemp("honest"), "attention=flash")


def test_an_honest_arm_passes_per_layer_and_precision_and_end_to_end(honest: tuple[Outcome, dict[str, Any]]) -> None:
    outcome, content = honest
    assert content["ok"]
    assert {(layer["precision"]) for layer in content["layers"]} == {"fp32", "bf16"}
    assert len(content["layers"]) == 2 * 8
    assert [part["name"] for part in content["layers"][0]["parts"]] == [
        *("product", "grad_q", "grad_k", "grad_v"),
        *("forward", "grad_input", "grad_params"),
    ]
    fp32, bf16 = content["end_to_end"]
    assert fp32["loss_backend"] == pytest.approx(fp32["loss_stock"], rel=1e-4)
    assert fp32["loss_stock"] > 0
    assert bf16["mean_plain_error"] > 10 * fp32["mean_plain_error"]
    assert content["attestation"]["executed"]["fp32_backward"] == {"flash": 8}
    assert outcome.metrics["error_ratio"] == pytest.approx(
        max(part["ratio"] for layer in content["layers"] for part in layer["parts"])
    )
    assert content["accuracy"] is None
    assert "verify.weights=path/to/best.pt" in content["accuracy_reason"]
    assert outcome.warnings[0]["code"] == "accuracy_not_compared"


def test_given_weights_are_evaluated_with_both_arms(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("yolo12n.yaml", 4)
    vars(network)["names"] = dict(enumerate("abcd"))
    torch.save({"model": network, "train_args": {}}, tmp_path / "best.pt")
    folder = tmp_path / "run"
    folder.mkdir()
    _, content = run(folder, "attention=sdpa", f"verify.weights={tmp_path / 'best.pt'}", "verify.precisions=[fp32]")
    assert set(content["accuracy"]) == {"stock", "sdpa"}
    assert set(content["accuracy"]["sdpa"]) == {"mAP50", "mAP50-95", "precision", "recall"}
    assert content["weights"] == str(tmp_path / "best.pt")


def test_a_planted_fault_fails_the_run_after_everything_is_written(tmp_path: Path) -> None:
    """One of the faults of test_equivalence.py, which has them all."""
    backend = "attention.backend='tests.evidence.faults:SCALE_OFF_BY_A_THOUSANDTH'"
    with pytest.raises(EquivalenceError, match=r"8 of 8 layers are wrong\. Look for a wrong scale"):
        run(tmp_path, "attention=eager", "attention.name=planted", backend, "verify.precisions=[fp32]")
    report = (tmp_path / "report.txt").read_text()
    assert "verdict: 8 of 8 layers WRONG" in report
    assert not json.loads((tmp_path / "verify.json").read_text())["ok"]


def test_a_backend_that_is_equal_because_it_is_another_one_is_caught(tmp_path: Path) -> None:
    with pytest.raises(AttestationError, match="ran explicit softmax instead of flash"):
        run(
            tmp_path,
            "attention=flash",
            "attention.backend='tests.evidence.test_attest:EXPLICIT'",
            "verify.precisions=[fp32]",
        )


def test_an_arm_that_cannot_run_in_any_precision_is_refused_with_reasons(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="attention=efficient can't run here: in fp32: it has no CPU kernel"):
        run(tmp_path, "attention=efficient")


def test_one_image_shows_where_stock_is_wrong_and_passes_an_arm_that_is_right(tmp_path: Path) -> None:
    """Where this PyTorch has the fault; without it the report has no such line."""
    outcome, content = run(tmp_path, "attention=flash", "verify.num_images=1", "verify.precisions=[fp32]")
    assert content["ok"]
    report = " ".join((tmp_path / "report.txt").read_text().split())
    codes = [warning["code"] for warning in outcome.warnings]
    assert ("stock_is_wrong" in codes) == ("Stock is wrong at" in report) == bool(content["stock_faults"])
    for fault in content["stock_faults"]:
        assert fault["severity"] == "error"
        assert fault["form"] == "NCHW"
        assert fault["operation"] == "backward of qkv.bn (BatchNorm2d)"


@pytest.mark.parametrize("columns", [80, 140])
def test_the_table_fits_the_terminal(
    columns: int, honest: tuple[Outcome, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = render_verify(honest[1])
    assert max(len(line) for line in text.splitlines()) <= columns
    assert "…" not in text


@pytest.mark.parametrize(("model", "num_layers"), [("yolo11n", 1), pytest.param("rtdetr_l", 1, marks=pytest.mark.slow)])
def test_other_families_are_verified_with_a_loss_that_is_the_same(model: str, num_layers: int, tmp_path: Path) -> None:
    _, content = run(tmp_path, f"model={model}", "attention=sdpa", "verify.precisions=[fp32]")
    assert [layer["ok"] for layer in content["layers"]] == [True] * num_layers
    (found,) = content["end_to_end"]
    assert found["loss_backend"] == pytest.approx(found["loss_stock"], rel=1e-4)


def test_auto_is_verified_with_what_it_chose(tmp_path: Path) -> None:
    _, content = run(tmp_path, "attention=auto", "verify.precisions=[fp32]")
    assert content["ok"]
    assert content["attestation"]["requested"] == "auto"


def test_math_in_bf16_is_attested_although_pytorch_computes_it_in_fp32_inside(tmp_path: Path) -> None:
    _, content = run(tmp_path, "attention=math", "verify.precisions=[bf16]")
    assert content["attestation"]["ok"]
