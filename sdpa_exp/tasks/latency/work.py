"""task=latency: how fast is inference with this arm, beside the baseline, on real images?"""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import torch
from torch import nn

from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import BackendUnavailable, RunError, first_line
from sdpa_exp.evidence.attest import Attestation
from sdpa_exp.injection.fit import check_sizes
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_json_atomic, write_results, write_text_atomic
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.hardware import set_backends
from sdpa_exp.tasks.latency import Latency
from sdpa_exp.tasks.latency.agreement import compare_outputs
from sdpa_exp.tasks.latency.arm import Arm
from sdpa_exp.tasks.latency.detector import Detector, load_detector
from sdpa_exp.tasks.latency.figure import Panel, draw_latencies
from sdpa_exp.tasks.latency.interleave import time_interleaved
from sdpa_exp.tasks.latency.measure import ROW_NAMES, Variant, fill_metrics, shapes_of
from sdpa_exp.tasks.latency.report import render_latency
from sdpa_exp.tasks.latency.setups import Setup, baseline_of, build_arms, setups_of
from sdpa_exp.tasks.latency.source import Source, source_of, to_batches

LATENCY_FILE = "latency.json"
SAMPLES_FILE = "latency_samples.csv"
PICTURE_FILE = "latency.png"
NUM_COMPARED = 8
"""Images whose predictions are compared between arms."""
_FRESH = (
    "the weights are as initialised: what they detect is noise, and post (NMS) takes another time than with trained "
    "ones; pre and model hold. Give trained ones: latency.weights=path/to/best.pt"
)


def measure_latency(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Time all arms, interleaved; then see what ran. Fills `outcome`, `latency.json`, `report.txt` and a picture.

    Arguments as in `Task.run`.

    Raises:
        DatasetError: there is no image, or one that can't be read.
        BackendUnavailable: the plan's arm runs in none of the precisions.
        AttestationError: an arm ran something else than its backend.
        ConfigError: an image size that a layer's areas don't fit.
        RunError: the weights can't be loaded, or nothing fits into memory.
    """
    _Measurement(plan, event_log, outcome, started_perf_s).run()


class _Measurement:
    """One run of the task; `content` is latency.json, written again after every batch size."""

    def __init__(self, plan: Plan, event_log: EventLog, outcome: Outcome, started_perf_s: float) -> None:
        self.plan, self.event_log, self.outcome = plan, event_log, outcome
        self.device = torch.device(plan.hardware.device)
        self.clock = PhaseClock(event_log, started_perf_s=started_perf_s, device=self.device)
        self.baseline = baseline_of(plan)
        self.variants: list[Variant] = []
        self.content: dict[str, Any] = {}
        self.started_perf_s = started_perf_s

    def run(self) -> None:
        plan = self.plan
        torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
        set_backends(plan.hardware)
        options = Latency.of(plan)
        source, num_classes = source_of(plan, self.outcome, options.source, options.num_images, key="latency.source")
        detector = load_detector(plan, source.frames, num_classes)
        network = detector.network.to(self.device)
        self.content = self._head(source, detector)
        self._warn_about(source, detector)
        try:
            built = [arms for setup in setups_of(plan) if (arms := self._build(network, detector.imgsz, setup))]
            self._require_own_arm(built)
            for arms in built:
                self._measure(arms, source)
            self.clock.enter("attestation")
            attestations = self._attest(built, source)
        finally:
            self.clock.close_into(self.outcome)
        self._finish(attestations)

    def _head(self, source: Source, detector: Detector) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "arm": self.plan.arm,
            "baseline": self.baseline,
            "network": detector.name,
            "weights": detector.weights,
            "imgsz": detector.imgsz,
            "conf": Latency.of(self.plan).conf,
            "source": {
                "words": source.words,
                "num_images": len(source.frames),
                "num_found": source.num_found,
                "sizes_px": sorted({(f.pixels.shape[1], f.pixels.shape[0]) for f in source.frames})[:20],
            },
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device),
            "num_threads": torch.get_num_threads(),
            "boxes_by": None,
            "variants": [],
            "not_run": [],
            "agreement": [],
            "attestation": {},
            "warnings": [],
        }

    def _warn_about(self, source: Source, detector: Detector) -> None:
        if detector.weights is None:
            self._warn("fresh_weights", _FRESH)
        if source.num_videos_left_out:
            self._warn("videos_left_out", f"{source.num_videos_left_out} videos beside the images were left out")
        largest = max(Latency.of(self.plan).batches)
        if len(source.frames) < largest:
            self._warn("images_repeated", f"{len(source.frames)} images fill a batch of {largest} by being repeated")

    def _warn(self, code: str, message: str) -> None:
        self.outcome.warn(self.event_log, code, message)
        self.content["warnings"].append(message)

    def _build(self, network: nn.Module, imgsz: int, setup: Setup) -> dict[str, Arm]:
        arms, not_run = build_arms(self.plan, network, imgsz, setup)
        self.content["not_run"] += not_run
        return arms

    def _require_own_arm(self, built: list[dict[str, Arm]]) -> None:
        if any(self.plan.arm in arms for arms in built):
            return
        own = [item for item in self.content["not_run"] if item["arm"] == self.plan.arm]
        words = "; ".join(f"in {item['setup']}: {item['reason']}" for item in own)
        raise BackendUnavailable(
            f"attention={self.plan.arm} can't predict here: {words}. See latency.precisions, and task=doctor."
        )

    def _measure(self, arms: dict[str, Arm], source: Source) -> None:
        """Compare the outputs of the arms, then time them for every batch size."""
        plan = self.plan
        first = next(iter(arms.values()))
        shapes = shapes_of(first, to_batches(source.frames, 1))
        check_sizes(first.network, [(shape[-2], shape[-1]) for shape in shapes], key="latency.imgsz")
        setup = f"{'fp16' if first.is_half else 'fp32'}, {'channels_last' if first.is_channels_last else 'NCHW'}"
        self.content["boxes_by"] = "no NMS: the model selects" if first.selects_itself else "NMS"
        if self.baseline in arms and len(arms) > 1:
            batches = to_batches(source.frames, 1)
            for found in compare_outputs(arms, self.baseline, batches, NUM_COMPARED):
                self.content["agreement"].append({"setup": setup, **found.to_dict()})
                if not found.is_close:
                    self.outcome.warn(self.event_log, "outputs_differ", found.sentence())
        for size in dict.fromkeys(Latency.of(plan).batches):
            batches = to_batches(source.frames, size)
            self.clock.enter(Variant(setup=setup, batch=size, samples=None).label)
            try:
                shapes = shapes_of(first, batches)
                samples = time_interleaved(
                    arms,
                    batches,
                    other_shapes=list(shapes.values())[1:],
                    num_batches=Latency.of(plan).num_batches,
                    time_limit_s=Latency.of(plan).time_limit_s,
                    seed=plan.seed,
                )
                variant = Variant(setup=setup, batch=size, samples=samples, input_shapes=tuple(shapes))
            except torch.OutOfMemoryError as error:
                variant = Variant(setup=setup, batch=size, samples=None, not_run=first_line(error))
                torch.cuda.empty_cache()
            self.clock.enter("setup")
            if variant.samples is not None and not variant.samples.is_steady:
                self._warn("not_steady", f"{variant.label}: the model's time was not steady when its warm-up was over")
            self.variants.append(variant)
            self.content["variants"].append(variant.to_dict(self.baseline))
            write_json_atomic(plan.run_dir / LATENCY_FILE, self.content)

    def _attest(self, built: list[dict[str, Arm]], source: Source) -> dict[str, Attestation]:
        """What each arm runs, in every setup, at the smallest batch."""
        (batch, *_) = to_batches(source.frames, min(Latency.of(self.plan).batches))
        found: dict[str, Attestation] = {}
        for arms in built:
            for name, arm in arms.items():
                words = f"{'fp16' if arm.is_half else 'fp32'}_{'channels_last' if arm.is_channels_last else 'nchw'}"
                found[name] = _joined(found.get(name), arm.attest(batch, stage=words))
        return found

    def _finish(self, attestations: dict[str, Attestation]) -> None:
        plan, outcome = self.plan, self.outcome
        self.content["attestation"] = {name: found.summary() for name, found in attestations.items()}
        outcome.attest(self.event_log, attestations[plan.arm].summary())
        fill_metrics(self.content, outcome)
        write_results(plan.run_dir / LATENCY_FILE, self.content, render_latency)
        table = io.StringIO()
        csv.writer(table).writerows([ROW_NAMES, *(row for variant in self.variants for row in variant.rows())])
        write_text_atomic(plan.run_dir / SAMPLES_FILE, table.getvalue())
        panels = [
            Panel(title=f"{v.setup}, batch {v.batch}", samples=v.samples)
            for v in self.variants
            if v.samples is not None
        ]
        if not panels:
            reasons = "; ".join(dict.fromkeys(str(variant.not_run) for variant in self.variants))
            raise RunError(f"no batch of latency.batches fits into memory: {reasons}. Set latency.batches=[1].")
        title = f"{self.content['network']} at {self.content['imgsz']} px, {self.content['device']}"
        draw_latencies(panels, self.baseline, title, plan.run_dir / PICTURE_FILE)
        outcome.phases_s["total"] = time.perf_counter() - self.started_perf_s
        for found in attestations.values():
            found.raise_if_wrong()


def _joined(before: Attestation | None, now: Attestation) -> Attestation:
    """The evidence of several setups of one arm."""
    if before is None:
        return now
    return Attestation(
        requested=now.requested,
        evidence=(*before.evidence, *now.evidence),
        mismatches=(*before.mismatches, *now.mismatches),
        num_layers=now.num_layers,
        choices=before.choices,
    )
