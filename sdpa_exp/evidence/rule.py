"""The rule of equivalence, and what came of applying it: per metric, per layer, and for a whole model.

An error to the truth is judged against the one that the precision explains (error_model.py), in two ways: the root
mean square, which a systematic fault moves, and the largest, which a fault in a corner moves. The plain computation,
stock in the same precision, is judged by the same rule: where it breaks it, stock is wrong, and that excuses nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from sdpa_exp.errors import EquivalenceError
from sdpa_exp.evidence.reference import ReferenceFault

MAX_RATIO = 6.0
"""The confidence parameter of Higham and Mary's analysis: a sum of n terms stays within 6 sqrt(n) u except with a
probability of at most 2 exp(-6^2 / 2), 3 in 100 million, so that the largest error of a million sums does too."""
WORDS = {
    "product": "attention product is",
    "grad_q": "product's gradients of q are",
    "grad_k": "product's gradients of k are",
    "grad_v": "product's gradients of v are",
    "forward": "output is",
    "grad_input": "gradients of the input are",
    "grad_params": "gradients of the parameters are",
}
"""Parts in sentences: "its ... off by", "nothing of its ..."."""


@dataclass(frozen=True, kw_only=True)
class Error:
    """Distance from the truth, as a share of the largest |truth|: the root mean square, and the largest."""

    rms: float
    largest: float

    def ratio(self, explained: Error) -> float:
        """In units of what the precision explains, the worse of the two; NaN where an error is NaN."""
        return largest_of((_ratio(self.rms, explained.rms), _ratio(self.largest, explained.largest)))


@dataclass(frozen=True, kw_only=True)
class Part:
    """One metric of a layer: its product, its output, or gradients of these.

    Attributes:
        max_diff, mean_diff: |tested - plain|, in the metric's own units.
        error: of the tested computation.
        explained: what the precision explains, in a kernel of the tested kind.
        plain: error of the plain computation, by memory format; a product has one, "as given".
        plain_explained: what the precision explains there.
        size_rms: of the truth, as a share of its largest value.
        max_ratio: the rule's factor.
    """

    name: str
    max_diff: float
    mean_diff: float
    error: Error
    explained: Error
    plain: dict[str, Error]
    plain_explained: Error
    size_rms: float
    max_ratio: float

    @property
    def ratio(self) -> float:
        """The error in units of the explained one."""
        return self.error.ratio(self.explained)

    @property
    def plain_ratio(self) -> float:
        """The plain computation's, in its worst memory format."""
        return largest_of(error.ratio(self.plain_explained) for error in self.plain.values())

    @property
    def ok(self) -> bool:
        """Whether the rule holds; a NaN never holds."""
        return self.ratio <= self.max_ratio

    @property
    def is_blind(self) -> bool:
        """Whether the precision explains so much here that all zeros would pass: then the rule says nothing."""
        return self.size_rms > 0 and Error(rms=self.size_rms, largest=1.0).ratio(self.explained) <= self.max_ratio

    def to_dict(self) -> dict[str, Any]:
        """As plain values, with what was judged."""
        judged = {"ratio": self.ratio, "plain_ratio": self.plain_ratio, "ok": self.ok, "is_blind": self.is_blind}
        return {**asdict(self), **judged}


@dataclass(frozen=True, kw_only=True)
class LayerEquivalence:
    """One layer in one precision; `reference_faults` are forms of stock in fp64 that are wrong here."""

    layer: str
    precision: str
    parts: tuple[Part, ...]
    reference_faults: tuple[ReferenceFault, ...] = ()

    @property
    def has_truth(self) -> bool:
        """Whether some form of stock in fp64 passed the checks, so that there is something to compare with."""
        return all(fault.replaced_by is not None for fault in self.reference_faults)

    @property
    def ok(self) -> bool:
        """Whether the rule holds for the output and all gradients."""
        return self.has_truth and all(part.ok for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class StockFault:
    """Stock computes something here that its precision can't explain. Always of severity error."""

    layer: str
    precision: str
    form: str
    part: str
    error: float
    ratio: float
    operation: str | None
    severity: str = "error"

    def __str__(self) -> str:
        """In one sentence."""
        where = "" if self.operation is None else f" It comes from the {self.operation}: see docs/batch_norm.md."
        return (
            f"Stock is wrong at {self.layer} in {self.precision}, {self.form}: its {WORDS[self.part]} off by up to "
            f"{self.error:.2g} of the largest value, {self.ratio:.3g} times what the precision explains.{where}"
        )


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """A backend against stock, at all layers, in one or more precisions. `print` shows it as a table.

    Attributes:
        backend: its name.
        max_ratio: the rule's factor.
        layers: by precision.
        versions: of PyTorch and the device, for reports of faults.
    """

    backend: str
    max_ratio: float
    layers: tuple[LayerEquivalence, ...]
    versions: str = ""

    @property
    def ok(self) -> bool:
        """Whether the rule holds everywhere; False where nothing was compared."""
        return bool(self.layers) and all(layer.ok for layer in self.layers)

    @property
    def worst_ratio(self) -> float:
        """The largest ratio of any layer, metric and precision; NaN if one is."""
        return largest_of(part.ratio for layer in self.layers for part in layer.parts)

    @property
    def max_diff(self) -> float:
        """The largest difference of any layer's output from stock's; NaN if one is."""
        return largest_of(part.max_diff for layer in self.layers for part in layer.parts if part.name == "forward")

    @property
    def stock_faults(self) -> tuple[StockFault, ...]:
        """Where stock itself is wrong: in fp64 against differences, or in its precision against the truth."""
        found = []
        for layer in self.layers:
            operations = {fault.form: fault.operation for fault in layer.reference_faults}
            for part in layer.parts:
                for form, error in part.plain.items():
                    ratio = error.ratio(part.plain_explained)
                    if not ratio <= part.max_ratio:
                        found.append(
                            StockFault(
                                layer=layer.layer,
                                precision=layer.precision,
                                form=form,
                                part=part.name,
                                error=error.largest,
                                ratio=ratio,
                                operation=operations.get(form),
                            )
                        )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        layers = [
            {
                "layer": layer.layer,
                "precision": layer.precision,
                "ok": layer.ok,
                "reference_faults": [asdict(fault) for fault in layer.reference_faults],
                "parts": [part.to_dict() for part in layer.parts],
            }
            for layer in self.layers
        ]
        return {
            "backend": self.backend,
            "ok": self.ok,
            "max_ratio": self.max_ratio,
            "versions": self.versions,
            "stock_faults": [{**asdict(fault), "sentence": str(fault)} for fault in self.stock_faults],
            "layers": layers,
        }

    def __str__(self) -> str:
        """A table of what was judged against what, and the verdict."""
        from sdpa_exp.evidence.text import equivalence_text

        return equivalence_text(self.to_dict())

    def raise_if_wrong(self) -> None:
        """Raise when the rule is broken anywhere by the backend; stock's own faults are in `stock_faults`.

        Raises:
            EquivalenceError: naming the first layer and how far off it is.
        """
        if not self.layers:
            raise EquivalenceError(f"attention={self.backend} was compared at no layer, so nothing is known about it.")
        unknown = [layer for layer in self.layers if not layer.has_truth]
        if unknown:
            raise EquivalenceError(
                f"there is no truth to compare attention={self.backend} with: at {unknown[0].layer} no form of stock "
                f"in fp64 agrees with central differences of its own output ({self.versions}). Look at the first "
                f"operation that parts: {unknown[0].reference_faults[0].operation or 'none does'}."
            )
        wrong = [(layer, part) for layer in self.layers for part in layer.parts if not part.ok]
        if not wrong:
            return
        layer, part = wrong[0]
        names = {layer.layer for layer, _ in wrong}
        raise EquivalenceError(
            f"attention={self.backend} doesn't compute what stock computes: at {layer.layer} in {layer.precision} its "
            f"{WORDS[part.name]} off by up to {part.error.largest:.2g} of the largest value (root mean square "
            f"{part.error.rms:.2g}), {part.ratio:.3g} times what {layer.precision} explains; expected at most "
            f"{self.max_ratio:g} times. "
            f"{len(names)} of {len({s.layer for s in self.layers})} layers are wrong. Look for a wrong scale, a "
            "transposed layout or a cast to a lower precision in that backend."
        )


def largest_of(values: Iterable[float]) -> float:
    """The largest value, NaN if there is one anywhere, which Python's own max would lose; NaN for none."""
    found = list(values)
    return float(torch.tensor(found, dtype=torch.float64).max()) if found else math.nan


def _ratio(error: float, explained: float) -> float:
    """Infinite where nothing is explained and something is off; NaN where the error is NaN."""
    return error / explained if explained > 0 else error * math.inf if error else 0.0
