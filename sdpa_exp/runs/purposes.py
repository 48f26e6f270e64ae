"""What a model is for, by Ultralytics' names of its tasks (our own word task is what a run does): one table.

Everything that depends on it looks here: the trainer, the labels that a data set must have, and the metrics.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

AUTO = "auto"
"""As `compare.primary.accuracy.metric`: the metric of the model's purpose."""


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """One purpose.

    Attributes:
        name: Ultralytics' task.
        heads: last layers of model files that are for it.
        predicts: what an AP is of, in words.
        accuracy: the metric that says how good it is; what `compare.primary.accuracy.metric=auto` stands for.
        shown: the metrics of an epoch's line on the screen.
        hits: where Ultralytics' validator keeps which predictions are right; None where it has no boxes.
        figures: where its metrics keep precision, recall and AP of each class.
    """

    name: str
    heads: frozenset[str]
    predicts: str
    accuracy: str
    shown: tuple[str, ...]
    hits: str | None
    figures: str | None


def _with_boxes(name: str, *, heads: str, predicts: str, prefix: str = "", at: tuple[str, str]) -> Purpose:
    """A purpose whose metrics are AP; `at` are `hits` and `figures`."""
    shown = (f"{prefix}mAP50", f"{prefix}mAP50-95")
    return Purpose(
        name=name,
        heads=frozenset(heads.split()),
        predicts=predicts,
        accuracy=shown[1],
        shown=shown,
        hits=at[0],
        figures=at[1],
    )


DETECT = _with_boxes("detect", heads="Detect v10Detect RTDETRDecoder", predicts="boxes", at=("tp", "box"))
CLASSIFY = Purpose(
    name="classify",
    heads=frozenset({"Classify"}),
    predicts="classes of whole images",
    accuracy="top1",
    shown=("top1", "top5"),
    hits=None,
    figures=None,
)
PURPOSES: dict[str, Purpose] = {
    purpose.name: purpose
    for purpose in (
        DETECT,
        _with_boxes("segment", heads="Segment Segment26", predicts="masks", prefix="mask_", at=("tp_m", "seg")),
        _with_boxes("pose", heads="Pose Pose26", predicts="poses", prefix="pose_", at=("tp_p", "pose")),
        _with_boxes("obb", heads="OBB OBB26", predicts="rotated boxes", at=("tp", "box")),
        CLASSIFY,
    )
}


def purpose_of_head(head: str) -> Purpose | None:
    """The purpose of a model file that ends in this layer; None where nothing here trains it."""
    return next((purpose for purpose in PURPOSES.values() if head in purpose.heads), None)


def accuracy_metric(measured: Container[str]) -> str:
    """The metric that `auto` stands for, from the names of what was measured."""
    return _by_metrics(measured).accuracy


def shown_metrics(measured: Container[str]) -> tuple[str, ...]:
    """The accuracies of a line on the screen, from the names of what was measured."""
    return _by_metrics(measured).shown


def _by_metrics(measured: Container[str]) -> Purpose:
    own = [purpose for purpose in PURPOSES.values() if purpose.accuracy != DETECT.accuracy]
    return next((purpose for purpose in own if purpose.accuracy in measured), DETECT)
