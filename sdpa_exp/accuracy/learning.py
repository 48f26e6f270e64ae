"""Facts about a learning curve: how soon it got near its end, where it peaked, whether it had come to rest.

For any metric where higher is better, one value an epoch. Rules:

- *final*: the value of the last epoch.
- *epochs to 90 %*: the first epoch whose value is at least 0.9 times the final one. A curve that peaks early and falls
  can get there before it "deserves" to; the peak stands beside it.
- *last tenth*: the last tenth of the epochs, at least 3.
- *plateau*: the first epoch from which on every value is within 2 % of the final one. It must hold for the last tenth
  at least, else the curve has not come to rest.
- *stability*: SD (n - 1) of the last tenth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

SHARES_PERCENT = (50, 90, 95, 99)
PLATEAU_BAND = 0.02
_MIN_LAST = 3


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Facts of one curve. What is None has its reason in `unmeasured`, by the name of the field.

    Attributes:
        epochs_to: share in percent -> first epoch at that share of the final value.
        num_last: epochs in the last tenth.
    """

    num_epochs: int
    final: float | None = None
    epochs_to: Mapping[int, int | None] = field(default_factory=dict)
    peak: float | None = None
    peak_epoch: int | None = None
    plateau_epoch: int | None = None
    last_tenth_sd: float | None = None
    num_last: int = 0
    unmeasured: Mapping[str, str] = field(default_factory=dict)


def learning_facts(epochs: Sequence[int], values: Sequence[float | None]) -> Learning:
    """The facts of a curve; values that are None or not finite were not measured in that epoch."""
    curve_E = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    is_known_E = np.isfinite(curve_E)
    num_epochs = curve_E.size
    unmeasured: dict[str, str] = {}
    nowhere: dict[int, int | None] = dict.fromkeys(SHARES_PERCENT)
    if not is_known_E.any():
        names = ("final", "epochs_to", "peak", "peak_epoch", "plateau_epoch", "last_tenth_sd")
        unmeasured = dict.fromkeys(names, "no epoch has a finite value")
        return Learning(num_epochs=num_epochs, epochs_to=nowhere, unmeasured=unmeasured)
    at_peak = int(np.nanargmax(np.where(is_known_E, curve_E, np.nan)))
    final = float(curve_E[-1]) if is_known_E[-1] else None
    epochs_to = nowhere
    plateau_epoch = None
    num_last = max(math.ceil(num_epochs / 10), _MIN_LAST)
    if final is None:
        unmeasured |= dict.fromkeys(("final", "epochs_to", "plateau_epoch"), "the last epoch has no finite value")
    elif final <= 0:
        unmeasured |= dict.fromkeys(("epochs_to", "plateau_epoch"), "the final value is 0: nothing was learnt")
    elif num_epochs < 2:
        unmeasured |= dict.fromkeys(("epochs_to", "plateau_epoch"), "one epoch is not a curve")
    else:
        epochs_to = {
            share: int(epochs[int(np.flatnonzero(is_known_E & (curve_E >= share / 100 * final))[0])])
            for share in SHARES_PERCENT
        }
        plateau_epoch, why = _plateau(epochs, curve_E, final, num_last)
        unmeasured |= {"plateau_epoch": why} if why else {}
    last_E = curve_E[-num_last:]
    last_tenth_sd = None
    if num_epochs < num_last:
        unmeasured["last_tenth_sd"] = f"{num_epochs} epochs are too few for an SD: {_MIN_LAST} or more are needed"
    elif not np.isfinite(last_E).all():
        unmeasured["last_tenth_sd"] = "an epoch of the last tenth has no finite value"
    else:
        last_tenth_sd = float(np.std(last_E, ddof=1))
    return Learning(
        num_epochs=num_epochs,
        final=final,
        epochs_to=epochs_to,
        peak=float(curve_E[at_peak]),
        peak_epoch=int(epochs[at_peak]),
        plateau_epoch=plateau_epoch,
        last_tenth_sd=last_tenth_sd,
        num_last=min(num_last, num_epochs),
        unmeasured=unmeasured,
    )


def _plateau(epochs: Sequence[int], curve_E: np.ndarray, final: float, num_last: int) -> tuple[int | None, str | None]:
    """The first epoch of the plateau, or why there is none. An epoch without a value breaks it."""
    outside_E = ~(np.abs(curve_E - final) <= PLATEAU_BAND * final)
    start = int(np.flatnonzero(outside_E)[-1]) + 1 if outside_E.any() else 0
    if curve_E.size - start < num_last:
        return None, f"the last {num_last} epochs are not all within {100 * PLATEAU_BAND:g} % of the final value"
    return int(epochs[start]), None
