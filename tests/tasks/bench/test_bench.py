"""task=bench on a real, small model: what is measured, what is proven, and what happens to what can't be."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.backends.eager import BACKEND as EAGER
from sdpa_exp.attention.requirements import ANYWHERE
from sdpa_exp.errors import BackendUnavailable, ConfigError, RunError
from sdpa_exp.runs.metrics import TASK_METRICS
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.bench.report import render_bench
from sdpa_exp.tasks.bench.work import bench
from tests.tasks.in_process import run_task
from tests.tasks.planning import plan_of

TINY = (
    "task=bench",
    "hardware=cpu",
    "hardware.num_threads=1",
    "bench.op_shapes=[[1,2,64,16],[1,2,128,16],[1,2,256,16]]",
    "bench.imgsz=[64]",
    "bench.batches=[1]",
    "bench.rounds=2",
    "bench.time_limit_s=900",
)


def _full(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.14 GiB")


FULL = Backend(name="full", summary="never fits", function=_full, kernels=frozenset({"flash"}), requirements=ANYWHERE)


def _fails_when_watched(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    if torch.autograd.profiler._is_profiler_enabled:
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return EAGER.function(q, k, v, scale)  # type: ignore[misc]


UNPROVEN = dataclasses.replace(FULL, name="unproven", function=_fails_when_watched)


def run(folder: Path, *overrides: str) -> tuple[Outcome, dict[str, Any]]:
    outcome, _ = run_task(bench, folder, *TINY, *overrides)
    return outcome, json.loads((folder / "bench.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict[str, Any], Path]:
    """All levels with all arms that run here."""
    folder = tmp_path_factory.mktemp("bench")
    outcome, content = run(folder, "bench.decide=true")
    return outcome, content, folder


def test_every_level_is_measured_with_every_arm_that_runs_here(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    _, content, _ = whole
    cases = {(row["level"], row["what"]): row for row in content["cases"]}
    assert set(cases) == {
        ("op", "forward"),
        ("op", "forward+backward"),
        ("module", "forward"),
        ("module", "forward+backward"),
        ("inference", "forward"),
        ("step", "loss, backward, optimizer"),
    }
    for row in content["cases"]:
        real = {"eager", "sdpa", "flash", "math"} | (set() if row["level"] == "op" else {"stock", "identity"})
        assert set(row["arms"]) == real
        assert row["baseline"] == ("eager" if row["level"] == "op" else "stock")
        assert "it has no CPU kernel" in row["left_out"]["efficient"]
    assert len([row for row in content["cases"] if row["level"] == "op"]) == 6
    assert {row["name"] for row in content["cases"] if row["level"] == "module"} == {"P4 64 px b1", "P5 64 px b1"}
    assert content["left_out"]["flex"].startswith("it compiles for each shape")


def test_what_is_said_of_an_arm_follows_from_its_samples(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    _, content, _ = whole
    for row in content["cases"]:
        assert row["rounds"] == 2
        for label, arm in row["arms"].items():
            samples = sorted(row["seconds"][label])
            assert len(samples) == 2
            assert arm["median_ms"] == pytest.approx(sum(samples) / 2 * 1e3, rel=1e-3)
            assert arm["q1_ms"] <= arm["median_ms"] <= arm["q3_ms"] <= arm["p95_ms"]
            assert arm[f"{row['items']}_per_s"] == pytest.approx(row["num_items"] / arm["median_ms"] * 1e3)
            pairs = zip(row["seconds"][row["baseline"]], row["seconds"][label], strict=True)
            ratio = sum(base / own for base, own in pairs) / 2
            assert arm["speedup"] == [pytest.approx(ratio, rel=1e-2), None, None]  # too few rounds for an interval
            assert arm["warm_up"]["is_steady"] == (arm["warm_up"]["reason"] is None)


def test_each_arm_is_proven_by_its_kernels_and_equal_ones_are_named(
    whole: tuple[Outcome, dict[str, Any], Path],
) -> None:
    _, content, folder = whole
    wanted = {
        "stock": ["explicit softmax"],
        "eager": ["explicit softmax"],
        "sdpa": ["flash"],
        "flash": ["flash"],
        "math": ["math"],
        "identity": [],
    }
    for row in content["cases"]:
        has_backward = row["what"] != "forward"
        for label, arm in row["arms"].items():
            assert arm["kernels"] == {"forward": wanted[label], "backward": wanted[label] if has_backward else []}
        assert row["same_kernel"] == [["flash", "sdpa"]]
    assert "NOTE: flash and sdpa ran the same kernel" in (folder / "report.txt").read_text()


def test_memory_is_measured_and_energy_is_none_with_its_reason(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    _, content, _ = whole
    row = next(r for r in content["cases"] if r["level"] == "op" and r["tokens"] == 256 and r["what"] == "forward")
    weights_mib = row["batch"] * row["heads"] * 256 * 256 * 4 / 2**20
    assert row["arms"]["eager"]["memory"]["allocated_mib"] >= weights_mib
    assert row["arms"]["flash"]["memory"]["allocated_mib"] < weights_mib
    for arm in (arm for row in content["cases"] for arm in row["arms"].values()):
        assert arm["memory"]["allocated_mib"] > 0 or arm["kernels"]["forward"] == []
        assert arm["memory"]["reserved_mib"] is None
        assert arm["energy_j"] is None
        assert "only on CUDA" in arm["energy_reason"]


def test_growth_is_fitted_over_the_shapes_that_differ_in_n_only(
    whole: tuple[Outcome, dict[str, Any], Path],
) -> None:
    _, content, folder = whole
    fits = {(fit["what"], fit["arm"]): fit for fit in content["scaling"]}
    assert fits["forward", "eager"]["tokens"] == [64, 128, 256]
    assert fits["forward", "eager"]["memory_exponent"][0] == pytest.approx(2.0, abs=0.2)
    assert fits["forward", "flash"]["memory_exponent"][0] < 1.5
    assert (folder / "scaling.png").stat().st_size > 10_000
    assert (folder / "speedup.png").stat().st_size > 10_000


def test_the_floor_says_what_attention_costs(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    outcome, content, _ = whole
    floor = next(floor for floor in content["floors"] if floor["level"] == "step")
    row = content["cases"][floor["case"]]
    ratios = [a / b for a, b in zip(row["seconds"]["identity"], row["seconds"]["stock"], strict=True)]
    assert floor["attention_share"][0] == pytest.approx(1 - sum(ratios) / 2)
    assert outcome.metrics["attention_share"] == floor["attention_share"][0]


def test_the_headline_metrics_are_defined_and_complete(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    outcome, _, _ = whole
    assert set(outcome.metrics) <= set(TASK_METRICS)
    assert all(value is not None for value in outcome.metrics.values())
    assert outcome.metrics["num_cases"] == 6 + 4 + 2


def test_decisions_name_their_source_and_say_when_rounds_are_too_few(
    whole: tuple[Outcome, dict[str, Any], Path],
) -> None:
    _, content, folder = whole
    assert len(content["decisions"]) == len(content["cases"])
    assert content["decisions"][3]["source"] == "bench.json #3"
    text = (folder / "decision.md").read_text()
    assert "undecided: 2 rounds, 6 are needed for an interval" in text


@pytest.mark.parametrize("columns", [80, 140])
def test_the_report_fits_the_terminal(
    columns: int, whole: tuple[Outcome, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = render_bench(whole[1])
    assert max(len(line) for line in text.splitlines()) <= columns
    assert "…" not in text


def test_a_size_or_batch_that_cannot_work_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    outcome, content = run(
        tmp_path,
        "bench.levels=[module,inference]",
        "bench.arms=[stock,flash]",
        "bench.imgsz=[64,100]",
        "bench.batches=[1000000000]",
    )
    assert [row["level"] for row in content["cases"]] == ["inference"]
    reasons = {(case["level"], case["imgsz"]): case["reason"] for case in content["dropped"]}
    assert reasons["inference", 100] == "100 px is not a multiple of the model's stride 32: try 128"
    assert reasons["module", 64].startswith("batch 1000000000 at 64 px: it does not fit into memory")
    assert outcome.metrics["num_dropped_cases"] == 3
    assert outcome.metrics["step_speedup"] is None
    assert "no case of level step" in outcome.unmeasured["step_speedup"]
    assert [warning["code"] for warning in outcome.warnings][-1] == "cases_dropped"
    assert "dropped: module 64 px b1000000000" in (tmp_path / "report.txt").read_text()


def test_an_arm_that_fails_or_runs_something_else_is_left_out_with_its_reason(tmp_path: Path) -> None:
    arms = "[eager,flash,tests.tasks.bench.test_bench:FULL,tests.evidence.test_attest:EXPLICIT]"
    _, content = run(tmp_path, "bench.levels=[op]", f"bench.arms={arms}", "bench.op_shapes=[[1,2,64,16]]")
    for row in content["cases"]:
        assert set(row["arms"]) == set(row["seconds"]) == {"eager", "flash"}
        assert row["left_out"]["full"].startswith("it does not fit into memory (CUDA out of memory")
        (explicit,) = (row["left_out"][label] for label in row["left_out"] if label not in ("full",))
        assert explicit == "product ran explicit softmax instead of flash: its figures are withdrawn"


def test_an_arm_whose_proof_fails_keeps_no_figures(tmp_path: Path) -> None:
    arms = "bench.arms=[eager,tests.tasks.bench.test_bench:UNPROVEN]"
    _, content = run(tmp_path, "bench.levels=[op]", arms, "bench.op_shapes=[[1,2,64,16]]", "baseline=unproven")
    for row in content["cases"]:
        assert set(row["arms"]) == {"eager"}
        assert row["left_out"]["unproven"].startswith("timed, but not proven: it does not fit into memory")
        assert row["baseline"] is None
        assert row["arms"]["eager"]["speedup"] is None
    assert "fastest" not in (tmp_path / "report.txt").read_text()


def test_memory_that_runs_out_between_the_rounds_drops_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("sdpa_exp.tasks.bench.measure.time_interleaved", full)
    with pytest.raises(RunError, match=r"no case could be measured\. The first: it does not fit into memory"):
        run(tmp_path, "bench.levels=[op]", "bench.arms=[eager]", "bench.op_shapes=[[1,2,64,16]]")


def test_a_run_without_a_single_case_fails_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no case could be measured\. The first: no arm can run: cudnn: it has no CPU"):
        run(tmp_path, "bench.levels=[op]", "bench.arms=[cudnn]")
    assert (tmp_path / "bench.json").exists()


def test_what_the_time_limit_has_no_room_for_is_dropped_with_the_time_it_would_take(tmp_path: Path) -> None:
    _, content = run(
        tmp_path,
        "bench.levels=[op]",
        "bench.arms=[eager,sdpa]",
        "bench.op_shapes=[[1,2,256,32],[1,1,4096,64]]",
        "bench.time_limit_s=2",
    )
    assert 4096 not in {row["tokens"] for row in content["cases"]}
    assert "raise that, or name fewer arms, levels or sizes" in content["dropped"][-1]["reason"]
    assert "dropped, since bench.time_limit_s=2 has no room for" in (tmp_path / "report.txt").read_text()


def test_a_baseline_that_is_no_arm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BackendUnavailable, match=r"baseline=math is not among the arms of this benchmark: expected one"
    ):
        run(tmp_path, "bench.arms=[stock,sdpa]", "baseline=math")


def test_a_chosen_baseline_is_used(tmp_path: Path) -> None:
    _, content = run(
        tmp_path, "bench.levels=[op]", "bench.arms=[eager,sdpa,math]", "baseline=math", "bench.op_shapes=[[1,2,64,16]]"
    )
    assert {row["baseline"] for row in content["cases"]} == {"math"}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["bench.levels=[ops]"], "bench.levels=ops can't work: expected one of step, inference, module, op"),
        (["bench.arms=[stock,flsh]"], "bench.arms=flsh can't work: expected one of auto, cudnn"),
        (["bench.arms=[auto]"], "bench.arms=auto can't work"),
        (["bench.arms=[sdpa,sdpa]"], "bench.arms=[sdpa,sdpa] can't work: expected each arm once. Take out one sdpa."),
        (["bench.arms=[]"], "bench.arms=[] can't work: expected one or more"),
        (
            ["bench.op_shapes=[[8,8,256]]"],
            "expected [B,H,N,D] of numbers from 1 on. Set bench.op_shapes=",
        ),
        (["bench.imgsz=[0]"], "bench.imgsz=0 can't work: expected 1 or more"),
        (["bench.rounds=1"], "bench.rounds=1 can't work: expected 2 or more. Set bench.rounds=10."),
        (["bench.time_limit_s=0"], "bench.time_limit_s=0.0 can't work"),
        (["bench.margin=2"], "bench.margin=2.0 can't work: expected a share from 0 to 1"),
        (["bench.precisions=[fp8]"], "bench.precisions=fp8 can't work: expected one of fp32, fp16, bf16"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of("task=bench", *overrides, run_dir=tmp_path)
    assert sentence in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: events, allocator peaks, the energy counter")
def test_on_a_gpu_memory_comes_from_the_allocator_and_kernels_are_proven(tmp_path: Path) -> None:
    _, content = run(tmp_path, "hardware=auto", "bench.batches=[2]", "bench.precisions=[fp16]")
    assert content["rules"]["clock"] == "CUDA events"
    for row in content["cases"]:
        assert row["arms"]["flash"]["kernels"]["forward"] == ["flash"]
        for arm in row["arms"].values():
            assert arm["memory"]["reserved_mib"] >= 0
            assert arm["energy_j"] is not None or arm["energy_reason"]
