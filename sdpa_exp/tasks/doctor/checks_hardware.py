"""Whether `hardware=X` fits this box, key by key; what the data set needs is not looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdpa_exp.tasks.by_device import native_precisions
from sdpa_exp.tasks.doctor.finding import Finding, note, ok, problem
from sdpa_exp.tasks.doctor.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """One key that does not fit, with the value that would; `is_grave` where a run would fail of it."""

    key: str
    got: Any
    expected: str
    set_to: Any
    is_grave: bool = False

    def sentence(self) -> str:
        """What, got, expected."""
        return f"hardware.{self.key}={_text(self.got)} does not fit: expected {self.expected}"

    def override(self) -> str:
        """As on a command line."""
        return f"hardware.{self.key}={_text(self.set_to)}"


def hardware_fits(machine: Machine) -> Finding:
    """The chosen hardware against this box; keys that are null are chosen on it and always fit."""
    if not machine.fit:
        return note("unknown: what a run imports can't be imported", "see the lines below")
    misfits = [*_of_device(machine), *_of_cores(machine)]
    name = machine.hardware.name
    if not misfits:
        return ok(f"hardware={name} fits this machine ({machine.fit['device']})")
    say = problem if any(misfit.is_grave for misfit in misfits) else note
    step = "set " + " ".join(misfit.override() for misfit in misfits)
    step += "" if name == "auto" else ", or take hardware=auto, which chooses all of it here"
    return say(". ".join(misfit.sentence() for misfit in misfits), step)


def _of_cores(machine: Machine) -> Iterator[Misfit]:
    asked, num_cores, device = machine.hardware, machine.fit["num_cores"], machine.fit["device"]
    cores = f"at most {num_cores}, the cores that it may use here"
    if device is not None and not device.startswith("cuda") and asked.workers:
        why = f"0, which Ultralytics forces on {device}"
        yield Misfit(key="workers", got=asked.workers, expected=why, set_to=0)
    elif (asked.workers or 0) > num_cores:
        yield Misfit(key="workers", got=asked.workers, expected=cores, set_to=num_cores)
    if (asked.num_threads or 0) > num_cores:
        yield Misfit(key="num_threads", got=asked.num_threads, expected=cores, set_to=num_cores)
    if asked.cache == "ram" and machine.fit["deterministic"]:
        why = "none, since in RAM it makes training non-deterministic and train.deterministic is not false"
        yield Misfit(key="cache", got="ram", expected=why, set_to="none")


def _of_device(machine: Machine) -> Iterator[Misfit]:
    asked, fit = machine.hardware, machine.fit
    if fit["device"] is None:
        yield Misfit(
            key="device", got=asked.device, expected="a device that torch sees here", set_to="auto", is_grave=True
        )
        return
    auto, is_cuda = fit["auto"], fit["device"].startswith("cuda")
    capability = None if fit["capability"] is None else tuple(fit["capability"])
    if asked.precision not in (None, *native_precisions(capability)):
        best = auto["precision"]
        why = f"{best}, which {fit['device']} computes natively in training"
        is_refused = is_cuda or asked.precision == "fp16"
        yield Misfit(key="precision", got=asked.precision, expected=why, set_to=best, is_grave=is_refused)
    if asked.tf32 and not auto["tf32"]:
        yield Misfit(key="tf32", got=True, expected=f"false, since {fit['device']} has no TF32", set_to=False)
    if asked.batch_size is not None and asked.batch_size > max(1, fit["num_images"]):
        most = max(1, fit["num_images"])
        yield Misfit(
            key="batch", got=asked.batch, expected=f"at most {most}: {fit['why']}", set_to=most, is_grave=is_cuda
        )
    if asked.allocator is not None and auto["allocator"] is None:
        why = f"null, since it is a setting of CUDA's allocator under Linux and this is {fit['device']}"
        yield Misfit(key="allocator", got=asked.allocator, expected=why, set_to=None)


def _text(value: Any) -> str:
    """A value as it stands on a command line."""
    return value if isinstance(value, str) else json.dumps(value)
