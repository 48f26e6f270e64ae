"""Splits profiled steps into parts: every moment of their wall time goes to exactly one.

Forward operations belong to a part by the labels around them and by their outermost name. A backward node carries the
sequence number that autograd gave it when it was made, inside a forward operation: the last operation that was entered
with that number made it, so that the node belongs where that operation does.

On a CPU the time of an operation is its own on the thread that runs the loop. On CUDA it is the time of the kernels
that it launched; time in which the device runs nothing is `data` while the loop waits for a batch, else `idle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sdpa_exp.errors import RunError
from sdpa_exp.evidence.labels import LAYER_LABEL
from sdpa_exp.evidence.profile import with_children
from sdpa_exp.tasks.profile import parts
from sdpa_exp.tasks.profile.parts import PARTS, Key

_BACKWARD = "autograd::engine::evaluate_function"
_RANGES = (parts.PART_LABEL, LAYER_LABEL, parts.STEP_LABEL)
_US = 1e-6


@dataclass(frozen=True, kw_only=True)
class Share:
    """One part of the mean step."""

    key: Key
    forward_s: float
    backward_s: float

    @property
    def total_s(self) -> float:
        """Forward and backward."""
        return self.forward_s + self.backward_s


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """The mean profiled step.

    Attributes:
        step_s: its wall time; what `shares` add up to.
        steps_s: of each step.
        busy_s: device time with a kernel running; None without CUDA.
        data_wait_s: the loop waited for a batch, whether or not the device had work.
        product_by_layer: layer -> forward and backward seconds of its product.
    """

    step_s: float
    steps_s: tuple[float, ...]
    shares: tuple[Share, ...]
    busy_s: float | None
    data_wait_s: float
    product_by_layer: dict[str, tuple[float, float]]

    def share(self, key: Key) -> float:
        """The part's share of the step's wall time."""
        return next(share.total_s for share in self.shares if share.key == key) / self.step_s


@dataclass(frozen=True)
class _Place:
    """Where an operation belongs: its part, and its layer if it is in one."""

    key: Key
    layer: str | None = None


@dataclass(frozen=True)
class _Context:
    word: str | None = None
    layer: str | None = None


def attribute(
    events: Iterable[Any], *, stock_layers: frozenset[str], expected_layers: Sequence[str], on_cuda: bool
) -> Breakdown:
    """Attribute the events of a profiler.

    Args:
        events: `profiler.events()` of steps under `labelled_training`.
        stock_layers: layers that run the module's own forward.
        expected_layers: layers whose product must be seen, forward and backward.
        on_cuda: kernels are what counts.

    Raises:
        RunError: something that must be in the trace is not.
    """
    ordered = sorted(events, key=lambda e: (e.time_range.start, -e.time_range.end))
    host = [e for e in ordered if e.device_type.name == "CPU" and not e.is_async and e.name != "[memory]"]
    steps = [_interval(e) for e in host if e.name == parts.STEP_LABEL]
    waits = union(_interval(e) for e in host if e.name == parts.PART_LABEL + parts.DATA)
    if not steps:
        raise RunError(_nothing_seen("not one step"))
    walker = _Walker(stock_layers, on_cuda)
    for event in host:
        if event.name == parts.STEP_LABEL:
            walker.forward(event, _Context())
    for event in host:
        if event.name.startswith(_BACKWARD):
            walker.backward(event)
    _check(walker, {e.name for e in host}, expected_layers)

    wall_us = length(steps)
    times = walker.times
    busy_us = None
    if on_cuda:
        kernels = intersection(union(_interval(e) for e in ordered if _is_kernel(e)), union(steps))
        busy_us = length(kernels)
        waiting_us = length(waits) - length(intersection(kernels, waits))
        known_us = sum(sum(pair) for pair in times.values())
        times["other"][0] += max(0.0, busy_us - known_us)
        times["data"][0] += waiting_us
        times["idle"][0] = max(0.0, wall_us - busy_us - waiting_us)
    else:
        times["other"][0] += wall_us - sum(sum(pair) for pair in times.values())
    scale = _US / len(steps)
    return Breakdown(
        step_s=wall_us * scale,
        steps_s=tuple((end - start) * _US for start, end in steps),
        shares=tuple(
            Share(key=part.key, forward_s=times[part.key][0] * scale, backward_s=times[part.key][1] * scale)
            for part in PARTS
        ),
        busy_s=None if busy_us is None else busy_us * scale,
        data_wait_s=length(waits) * scale,
        product_by_layer={layer: (pair[0] * scale, pair[1] * scale) for layer, pair in walker.layers.items()},
    )


class _Walker:
    """Sums times by part, in microseconds of all steps: [forward, backward]."""

    def __init__(self, stock_layers: frozenset[str], on_cuda: bool) -> None:
        self.times: dict[Key, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.layers: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._stock_layers = stock_layers
        self._on_cuda = on_cuda
        self._made_by: dict[int, _Place] = {}

    def forward(self, event: Any, context: _Context) -> None:
        """A range opens a context for what is inside it; an operation is counted with everything inside it."""
        name = event.name
        if not name.startswith(_RANGES):
            place = self._place(name, context)
            self._note_makers(event, place)
            self._add(place, 0, self._time_us(event))
            return
        context = _inside(name, context)
        whole = parts.WHOLE_RANGES.get(context.word or "")
        if whole is None or context.word == parts.LOSS:  # the loss has a backward: its operations must be known
            for child in event.cpu_children:
                if child.name.startswith(_BACKWARD):
                    continue
                if whole is None:
                    self.forward(child, context)
                else:
                    self._note_makers(child, _Place(whole))
        if whole is not None:
            self.times[whole][0] += 0.0 if self._on_cuda and whole == "data" else self._time_us(event)

    def backward(self, event: Any) -> None:
        """Counted where the operation that made the node belongs."""
        numbers = [e.sequence_nr for e in (event, *event.cpu_children) if e.sequence_nr >= 0]
        place = next((self._made_by[n] for n in numbers if n in self._made_by), _Place("other"))
        self._add(place, 1, self._time_us(event))

    def _place(self, name: str, context: _Context) -> _Place:
        if context.word == parts.BACKEND:
            return _Place("product", context.layer)
        if context.word == parts.PROJECTION:
            return _Place("projection", context.layer)
        if context.layer is not None and context.word is None:
            key = parts.part_in_layer(name, is_stock=context.layer in self._stock_layers)
            return _Place(key, context.layer)
        if context.word in (parts.FORWARD, parts.OUTSIDE):
            return _Place(parts.part_of_layer(name))
        return _Place("other")

    def _note_makers(self, event: Any, place: _Place) -> None:
        for each in with_children(event):
            if each.sequence_nr >= 0:
                self._made_by[each.sequence_nr] = place

    def _add(self, place: _Place, direction: int, time_us: float) -> None:
        self.times[place.key][direction] += time_us
        if place.key == "product" and place.layer is not None:
            self.layers[place.layer][direction] += time_us

    def _time_us(self, event: Any) -> float:
        if not self._on_cuda:
            return float(event.time_range.elapsed_us())
        return sum(float(kernel.duration) for each in with_children(event) for kernel in each.kernels)


def _inside(name: str, context: _Context) -> _Context:
    if name.startswith(LAYER_LABEL):
        return _Context(None, name.removeprefix(LAYER_LABEL))
    if name.startswith(parts.PART_LABEL):
        return _Context(name.removeprefix(parts.PART_LABEL), context.layer)
    return context


def _is_kernel(event: Any) -> bool:
    return event.device_type.name == "CUDA" and not event.is_user_annotation and not event.name.startswith(_RANGES)


def _interval(event: Any) -> Interval:
    return float(event.time_range.start), float(event.time_range.end)


def _check(walker: _Walker, names: set[str], expected_layers: Sequence[str]) -> None:
    words = (parts.FORWARD, parts.LOSS, parts.OPTIMISER, parts.DATA, parts.TRANSFER)
    missing = [word for word in words if parts.PART_LABEL + word not in names]
    if missing:
        raise RunError(_nothing_seen(f"no {', '.join(missing)}"))
    for direction, word in enumerate(("forward", "backward")):
        unseen = [layer for layer in expected_layers if not walker.layers[layer][direction]]
        if unseen:
            raise RunError(_nothing_seen(f"no attention product {word} at {', '.join(unseen)}"))


def _nothing_seen(what: str) -> str:
    return (
        f"the profiler saw {what} in the profiled steps; expected all parts of a training step. End other profilers of "
        "this process or machine (nsys, ncu), and see task=verify for whether the attention runs at all."
    )


Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The moments that are in any of the intervals."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def intersection(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """The moments that are in both; each sorted and free of overlaps."""
    both: list[Interval] = []
    i = j = 0
    while i < len(some) and j < len(others):
        start, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if start < end:
            both.append((start, end))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return both


def length(intervals: Iterable[Interval]) -> float:
    """Their total length."""
    return sum(end - start for start, end in intervals)
