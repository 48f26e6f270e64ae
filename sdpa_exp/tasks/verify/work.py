"""task=verify: does this arm compute what stock computes, on the model's real feature maps?"""

from __future__ import annotations

import copy
import dataclasses
import time

import torch

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import check, refusal
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.real_batch import real_batch
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.evidence.attest import attestation_from
from sdpa_exp.evidence.end_to_end import EndToEnd, compare_end_to_end
from sdpa_exp.evidence.equivalence import compare_layers, versions
from sdpa_exp.evidence.layer_run import capture_calls
from sdpa_exp.evidence.rule import Equivalence, LayerEquivalence
from sdpa_exp.evidence.training_step import attest_training_step
from sdpa_exp.injection.inject import injected_copy
from sdpa_exp.injection.layers import Layer, find_layers, settings_of
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.auto_attention import resolve_auto
from sdpa_exp.tasks.by_device import native_precisions
from sdpa_exp.tasks.hardware import base_setting, capability_of
from sdpa_exp.tasks.network import build
from sdpa_exp.tasks.verify import Verify
from sdpa_exp.tasks.verify.report import render_verify
from sdpa_exp.tasks.verify.val_accuracy import val_accuracy

VERIFY_FILE = "verify.json"
_NO_ACCURACY = (
    "mAP was not compared: the weights are as initialised, and mAP of those is 0 whatever the attention. "
    "Give trained ones: verify.weights=path/to/best.pt"
)


def verify(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Compare the arm with stock at every layer and end to end; fills `outcome`, `verify.json` and `report.txt`.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: the backend can't run in any of the precisions.
        EquivalenceError: the rule is broken at a layer.
        AttestationError: something else ran than the backend, so that equal outputs prove nothing.
    """
    options = Verify.of(plan)
    prepared = prepare(plan.dataset, purpose=plan.purpose)
    outcome.digests["data_set"] = prepared.digest
    device = torch.device(plan.hardware.device)
    torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32 here
    imgsz = plan.imgsz
    batch = real_batch(
        prepared.yaml_path, imgsz=imgsz, num_images=options.num_images, device=device, purpose=plan.purpose.name
    )
    weights = options.weights or plan.model.weights
    network = build(
        plan,
        num_classes=len(prepared.class_names),
        weights=weights,
        images=batch["img"],
        keypoints=prepared.keypoints,
    ).to(device)
    layers = find_layers(network)
    refused = _refused(plan, layers, device)
    precisions = [name for name in _precisions(plan, device) if name not in refused]
    if not precisions:
        raise BackendUnavailable(refusal(plan.arm, [f"in {name}: {reason}" for name, reason in refused.items()]))

    backend = plan.attention.backend
    choices = resolve_auto(plan, network).backends if backend == AUTO_NAME else None
    tested = injected_copy(network, backend, choices)
    calls = capture_calls(network, batch["img"])
    found: list[LayerEquivalence] = []
    end_to_end: list[EndToEnd] = []
    evidence = []
    for name in precisions:
        dtype = DTYPES[name]
        found += compare_layers(network, backend, calls, dtype=dtype, max_ratio=options.max_ratio, choices=choices)
        end_to_end.append(compare_end_to_end(network, backend, batch, dtype=dtype, choices=choices))
        # A backend that is never called would be perfectly equal to stock.
        evidence += attest_training_step(tested, batch["img"], precision=name)
    equivalence = Equivalence(
        backend=backend, max_ratio=options.max_ratio, layers=tuple(found), versions=versions(device)
    )
    attestation = attestation_from(evidence, find_layers(tested))

    accuracy: dict[str, dict[str, float]] | None = None
    if weights:
        accuracy = {
            name: val_accuracy(model, plan, prepared.yaml_path, imgsz=imgsz)
            for name, model in {"stock": injected_copy(network, "stock"), plan.arm: copy.deepcopy(tested)}.items()
        }
    else:
        outcome.warn(event_log, "accuracy_not_compared", _NO_ACCURACY)
    if equivalence.stock_faults:
        outcome.warn(event_log, "stock_is_wrong", str(equivalence.stock_faults[0]))
    outcome.measure("error_ratio", equivalence.worst_ratio)
    outcome.measure("max_abs_diff", equivalence.max_diff)
    outcome.attest(event_log, attestation.summary())
    content = {
        **equivalence.to_dict(),
        "arm": plan.arm,
        "model": plan.model.name,
        "dataset": plan.dataset.name,
        "weights": weights,
        "imgsz": imgsz,
        "num_images": int(batch["img"].shape[0]),
        "device": str(device),
        "not_run": refused,
        "end_to_end": [vars(item) for item in end_to_end],
        "accuracy": accuracy,
        "accuracy_reason": None if accuracy else _NO_ACCURACY,
        "attestation": attestation.summary(),
    }
    write_results(plan.run_dir / VERIFY_FILE, content, render_verify)
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s
    equivalence.raise_if_wrong()
    attestation.raise_if_wrong()


def _precisions(plan: Plan, device: torch.device) -> list[str]:
    """Those asked for, or fp32 and the half precisions that the device computes natively."""
    asked = Verify.of(plan).precisions
    if asked is not None:
        return list(dict.fromkeys(asked))
    if device.type == "cuda":
        return list(native_precisions(capability_of(device)))
    return ["fp32", "bf16"] if device.type == "cpu" else ["fp32"]


def _refused(plan: Plan, layers: list[Layer], device: torch.device) -> dict[str, str]:
    """Precision -> why the backend can't run in it."""
    refused = {}
    for name in _precisions(plan, device):
        setting = dataclasses.replace(base_setting(plan), dtype=DTYPES[name], compiled=False)
        reasons = check(plan.attention.backend, *settings_of(layers, setting))
        if reasons:
            refused[name] = "; ".join(reasons)
    return refused
