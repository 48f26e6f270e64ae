"""The rule of equivalence, and what came of applying it: per metric, per layer, and for a whole model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from sdpa_exp.errors import EquivalenceError

MAX_RATIO = 2.0
PARTS = ("forward", "grad_input", "grad_params")
_WORDS = {
    "forward": "output is",
    "grad_input": "gradients of the input are",
    "grad_params": "gradients of the parameters are",
}
# Roundings of the largest value in fp32 that an honest backend may lie beyond the rule. Measured on a CPU, 160 to 1280
# px, eager, flash and math alike: up to 0.5 roundings for the root mean square (yolo12n at 1280 px, forward: 1.55
# against 0.57, from the convolutions around the product, which run in another layout), and 4 for the largest error,
# which is one element's luck on both sides. A cast to TF32 or bf16 is a thousand times as much.
_RMS_ROUNDING = 1 * torch.finfo(torch.float32).eps
_LARGEST_ROUNDING = 8 * torch.finfo(torch.float32).eps


@dataclass(frozen=True, kw_only=True)
class Part:
    """One metric of a layer: its output, or its gradients of inputs or of parameters.

    Attributes:
        max_diff, mean_diff: |tested - plain|, in the metric's own units.
        rms_error, plain_rms_error: root mean square of x - truth over the largest |truth|, tested and plain.
        error, plain_error: the largest |x - truth| over the largest |truth|. The plain computation's errors are the
            larger ones of its two memory formats.
        max_ratio: the rule's factor.
    """

    name: str
    max_diff: float
    mean_diff: float
    rms_error: float
    plain_rms_error: float
    error: float
    plain_error: float
    max_ratio: float

    @property
    def ratio(self) -> float:
        """The root mean square error in units of the plain one's; infinite where that is exact and this isn't."""
        if self.plain_rms_error > 0:
            return self.rms_error / self.plain_rms_error
        return 1.0 if self.rms_error == 0 else float("inf")

    @property
    def ok(self) -> bool:
        """Whether the rule holds for both errors; a NaN never holds."""
        return (
            self.rms_error <= self.max_ratio * self.plain_rms_error + _RMS_ROUNDING
            and self.error <= self.max_ratio * self.plain_error + _LARGEST_ROUNDING
        )


@dataclass(frozen=True, kw_only=True)
class LayerEquivalence:
    """One layer in one precision."""

    layer: str
    precision: str
    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        """Whether the rule holds for the output and all gradients."""
        return all(part.ok for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """A backend against stock, at all layers, in one or more precisions."""

    backend: str
    max_ratio: float
    layers: tuple[LayerEquivalence, ...]

    @property
    def ok(self) -> bool:
        """Whether the rule holds everywhere; False where nothing was compared."""
        return bool(self.layers) and all(layer.ok for layer in self.layers)

    @property
    def worst_ratio(self) -> float:
        """The largest ratio of any layer, metric and precision."""
        return max((part.ratio for layer in self.layers for part in layer.parts), default=float("nan"))

    @property
    def max_diff(self) -> float:
        """The largest difference of any layer's output from stock's."""
        return max((part.max_diff for layer in self.layers for part in layer.parts[:1]), default=float("nan"))

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        layers = [
            {
                "layer": layer.layer,
                "precision": layer.precision,
                "ok": layer.ok,
                "parts": [{**asdict(part), "ratio": part.ratio, "ok": part.ok} for part in layer.parts],
            }
            for layer in self.layers
        ]
        return {"backend": self.backend, "ok": self.ok, "max_ratio": self.max_ratio, "layers": layers}

    def raise_if_wrong(self) -> None:
        """Raise when the rule is broken anywhere.

        Raises:
            EquivalenceError: naming the first layer and how far off it is.
        """
        wrong = [(layer, part) for layer in self.layers for part in layer.parts if not part.ok]
        if not wrong:
            return
        layer, part = wrong[0]
        names = {layer.layer for layer, _ in wrong}
        raise EquivalenceError(
            f"attention={self.backend} doesn't compute what stock computes: at {layer.layer} in {layer.precision} its "
            f"{_WORDS[part.name]} off by up to {part.error:.2g} of the largest value, where the plain computation is "
            f"off by {part.plain_error:.2g} (root mean square: {part.ratio:.3g} times the plain one's); expected at "
            f"most {self.max_ratio:g} times. "
            f"{len(names)} of {len({s.layer for s in self.layers})} layers are wrong. Look for a wrong scale, a "
            "transposed layout or a cast to a lower precision in that backend."
        )
