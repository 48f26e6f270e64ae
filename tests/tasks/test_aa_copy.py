"""An A/A copy, trained: it starts one ulp away from its original, sees the same data, and ends elsewhere."""

from __future__ import annotations

from pathlib import Path

import torch
from ultralytics.utils.torch_utils import unwrap_model

from sdpa_exp.callbacks.attach import attach
from sdpa_exp.callbacks.data_stream import DataStream
from sdpa_exp.callbacks.perturbation import PerturbationNote
from sdpa_exp.config.plan import Job
from sdpa_exp.data.prepare import prepare
from sdpa_exp.injection.trainer import trainer_class
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.tasks.training import train_arguments
from tests.injection.test_perturb import ulps
from tests.tasks.test_preflight import plan_for


def train(folder: Path, *, perturb_seed: int | None) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The weights that the first step starts from, and the digests of a training of two steps."""
    folder.mkdir()
    plan = plan_for("stock", job=Job(run_dir=str(folder)))
    plan.train.imgsz, plan.train.epochs, plan.train.plots = 32, 1, False
    plan.hardware.batch, plan.hardware.workers = 2, 0
    trainer = trainer_class(plan.model.architecture)(
        backend="stock",
        overrides=train_arguments(plan, prepare(plan.dataset).yaml_path),
        perturb_seed=perturb_seed,
    )
    stream = DataStream(EventLog(folder))
    attach(trainer, stream, PerturbationNote(EventLog(folder)))
    start: dict[str, torch.Tensor] = {}

    def keep(trainer: object) -> None:
        state = unwrap_model(trainer.model).state_dict()  # type: ignore[attr-defined]
        start.update({name: tensor.clone() for name, tensor in state.items()})

    trainer.add_callback("on_pretrain_routine_end", keep)
    trainer.train()
    return start, stream.digests


def test_a_copy_starts_one_ulp_away_sees_the_same_data_and_ends_elsewhere(tmp_path: Path, no_trackers: None) -> None:
    original, original_digests = train(tmp_path / "stock", perturb_seed=None)
    copy, copy_digests = train(tmp_path / "copy", perturb_seed=0)
    distances = {name: ulps(original[name].float(), copy[name].float()) for name in original}
    assert max(int(distance.max()) for distance in distances.values()) == 1
    assert int(distances["model.6.m.0.0.attn.qkv.conv.weight"].min()) == 1
    assert all(int(distance.max()) == 0 for name, distance in distances.items() if "running" in name or "dfl" in name)
    assert copy_digests["data_stream"] == original_digests["data_stream"]
    assert copy_digests["initial_weights"] != original_digests["initial_weights"]
    assert copy_digests["final_weights"] != original_digests["final_weights"]
    assert [event["event"] for event in read_events(tmp_path / "stock")] == ["data_stream"]
    note = next(event for event in read_events(tmp_path / "copy") if event["event"] == "perturbation")
    assert note["num_moved"] > 2_000_000
