"""Which arm of a comparison is the control."""

from __future__ import annotations

from collections.abc import Sequence

from sdpa_exp.errors import ConfigError

_BY_PREFERENCE = ("stock", "sdpa")


def resolve_baseline(arms: Sequence[str], baseline: str | None) -> str:
    """The control arm: `baseline` if it is given, else stock if it is there, else sdpa, else the first arm.

    Raises:
        ConfigError: `baseline` is not among the arms, or there are no arms.
    """
    if not arms:
        raise ConfigError("There is no arm to compare: expected one or more attentions, e.g. attention=stock,sdpa.")
    if baseline is not None:
        if baseline not in arms:
            names = ", ".join(dict.fromkeys(arms))
            raise ConfigError(
                f"baseline={baseline} is not among the arms: expected one of {names}. "
                f"Add it to the sweep (attention={baseline},{arms[0]} -m), or leave baseline out."
            )
        return baseline
    return next((name for name in _BY_PREFERENCE if name in arms), arms[0])
