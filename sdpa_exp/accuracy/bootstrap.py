"""How far AP would move with other val images: percentile intervals from resampled images.

An interval is about the images, for one trained network: what another val split of this kind might have given. It says
nothing about another seed, which moves small trainings far more; that is what several seeds are for.

It sits a little high: AP's envelope rewards luck, and resampling rewards it twice, so the truth lies below the interval
more often than above it (simulated: 83 to 93 % coverage at 10 to 64 images, by how hard they are; most misses below).
The caption of every table with intervals says so.

AP is Ultralytics' (`ap_per_class` in 8.4.190), computed for all resamples at once from three facts. Its precision
envelope is a step function that only changes at hits. A prediction of an image that was drawn twice counts twice. And
its trapezoid over 101 recall points gives the step between two recalls the weight of the points between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.accuracy.predictions import Predictions

LEVEL = 0.95
SEED = 0  # the same draws in every run: intervals of arms on the same images are about the same resamples
NUM_RESAMPLES = 1000
MIN_RESAMPLES = 200
MIN_IMAGES = 10  # with fewer the percentile bootstrap is far too narrow (at n = 5 it covers 84 % instead of 95 %)
_MAX_WORK = 400_000_000  # predictions x resamples; above, fewer resamples are drawn
_CHUNK = 4_000_000  # array elements that are held at once
_RECALLS = np.linspace(0, 1, 101)
_EPSILON = 1e-16  # Ultralytics adds it to the number of boxes

# B resamples, I images, P predictions of a class by falling confidence, K hits among them


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Percentile intervals; `reason` says why there are none. A resample without boxes of a class skips the class.

    Attributes:
        resampled: mAP50-95 of every resample; the draws are the same for all networks on the same images.
    """

    num_images: int
    num_resamples: int = 0
    mean: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    by_class: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    resampled: tuple[float, ...] = ()
    reason: str | None = None


def intervals(predictions: Predictions, *, num_resamples: int | None = None, seed: int = SEED) -> Intervals:
    """Intervals of mAP50, mAP50-95 and each class's AP50-95."""
    num_images = predictions.num_images
    if num_images < MIN_IMAGES:
        reason = f"{num_images} val images are too few to resample: {MIN_IMAGES} or more are needed"
        return Intervals(num_images=num_images, reason=reason)
    if not predictions.labelled_classes:
        return Intervals(num_images=num_images, reason="the val images have no labelled boxes")
    if num_resamples is None:
        affordable = _MAX_WORK // max(predictions.pred_image.size, 1)
        num_resamples = int(np.clip(affordable, MIN_RESAMPLES, NUM_RESAMPLES))
    rng = np.random.default_rng(seed)
    times_BI = rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=num_resamples)
    ap_BCT = resampled_ap(predictions, times_BI)
    with_boxes = ~np.isnan(ap_BCT[:, :, 0]).all(axis=1)
    ap_BCT = ap_BCT[with_boxes]
    mean = {"mAP50": np.nanmean(ap_BCT[:, :, 0], axis=1), "mAP50-95": np.nanmean(ap_BCT, axis=(1, 2))}
    classes = enumerate(predictions.labelled_classes)
    return Intervals(
        num_images=num_images,
        num_resamples=int(with_boxes.sum()),
        mean={name: _percentiles(values_B) for name, values_B in mean.items()},
        by_class={label: _percentiles(ap_BCT[:, c].mean(axis=1)) for c, label in classes},
        resampled=tuple(mean["mAP50-95"].tolist()),
    )


def interval_of_difference(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> tuple[float, float] | None:
    """The paired bootstrap over images: how far the mean difference of some networks would move with other images.

    Both networks of a pair saw the same draws, so that what makes an image easy for both cancels out. Where resamples
    are of different numbers, the first ones count: they are the same draws.

    Args:
        pairs: `resampled` of an arm's network and of the baseline's, one pair for each seed.
    """
    num_resamples = min((len(values) for pair in pairs for values in pair), default=0)
    if not num_resamples:
        return None
    differences_NB = [np.subtract(arm[:num_resamples], base[:num_resamples]) for arm, base in pairs]
    return _percentiles(np.mean(differences_NB, axis=0))


def resampled_ap(predictions: Predictions, times_BI: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP by resample, labelled class and IoU threshold; NaN where the resample has no box of the class.

    Args:
        predictions: of all images.
        times_BI: how often each resample holds each image.
    """
    found = []
    counts_BI = times_BI.astype(np.int32)
    for label in predictions.labelled_classes:
        of_class = np.flatnonzero(predictions.pred_class == label)
        order_P = of_class[np.argsort(-predictions.pred_confidence[of_class], kind="stable")]
        is_hit_PT = predictions.pred_is_hit[order_P]
        places_K = np.flatnonzero(is_hit_PT.any(axis=1))
        order_P = order_P[: places_K[-1] + 1] if places_K.size else order_P[:0]  # AP ends with the last hit
        boxes_I = np.bincount(
            predictions.label_image[predictions.label_class == label], minlength=predictions.num_images
        )
        step = max(_CHUNK // max(order_P.size, 1), 1)
        parts = [
            _class_ap(
                counts_BI[start : start + step], predictions.pred_image[order_P], places_K, is_hit_PT[places_K], boxes_I
            )
            for start in range(0, len(counts_BI), step)
        ]
        found.append(np.concatenate(parts))
    return np.stack(found, axis=1)


def _class_ap(
    times_BI: NDArray[np.int32],
    image_P: NDArray[np.int64],
    places_K: NDArray[np.int64],
    is_hit_KT: NDArray[np.bool_],
    boxes_I: NDArray[np.int64],
) -> NDArray[np.float64]:
    """AP of one class by resample and IoU threshold."""
    num_boxes_B = (times_BI @ boxes_I).astype(np.float64)
    so_far_BK = np.cumsum(times_BI[:, image_P], axis=1, dtype=np.int32)[:, places_K]
    times_BK = times_BI[:, image_P[places_K]]
    ap_BT = np.zeros((len(times_BI), is_hit_KT.shape[1]))
    for t, is_hit_K in enumerate(is_hit_KT.T):
        hits_BK = np.cumsum(times_BK[:, is_hit_K], axis=1, dtype=np.int32)
        precision_BK = hits_BK / np.maximum(so_far_BK[:, is_hit_K], 1)
        envelope_BK = np.maximum.accumulate(precision_BK[:, ::-1], axis=1)[:, ::-1]
        recall_BK = hits_BK / (num_boxes_B + _EPSILON)[:, None]
        ap_BT[:, t] = (envelope_BK * np.diff(_weight_below(recall_BK), axis=1, prepend=0)).sum(axis=1)
    ap_BT[num_boxes_B == 0] = np.nan
    return ap_BT


def _weight_below(recall: NDArray[np.float64]) -> NDArray[np.float64]:
    """The trapezoid weight of the 101 recall points that lie below a recall: 0.01 each, half of it for the first."""
    below = np.minimum(recall * 100, 100).astype(np.int64)
    below += _RECALLS[below] < recall
    return 0.01 * below - 0.005 * (below > 0)


def _percentiles(values_B: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(values_B, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
