"""task=export: export with the arm and with stock, compare with the source on real images, time all in turns."""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import BackendUnavailable, RunError, first_line
from sdpa_exp.injection.fit import check_sizes
from sdpa_exp.injection.inject import Choices, injected_copy
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.auto_attention import inference_choices
from sdpa_exp.tasks.export import FORMATS, Export
from sdpa_exp.tasks.export.attention_nodes import count_attention
from sdpa_exp.tasks.export.report import render_export
from sdpa_exp.tasks.hardware import set_backends
from sdpa_exp.tasks.latency.agreement import compare_outputs
from sdpa_exp.tasks.latency.arm import Arm, Options
from sdpa_exp.tasks.latency.detector import load_weights
from sdpa_exp.tasks.latency.interleave import time_interleaved
from sdpa_exp.tasks.latency.measure import Variant
from sdpa_exp.tasks.latency.setups import reasons_against
from sdpa_exp.tasks.latency.source import Batch, source_of, to_batches

EXPORT_FILE = "export.json"
SOURCE, STOCK = "source", "stock"
_CONF = 0.25
_NO_RUNTIME = (
    RuntimeError,
    ImportError,
    OSError,
    ValueError,
    NotImplementedError,
    AttributeError,
    TypeError,
    LookupError,
)
_log = logging.getLogger(__name__)


def export(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Export, compare, time. Fills `outcome`, `export.json`, `report.txt` and the exported files.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: the arm can't predict here, which an export traces.
        DatasetError: there is no image to compare on.
        AttestationError: the source ran something else than its arm.
        RunError: weights that can't be loaded, or an export that Ultralytics can't make.
    """
    _Exporting(plan, event_log, outcome, started_perf_s).run()


class _Exporting:
    def __init__(self, plan: Plan, event_log: EventLog, outcome: Outcome, started_perf_s: float) -> None:
        self.plan, self.event_log, self.outcome = plan, event_log, outcome
        self.options = Export.of(plan)
        device = torch.device(plan.hardware.device)
        self.clock = PhaseClock(event_log, started_perf_s=started_perf_s, device=device)
        self.weights = str(self.options.weights or plan.model.weights)
        self.content: dict[str, Any] = {
            "schema_version": 1,
            "format": self.options.format,
            "was_run_here": self.options.format in FORMATS,
            "weights": self.weights,
            "arm": plan.arm,
            "files": [],
            "not_compared": None,
            "runtime_precision": None,
            "agreement": [],
            "timing": None,
            "beside_stock": None,
        }

    def run(self) -> None:
        plan = self.plan
        torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
        set_backends(plan.hardware)
        try:
            source, _ = source_of(plan, self.outcome, self.options.source, self.options.num_images, key="export.source")
            batches = to_batches(source.frames, 1)
            key = "export.weights" if self.options.weights else "model.weights"
            network, trained_at = load_weights(self.weights, key=key, is_trusted=plan.model.trust_weights)
            imgsz = self.options.imgsz or trained_at
            self.content["imgsz"] = imgsz
            check_sizes(network, [(imgsz, imgsz)], key="export.imgsz")
            network = network.to(plan.hardware.device)
            arms = self._build(network, imgsz)
            try:
                if len(arms) > 1:
                    self._compare(arms, batches)
            except _NO_RUNTIME as error:  # of the runtime, while it runs the file
                self._not_compared(error)
            self.clock.enter("attestation")
            attestation = next(iter(arms.values())).attest(batches[0], stage="predict")
        finally:
            self.clock.close_into(self.outcome)
        self.content["attestation"] = attestation.summary()
        self.outcome.attest(self.event_log, attestation.summary())
        write_results(plan.run_dir / EXPORT_FILE, self.content, render_export)
        self.outcome.headline = f"exported {self.content['files'][0]['path']}"
        attestation.raise_if_wrong()

    def _build(self, network: nn.Module, imgsz: int) -> dict[str, Arm]:
        """The source, and what is exported of it; the files go into `content`."""
        plan, kind, backend = self.plan, self.options.format, self.plan.attention.backend
        choices = _choices(plan, network, imgsz)
        arms = {f"{SOURCE} (PyTorch)": Arm(network, backend, _arm_options(plan, imgsz), choices)}
        wanted = {plan.arm: (backend, choices)}
        if self.options.beside_stock and backend != STOCK:
            wanted[STOCK] = (STOCK, None)
        for arm, (each, chosen) in wanted.items():
            self.clock.enter(f"export_{arm}")
            self.event_log.write("progress", text=f"exporting with {arm}")
            folder = plan.run_dir / f"export_{arm}"
            folder.mkdir(exist_ok=True)
            model: Any = injected_copy(network, each, chosen)
            model.pt_path = str(folder / Path(self.weights).name)  # the exporter writes beside it
            path = _export(model, {**_overrides(plan), "imgsz": imgsz}, words=f"{Path(self.weights).name} with {arm}")
            self.content["files"].append(_describe(path, arm, kind, len(find_layers(network)), plan.run_dir))
            try:
                arms[f"{kind} {arm}"] = Arm(network, each, _arm_options(plan, imgsz), exported=path)
            except _NO_RUNTIME as error:
                self._not_compared(error)
        return arms

    def _not_compared(self, error: Exception) -> None:
        self.content["not_compared"] = reason = first_line(error)
        self.outcome.warn(self.event_log, "not_compared", f"the {self.options.format} file can't be run here: {reason}")

    def _compare(self, arms: dict[str, Arm], batches: list[Batch]) -> None:
        """Outputs against the source's, then all in turns."""
        source, exported, *_ = arms
        self.clock.enter("compare")
        self.event_log.write("progress", text=f"comparing on {len(batches)} images")
        for found in compare_outputs(arms, source, batches, len(batches)):
            self.content["agreement"].append(found.to_dict())
            if not found.is_close:
                self.outcome.warn(self.event_log, "outputs_differ", found.sentence())
        if self.options.format == "openvino":
            self.content["runtime_precision"] = _openvino_precision()
        self.clock.enter("timing")
        self.event_log.write("progress", text=f"timing {', '.join(arms)} in turns")
        samples = time_interleaved(
            arms,
            batches,
            other_shapes=[],
            num_batches=self.options.num_batches,
            time_limit_s=self.options.time_limit_s,
            seed=self.plan.seed,
        )
        variant = Variant(setup="fp32", batch=1, samples=samples)
        self.content["timing"] = variant.to_dict(source)
        stock = f"{self.options.format} {STOCK}"
        if stock in arms and stock != exported:
            self.content["beside_stock"] = variant.to_dict(stock)["arms"][exported]["speedup"]
        figures = self.content["timing"]["arms"][exported]
        self.outcome.metrics |= {
            "latency_p50_ms": figures["latency_ms"]["p50"],
            "model_p50_ms": figures["stages_ms"]["model"]["p50"],
            "fps": figures["fps"],
            "speedup": figures["speedup"]["median"],
        }


def _choices(plan: Plan, network: nn.Module, imgsz: int) -> Choices | None:
    """What auto chooses, and a refusal where the arm can't predict here."""
    backend = plan.attention.backend
    reasons = reasons_against(plan, backend, "fp32", network)
    if reasons:
        raise BackendUnavailable(
            f"attention={plan.arm} can't predict in fp32 here, which an export does once: {'; '.join(reasons)}. Choose "
            "attention=sdpa, which runs anywhere; the runtime of the exported file chooses its own kernel."
        )
    return inference_choices(plan, network, backend, "fp32", batch=1, imgsz=imgsz, channels_last=None)


def _arm_options(plan: Plan, imgsz: int) -> Options:
    """Square images for all, since most exported models take one size alone."""
    return Options(
        device=torch.device(plan.hardware.device),
        imgsz=imgsz,
        precision="fp32",
        conf=_CONF,
        run_dir=plan.run_dir,
        rect=False,
    )


def _openvino_precision() -> str:
    """What OpenVINO computes in on this CPU by its own choice; Ultralytics leaves it to it."""
    import openvino

    return str(openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())


def _overrides(plan: Plan) -> dict[str, Any]:
    options = Export.of(plan)
    return {
        "mode": "export",
        "format": options.format,
        "batch": 1,
        "quantize": 16 if options.half else None,
        "dynamic": options.dynamic,
        "opset": options.opset,
        "device": plan.hardware.device.removeprefix("cuda:"),
        "verbose": False,
    }


def _export(model: nn.Module, overrides: dict[str, Any], *, words: str) -> Path:
    """Ultralytics' own exporter."""
    from ultralytics.engine.exporter import Exporter

    before_s = time.perf_counter()
    try:
        with warnings.catch_warnings():  # tracing warns of every branch that it fixes
            warnings.simplefilter("ignore")
            written = Exporter(overrides=overrides)(model=model)
    except Exception as error:
        raise RunError(
            f"Ultralytics can't export {words} to {overrides['format']}: {first_line(error)}. The log of this run has "
            "the whole message; try another export.format, or attention=stock."
        ) from error
    _log.info("%s in %.1f s", written, time.perf_counter() - before_s)
    return Path(written).absolute()


def _describe(path: Path, arm: str, kind: str, num_layers: int, run_dir: Path) -> dict[str, Any]:
    nodes = count_attention(path, kind, num_layers)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {
        "arm": arm,
        "path": str(path.relative_to(run_dir)),
        "size_mib": sum(file.stat().st_size for file in files) / 2**20,
        "num_layers": nodes.num_layers,
        "num_attention_nodes": nodes.num_whole,
        "num_softmax_nodes": nodes.num_softmax,
        "attention": nodes.sentence(arm),
    }
