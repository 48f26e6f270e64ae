"""One arm ready to predict: Ultralytics' own predictor with a backend injected, whose three stages are timed apart.

`ultralytics.engine.predictor.BasePredictor.stream_inference` calls `preprocess` (letterbox, transfer, scale to 0..1),
`inference` (the fused model) and `postprocess` (NMS where the model has none, boxes in pixels of the image) one after
the other, each between two synchronisations of the device. So does this, on the same object.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.evidence.attest import Attestation, attest_call, attestation_from
from sdpa_exp.injection.inject import Choices, injected_copy
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.measure.clock import synchronize
from sdpa_exp.tasks.latency.detector import purpose_of_network
from sdpa_exp.tasks.latency.source import Batch
from sdpa_exp.tasks.network import is_rtdetr, ultralytics_class

OUTPUT_FOLDER = "latency"


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Seconds of one batch."""

    pre_s: float
    model_s: float
    post_s: float


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all arms of a comparison share."""

    device: torch.device
    imgsz: int
    precision: str
    conf: float
    run_dir: Path
    channels_last: bool | None = None
    nms: bool | None = None
    iou: float | None = None
    rect: bool = True


class Arm:
    """A predictor with one backend; `purpose` is what its model is for."""

    def __init__(
        self,
        network: nn.Module,
        backend: str,
        options: Options,
        choices: Choices | None = None,
        *,
        exported: Path | None = None,
    ) -> None:
        """Inject, fuse and warm up.

        Args:
            network: not changed.
            backend: of its attention layers, with `choices` for auto.
            options: as the other arms have them.
            choices: layer -> backend.
            exported: a file that was made of the network, which is run in its place.
        """
        self._options = options
        self._is_rtdetr = is_rtdetr(network)
        purpose = purpose_of_network(network)
        assert purpose is not None  # weights of anything else are refused when they are loaded
        self.purpose = purpose.name
        self.predictor: Any = ultralytics_class("predictor", network, self.purpose)(
            overrides={
                "task": self.purpose,
                "mode": "predict",
                "imgsz": options.imgsz,
                "rect": options.rect,  # true is `yolo predict`'s own: no more padding than the stride asks for
                "conf": options.conf,
                **({} if options.iou is None else {"iou": options.iou}),
                "nms": options.nms,
                "quantize": 16 if options.precision == "fp16" else None,
                "channels_last": options.channels_last,
                "device": str(options.device).removeprefix("cuda:"),
                "project": str(options.run_dir),
                "name": OUTPUT_FOLDER,
                "exist_ok": True,
                "verbose": False,
            }
        )
        num_threads = torch.get_num_threads()
        model = injected_copy(network, backend, choices) if exported is None else str(exported)
        self.predictor.setup_model(model, verbose=False)
        torch.set_num_threads(num_threads)  # choosing a device resets it
        self.predictor.setup_source([torch.zeros(32, 32, 3, dtype=torch.uint8).numpy()])  # image size, source type
        # As stream_inference does; it also imports torchvision, without which Ultralytics falls back to a slower NMS.
        self.predictor.model.warmup(imgsz=(1, 3, options.imgsz, options.imgsz))
        if exported is None and self.predictor.model.end2end:
            settings = self.predictor.args
            head = {"max_det": max(settings.max_det, 300), "agnostic_nms": settings.agnostic_nms}
            self.network.set_head_attr(**head)  # type: ignore[operator]

    @property
    def network(self) -> nn.Module:
        """The fused model inside the predictor."""
        return self.predictor.model.backend.model  # type: ignore[no-any-return]

    @property
    def selects_itself(self) -> bool:
        """Whether the model ends in its own choice of boxes, so that nothing is left for an NMS."""
        return bool(getattr(self.predictor.model, "end2end", False)) or self._is_rtdetr

    @property
    def is_channels_last(self) -> bool:
        """The memory format that the weights have in the end."""
        weights = [m.weight for m in self.network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
        return any(
            weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous() for weight in weights
        )

    @property
    def is_half(self) -> bool:
        """Whether the model computes in fp16 in the end."""
        return bool(self.predictor.model.fp16)

    def run(self, batch: Batch) -> Stages:
        """Predict one batch and say how long each stage took."""
        return self.predict(batch)[0]

    @torch.inference_mode()
    def predict(self, batch: Batch) -> tuple[Stages, list[Any]]:
        """The same, with Ultralytics' Results."""
        images = self._take(batch)
        times_s = [self._now_s()]
        tensor = self.predictor.preprocess(images)
        times_s.append(self._now_s())
        raw = self.predictor.inference(tensor)
        times_s.append(self._now_s())
        results = self.predictor.postprocess(raw, tensor, images)
        times_s.append(self._now_s())
        pre_s, model_s, post_s = (after - before for before, after in itertools.pairwise(times_s))
        return Stages(pre_s=pre_s, model_s=model_s, post_s=post_s), results

    @torch.inference_mode()
    def outputs(self, batch: Batch) -> tuple[Tensor, list[Any]]:
        """The model's raw output in fp32, copied since NMS writes into it, and Ultralytics' Results."""
        images = self._take(batch)
        tensor = self.predictor.preprocess(images)
        raw = self.predictor.inference(tensor)
        first = raw
        while not isinstance(first, Tensor):  # boxes come first, then masks and what training needs
            first = first[0]
        return first.detach().float().clone(), self.predictor.postprocess(raw, tensor, images)

    @torch.inference_mode()
    def input_shape(self, batch: Batch) -> tuple[int, ...]:
        """The shape of a batch after the letterbox."""
        return tuple(self.predictor.preprocess(self._take(batch)).shape)

    def attest(self, batch: Batch, *, stage: str) -> Attestation:
        """Which kernels run at each layer for this batch. Call it after all timing: a profiler may slow a process."""
        with torch.inference_mode():
            tensor = self.predictor.preprocess(self._take(batch))

        @torch.inference_mode()
        def call() -> None:
            self.predictor.inference(tensor)

        evidence = attest_call(self.network, call, stage=stage, backward=False, dtype=self._options.precision)
        return attestation_from(evidence, find_layers(self.network))

    def _take(self, batch: Batch) -> list[Any]:
        images = list(batch.images)
        self.predictor.batch = (list(batch.paths), images, [""] * len(images))
        return images

    def _now_s(self) -> float:
        synchronize(self._options.device)
        return time.perf_counter()
