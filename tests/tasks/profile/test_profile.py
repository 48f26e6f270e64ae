"""task=profile on a real (tiny) training: what it says agrees with torch's own sums, and with what is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.errors import BackendUnavailable, ConfigError, RunError
from sdpa_exp.evidence.labels import LAYER_LABEL
from sdpa_exp.runs.metrics import TASK_METRICS
from sdpa_exp.tasks.profile import parts
from sdpa_exp.tasks.profile.attribution import attribute
from sdpa_exp.tasks.profile.report import render_profile
from tests.tasks.planning import plan_of
from tests.tasks.profile.profiling import TINY, Profiled, profiled

_EVENT = "autograd::engine::evaluate_function: "
_STOCK_OPS = ("aten::matmul", "aten::softmax", "aten::mul")
_TOLERANCE = 1e-6  # the same events are summed in another way


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setenv("SDPA_EXP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    return patch


@pytest.fixture(scope="module")
def sdpa(cache: pytest.MonkeyPatch, no_trackers: None, tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    return profiled(tmp_path_factory.mktemp("sdpa"), "attention=sdpa")


@pytest.fixture(scope="module")
def stock(cache: pytest.MonkeyPatch, no_trackers: None, tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    """Gradients gathered over two steps, so that an update is two steps."""
    return profiled(tmp_path_factory.mktemp("stock"), "attention=stock", "train.nbs=4", "profile.trace=false")


def sums(run: Profiled) -> Counter[str]:
    """torch's own key_averages over the same events: name -> seconds, everything inside included."""
    averages = run.events.key_averages()
    return Counter({event.key: event.cpu_time_total * 1e-6 for event in averages})


def is_directly_in_layer(event: Any) -> bool:
    """Whether the nearest range or operation around an event is a layer's range."""
    return event.cpu_parent is not None and event.cpu_parent.name.startswith(LAYER_LABEL)


def part_s(run: Profiled, key: parts.Key, direction: str = "total_s") -> float:
    """Seconds of all profiled steps, to be compared with sums over them."""
    share = next(share for share in run.breakdown.shares if share.key == key)
    return float(getattr(share, direction)) * len(run.breakdown.steps_s)


def test_the_parts_add_up_to_the_wall_time_of_the_steps(sdpa: Profiled, stock: Profiled) -> None:
    for run in (sdpa, stock):
        total_s = sum(share.total_s for share in run.breakdown.shares)
        assert total_s == pytest.approx(run.breakdown.step_s)
        assert sum(run.breakdown.steps_s) == pytest.approx(sums(run)[parts.STEP_LABEL], rel=_TOLERANCE)
        assert all(share.forward_s >= 0 and share.backward_s >= 0 for share in run.breakdown.shares)


def test_the_product_is_what_key_averages_says_of_its_operations(sdpa: Profiled) -> None:
    """In YOLO12 nothing but the layers calls SDPA, so that its operations are the product, whatever the labels say."""
    known = sums(sdpa)
    assert part_s(sdpa, "product", "forward_s") == pytest.approx(
        known["aten::scaled_dot_product_attention"], rel=_TOLERANCE
    )
    backward = known[_EVENT + "ScaledDotProductFlashAttentionForCpuBackward0"]
    assert part_s(sdpa, "product", "backward_s") == pytest.approx(backward, rel=_TOLERANCE)


def test_convolutions_loss_and_optimiser_are_what_key_averages_says(sdpa: Profiled, stock: Profiled) -> None:
    for run in (sdpa, stock):
        known = sums(run)
        convolutions = known["aten::conv2d"]
        inside = part_s(run, "projection", "forward_s")
        assert part_s(run, "conv", "forward_s") < convolutions
        assert part_s(run, "conv", "forward_s") + inside > convolutions  # projections have norms besides
        assert part_s(run, "loss", "forward_s") == pytest.approx(known[parts.PART_LABEL + parts.LOSS], rel=_TOLERANCE)
        optimiser = known[parts.PART_LABEL + parts.OPTIMISER]
        assert part_s(run, "optimiser") == pytest.approx(optimiser, rel=_TOLERANCE)
        assert optimiser > known["Optimizer.step#AdamW.step"] > 0


def test_stock_pays_for_its_softmax_at_every_layer_forward_and_backward(stock: Profiled) -> None:
    known = sums(stock)
    below = sum(
        event.cpu_time_total for event in stock.events if event.name in _STOCK_OPS and is_directly_in_layer(event)
    )
    assert part_s(stock, "product", "forward_s") == pytest.approx(below * 1e-6, rel=_TOLERANCE)
    assert part_s(stock, "product", "forward_s") <= sum(known[name] for name in _STOCK_OPS)
    nodes = ("Bmm", "Softmax", "Mul", "Expand", "UnsafeView", "ReshapeAlias", "Clone")
    at_most = sum(known[f"{_EVENT}{node}Backward0"] for node in nodes)
    assert known[_EVENT + "BmmBackward0"] < part_s(stock, "product", "backward_s") <= at_most
    assert len(stock.breakdown.product_by_layer) == 8
    assert all(forward > 0 and backward > 0 for forward, backward in stock.breakdown.product_by_layer.values())


def test_almost_no_backward_is_left_without_a_part(sdpa: Profiled, stock: Profiled) -> None:
    for run in (sdpa, stock):
        known = sums(run)
        unknown = part_s(run, "other", "backward_s") - known[_EVENT + "torch::autograd::AccumulateGrad"]
        all_backward = sum(seconds for name, seconds in known.items() if name.startswith(_EVENT))
        assert unknown < 0.2 * all_backward  # 1 % on a calm machine; everything, were the numbers not understood


def test_an_update_over_two_steps_is_profiled_whole(stock: Profiled) -> None:
    assert stock.content["accumulate"] == 2
    assert len(stock.content["step"]["steps_s"]) == 2
    assert sum(event.name == parts.PART_LABEL + parts.OPTIMISER for event in stock.events) == 1


def test_the_bound_and_the_check_are_metrics(sdpa: Profiled) -> None:
    metrics = sdpa.outcome.metrics
    assert set(metrics) <= set(TASK_METRICS)
    share = metrics["product_share"]
    assert share is not None
    assert 0 < share < 1
    assert metrics["amdahl_bound"] == pytest.approx(1 / (1 - share))
    assert metrics["identity_speedup"] == sdpa.content["times"]["speedup"]
    assert sdpa.content["times"]["num_pairs"] == 2


def test_every_layer_has_its_backend_back_after_the_timing(sdpa: Profiled) -> None:
    """Otherwise the profiled steps and the attestation would have seen out = v."""
    assert sdpa.outcome.attestation is not None
    assert sdpa.outcome.attestation["ok"]
    assert sdpa.outcome.attestation["executed"]["train_forward"] == {"flash": 8}


def test_weights_gradients_and_optimiser_state_have_the_size_of_the_model(sdpa: Profiled) -> None:
    memory = sdpa.content["memory"]
    assert memory["ema"] == pytest.approx(memory["weights"])
    assert memory["optimiser"] == pytest.approx(2 * memory["gradients"], rel=0.01)  # Adam's two moments
    assert memory["batch"] == pytest.approx(2 * 3 * 96 * 96 * 4 / 2**20, rel=0.05)


def test_the_peak_is_the_sum_of_what_is_in_it(sdpa: Profiled, stock: Profiled) -> None:
    for run in (sdpa, stock):
        memory = run.content["memory"]
        held = sum(memory[key] for key in ("weights", "ema", "optimiser", "batch"))
        assert memory["peak"] >= held + memory["saved"]
        assert memory["temporary"] >= 0
        assert memory["saved_attention"] == pytest.approx(
            sum(sum(layer.values()) for layer in memory["saved_by_layer"].values())
        )
        assert 0 < memory["saved_attention"] < memory["saved"]
        assert memory["rss"] > memory["peak"]  # libraries and all


def test_cuda_figures_are_null_with_a_reason_on_a_cpu(sdpa: Profiled) -> None:
    memory = sdpa.content["memory"]
    assert memory["peak_reserved"] is None
    assert "CUDA only" in memory["unmeasured"]["peak_reserved"]
    assert sdpa.content["step"]["busy_s"] is None


def test_the_run_folder_has_trace_pictures_and_report(sdpa: Profiled, stock: Profiled) -> None:
    for name in ("trace.json.gz", "profile_step.png", "profile_memory.png", "report.txt"):
        assert (sdpa.folder / name).stat().st_size > 0
    assert (sdpa.folder / "trace.json.gz").stat().st_size < 4 * 2**20
    assert not (stock.folder / "trace.json.gz").exists()


@pytest.mark.parametrize("columns", [80, 140])
def test_the_report_fits_the_terminal(
    columns: int, sdpa: Profiled, stock: Profiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for run in (sdpa, stock):
        text = render_profile(run.content)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
        assert "…" not in text
        assert "so that no other attention can make the step more than" in " ".join(text.split())


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.02, 1.06, "does not contradict the profiler: 1.053 lies inside its interval. A step"),
        (0.97, 1.06, "it also holds 1, which is no gain at all. A larger profile.num_pairs makes it narrower"),
        (0.97, 1.01, "The check finds less than the profiler's 1.053"),
        (1.2, 1.3, "The check finds more than the profiler's 1.053"),
        (None, None, "The check can't confirm this: its pairs of steps do not vary"),
    ],
)
def test_the_report_says_whether_bound_and_check_agree(
    low: float | None, high: float | None, words: str, sdpa: Profiled
) -> None:
    keys = [part.key for part in parts.PARTS]
    shares = [{"key": key, "forward_s": 0.05 if key == "product" else 0.0, "backward_s": 0.0} for key in keys]
    content = {
        **sdpa.content,
        "step": {**sdpa.content["step"], "step_s": 1.0, "shares": shares},
        "times": {**sdpa.content["times"], "speedup_low": low, "speedup_high": high},
        "metrics": {**sdpa.content["metrics"], "amdahl_bound": 1 / 0.95},
    }
    assert words in " ".join(render_profile(content).split())


@pytest.mark.parametrize(
    ("profiled_s", "words"),
    [
        (0.71, "710.0 ms with the profiler and 1000.0 ms without. A profiler can only make it longer"),
        (0.98, "the profiler cost nothing that one could see"),
        (1.25, "25 % more. The profiler adds some time to each operation"),
    ],
)
def test_the_report_says_what_the_profiler_cost(profiled_s: float, words: str, sdpa: Profiled) -> None:
    content = {
        **sdpa.content,
        "step": {**sdpa.content["step"], "step_s": profiled_s},
        "times": {**sdpa.content["times"], "step_s": 1.0},
    }
    assert words in " ".join(render_profile(content).split())


def test_a_layer_without_a_product_in_the_trace_is_an_error(sdpa: Profiled) -> None:
    arguments = sdpa.arguments | {"expected_layers": ["model.8.m.0.0.attn", "model.99.attn"]}
    with pytest.raises(RunError, match=r"saw no attention product forward at model\.99\.attn .* task=verify"):
        attribute(sdpa.events, **arguments)


def test_a_trace_without_labels_is_an_error(sdpa: Profiled) -> None:
    events = [event for event in sdpa.events if not event.name.startswith("sdpa_exp.")]
    with pytest.raises(RunError, match="saw not one step in the profiled steps"):
        attribute(events, **sdpa.arguments)


def test_an_arm_that_cannot_train_is_refused_before_anything_runs(cache: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="attention=identity can't run here"):
        profiled(tmp_path, "attention=identity")


def test_too_short_a_recipe_is_refused_with_the_number_it_takes(
    cache: pytest.MonkeyPatch, no_trackers: None, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"ends after 1 epochs of 3 steps, .* needs 5 epochs"):
        profiled(tmp_path, "hardware.batch=8", "train.nbs=8", "train.epochs=1")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["profile.num_pairs=1"], "profile.num_pairs=1 can't work: expected 2 or more"),
        (["profile.num_steps=0"], "profile.num_steps=0 can't work: expected 1 or more"),
        (["profile.num_steps=51"], "profile.num_steps=51 can't work: expected at most 50"),
        (["profile.warmup_steps=0"], "profile.warmup_steps=0 can't work: expected 1 or more"),
        (["train.compile=true"], "train.compile=True can't work: expected false with task=profile"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(*TINY, *overrides, run_dir=tmp_path)
    assert sentence in str(caught.value)
