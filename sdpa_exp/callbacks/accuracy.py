"""Measures how well best.pt detects, from the predictions of Ultralytics' own final evaluation: nothing runs twice.

Ultralytics keeps the predictions of a validation only as its statistics need them, so the validator's
`update_metrics` is accompanied during the final evaluation, on that one object, and let go afterwards.

A fault in here costs the run these figures and leaves a warning; the training and its attestation go on, and the mAP is
Ultralytics'.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import distributed as dist
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.utils import ops
from ultralytics.utils.metrics import smooth

from sdpa_exp.accuracy.predictions import Predictions
from sdpa_exp.accuracy.summary import BestConfidence, ClassFigures, Summary, summarise
from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.callbacks.event_log import EpochEventLog
from sdpa_exp.runs.files import ACCURACY_FILE, write_json_atomic
from sdpa_exp.runs.purposes import DETECT, Purpose
from sdpa_exp.runs.ranks import rank

logger = logging.getLogger(__name__)

NOT_EVALUATED = "best.pt was not evaluated"
_CURVES = ("mAP50-95", "mAP50")
_SMOOTHING = 0.1  # as in ap_per_class, Ultralytics 8.4.190


class PredictionRecorder:
    """Collects what a DetectionValidator predicts, in pixels of the original images.

    Args:
        purpose: says where the validator keeps which predictions are right: by boxes, masks or poses.
    """

    def __init__(self, purpose: Purpose = DETECT) -> None:
        self._purpose = purpose
        self._parts: dict[str, list[Any]] = {name: [] for name in ("predicted", "hits", "labels", "labelled")}
        self._seconds = 0.0
        self._failure: Exception | None = None

    @property
    def wall_s(self) -> float:
        """What collecting has cost so far."""
        return self._seconds

    def accompany(self, validator: Any) -> None:
        """Collect from now on; an earlier validation of the same object is forgotten.

        Of a run in several processes the first one has all at the end: each evaluates images that follow one another,
        so that they come together in the order of one process.
        """
        update, gather = validator.update_metrics, validator.gather_stats

        def update_and_keep(preds: list[dict[str, Any]], batch: dict[str, Any]) -> None:
            update(preds, batch)
            since_s = time.perf_counter()
            try:
                if self._failure is None:
                    self._keep(validator, preds, batch)
            except Exception as error:  # noqa: BLE001 - raised when the figures are asked for, not in the evaluation
                self._failure = error
            self._seconds += time.perf_counter() - since_s

        def gather_both() -> None:
            gather()
            if dist.is_available() and dist.is_initialized():
                self._gather()

        validator.update_metrics, validator.gather_stats = update_and_keep, gather_both

    @staticmethod
    def leave(validator: Any) -> None:
        """Give the validator its own methods back."""
        vars(validator).pop("update_metrics", None)
        vars(validator).pop("gather_stats", None)

    def _gather(self) -> None:
        mine = (self._parts, None if self._failure is None else repr(self._failure))
        of_all: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
        dist.gather_object(mine, of_all)
        if of_all is None:
            return
        self._parts = {name: [each for parts, _ in of_all for each in parts[name]] for name in self._parts}
        for number, (_, failure) in enumerate(of_all, start=1):
            if failure is not None and self._failure is None:
                self._failure = RuntimeError(f"in process {number}: {failure}")

    def _keep(self, validator: Any, preds: list[dict[str, Any]], batch: dict[str, Any]) -> None:
        hits = validator.metrics.stats[self._purpose.hits][-len(preds) :]
        for index, (pred, hit_PT) in enumerate(zip(preds, hits, strict=True)):
            image = validator._prepare_batch(index, batch)
            if "masks" in pred:  # nothing here is made from their pixels, and each would be enlarged to its image
                scaled = DetectionValidator.scale_preds(validator, {"bboxes": pred["bboxes"]}, image)
            else:
                scaled = validator.scale_preds(pred, image)
            boxes_G4 = ops.scale_boxes(
                image["imgsz"], image["bboxes"][:, :4].clone(), image["ori_shape"], ratio_pad=image["ratio_pad"]
            )  # a rotated box's fifth number is its angle, and no figure here is made from its place
            columns = (scaled["bboxes"][:, :4], pred["conf"][:, None], pred["cls"][:, None])
            self._parts["predicted"].append(np.concatenate([_array(column) for column in columns], axis=1))
            self._parts["hits"].append(np.asarray(hit_PT, dtype=bool))
            self._parts["labels"].append(_array(image["cls"]).reshape(-1))
            self._parts["labelled"].append(_array(boxes_G4).reshape(-1, 4))

    def predictions(self, class_names: dict[int, str]) -> Predictions:
        """Everything collected; raises what kept it from being complete."""
        if self._failure is not None:
            raise self._failure
        predicted, labels = self._parts["predicted"], self._parts["labels"]
        predicted_P6 = np.concatenate([np.empty((0, 6)), *predicted])
        labelled_G4 = np.concatenate([np.empty((0, 4)), *self._parts["labelled"]])
        hits_PT = np.concatenate([np.empty((0, 10), dtype=bool), *self._parts["hits"]])
        images = np.arange(len(predicted))
        return Predictions(
            num_images=len(predicted),
            class_names=class_names,
            pred_image=np.repeat(images, [len(rows) for rows in predicted]),
            pred_class=predicted_P6[:, 5].astype(np.int64),
            pred_confidence=predicted_P6[:, 4],
            pred_boxes=predicted_P6[:, :4],
            pred_is_hit=hits_PT,
            label_image=np.repeat(images, [len(rows) for rows in labels]),
            label_class=np.concatenate([np.empty(0), *labels]).astype(np.int64),
            label_boxes=labelled_G4,
            has_upright_boxes=self._purpose.name != "obb",
        )


class BestAccuracy:
    """Writes accuracy.json when the training ends, in the first of its processes.

    Attributes:
        metrics, unmeasured: for the record.
        failure: a sentence where the figures could not be made; None otherwise.
    """

    def __init__(self, epochs: EpochEventLog, run_dir: Path, purpose: Purpose = DETECT) -> None:
        self.metrics: dict[str, float | None] = {}
        self.unmeasured: dict[str, str] = {}
        self.failure: str | None = None
        self._epochs = epochs
        self._run_dir = run_dir
        self._purpose = purpose
        self._recorder: PredictionRecorder | None = None

    def callbacks(self) -> Callbacks:
        """The final evaluation, and the end of the training."""
        return {"on_final_eval_start": self._listen, "on_train_end": self._measure}

    def _listen(self, trainer: Any) -> None:
        if self._purpose.hits is not None:
            self._recorder = PredictionRecorder(self._purpose)
            self._recorder.accompany(trainer.validator)

    def _measure(self, trainer: Any) -> None:
        since_s = time.perf_counter()
        recorder, self._recorder = self._recorder, None
        PredictionRecorder.leave(trainer.validator)
        if rank() > 0:
            return
        try:
            summary, is_evaluated = self._summary(trainer.validator, recorder)
        except Exception as error:
            logger.exception("the accuracy of best.pt was not analysed")
            self.failure = f"the accuracy of best.pt could not be analysed: {error!r}. mAP is Ultralytics' and holds."
            summary, is_evaluated = self._without_figures(self.failure), False
        self.metrics, self.unmeasured = summary.metrics, summary.unmeasured
        arguments = trainer.validator.args
        learning = dict(zip(self._names(), summary.content["learning"].values(), strict=True))
        content = {
            **summary.content,
            "learning": learning,
            "measured": self._purpose.predicts,
            "weights": Path(trainer.best).name if is_evaluated else None,
            "evaluation": {"min_confidence": arguments.conf, "max_det": arguments.max_det, "nms_iou": arguments.iou},
            "analysis_s": time.perf_counter() - since_s + (recorder.wall_s if recorder else 0.0),
        }
        write_json_atomic(self._run_dir / ACCURACY_FILE, content)

    def _summary(self, validator: Any, recorder: PredictionRecorder | None) -> tuple[Summary, bool]:
        """The figures, and whether best.pt was evaluated."""
        predictions = recorder.predictions(dict(validator.names)) if recorder else None
        if self._purpose.figures is None:
            return self._without_figures(f"the model predicts {self._purpose.predicts}, and no boxes"), True
        if predictions is None or not predictions.num_images:
            return self._without_figures(NOT_EVALUATED), False
        figures = class_figures(validator.metrics, self._purpose)
        best = best_confidence(validator.metrics, self._purpose)
        return summarise(predictions, figures=figures, best=best, **self._curves()), True

    def _without_figures(self, reason: str) -> Summary:
        return summarise(None, figures=(), best=None, **self._curves(), why_not=reason)

    def _names(self) -> tuple[str, str]:
        """What stands in the place of mAP50-95 and mAP50."""
        return self._purpose.accuracy, next(name for name in self._purpose.shown if name != self._purpose.accuracy)

    def _curves(self) -> dict[str, Any]:
        """What learning is read from: the mAP of what the model is for."""
        epochs = self._epochs.epochs
        return {
            "curves": {
                ours: [epoch["metrics"].get(name) for epoch in epochs]
                for ours, name in zip(_CURVES, self._names(), strict=True)
            },
            "epochs": [epoch["epoch"] for epoch in epochs],
        }


def best_confidence(metrics: Any, purpose: Purpose = DETECT) -> BestConfidence | None:
    """Where Ultralytics read its precision and recall; None without labelled classes."""
    box = getattr(metrics, str(purpose.figures))
    if not len(box.ap_class_index):
        return None
    mean_f1 = smooth(np.asarray(box.f1_curve).mean(axis=0), _SMOOTHING)
    at = int(mean_f1.argmax())
    return BestConfidence(confidence=float(np.asarray(box.px)[at]), f1=float(np.mean(box.f1)))


def class_figures(metrics: Any, purpose: Purpose = DETECT) -> tuple[ClassFigures, ...]:
    """Ultralytics' figures of every class that has labelled boxes."""
    box = getattr(metrics, str(purpose.figures))
    return tuple(
        ClassFigures(
            label=int(label),
            precision=float(box.p[i]),
            recall=float(box.r[i]),
            f1=float(box.f1[i]),
            ap50=float(box.all_ap[i, 0]),
            ap50_95=float(box.all_ap[i].mean()),
            num_images=int(metrics.nt_per_image[label]),
            num_boxes=int(metrics.nt_per_class[label]),
        )
        for i, label in enumerate(box.ap_class_index)
    )


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().float().cpu().numpy(), dtype=np.float64)
