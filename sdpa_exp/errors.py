"""One error tree; every message says what, got, expected, next step.

SdpaExpError
├── ConfigError          a key, type, value or combination that can't work         (exit code 2)
├── DatasetError         a data set that is missing, empty or malformed             (exit code 3)
│   └── UnsoundData      task=data: it holds what data.fail_on names                 (exit code 3)
├── BackendUnavailable   the attention asked for can't run here, with the reasons   (exit code 4)
├── InjectionError       the layers of a model were not all found or not all swapped (exit code 5)
├── AttestationError     the kernels that ran are not the ones asked for            (exit code 6)
├── RunError             a training or a worker process failed                      (exit code 7)
│   └── OutOfMemory      a training does not fit into memory                        (exit code 7)
├── TrackingError        a tracking store that can't be reached or refuses us       (exit code 8)
│   └── StoreAway        one that doesn't answer now, and may later                  (exit code 8)
├── ComparisonError      run folders that can't be read or compared                 (exit code 9)
│   └── DamagedFile      a file of one that holds what nobody writes                (exit code 9)
├── EquivalenceError     an attention further from the truth than rounding explains (exit code 10)
└── UnfitMachine         task=doctor: this configuration can't run on this machine  (exit code 1)
"""

from __future__ import annotations


class SdpaExpError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1
    is_answer = False
    """Whether it is what a task was asked for, and not why one could not end: there is nothing to repeat."""


class ConfigError(SdpaExpError):
    """A wrong key, type, value or combination in the configuration."""

    exit_code = 2


class DatasetError(SdpaExpError):
    """A data set that is missing, empty or malformed."""

    exit_code = 3


class UnsoundData(DatasetError):  # noqa: N818 - a state of the data
    """The verdict of task=data that a data set holds what `data.fail_on` names."""

    is_answer = True


class BackendUnavailable(SdpaExpError):  # noqa: N818 - a state of the machine, named as users say it
    """An attention backend that can't run with this device, dtype, shape or layout."""

    exit_code = 4


class InjectionError(SdpaExpError):
    """A model whose attention layers were not all found or not all swapped."""

    exit_code = 5


class AttestationError(SdpaExpError):
    """Executed kernels that differ from the requested ones."""

    exit_code = 6


class RunError(SdpaExpError):
    """A training or worker process that failed."""

    exit_code = 7


class OutOfMemory(RunError):  # noqa: N818 - a state of the machine, named as users say it
    """A training that does not fit into memory: a smaller batch may."""


class TrackingError(SdpaExpError):
    """A tracking store that can't be reached or refuses us."""

    exit_code = 8


class StoreAway(TrackingError):  # noqa: N818 - a state of the store
    """A tracking store that doesn't answer now: asked again later, it may."""


class ComparisonError(SdpaExpError):
    """Run folders that can't be read or compared."""

    exit_code = 9


class DamagedFile(ComparisonError, ValueError):  # noqa: N818 - a state of the file
    """A file of a run folder that holds what nobody writes: cut off in the middle, or of something else."""


class EquivalenceError(SdpaExpError):
    """An attention whose outputs or gradients are further from the truth than rounding explains."""

    exit_code = 10
    is_answer = True


class UnfitMachine(SdpaExpError):  # noqa: N818 - a state of the machine, like BackendUnavailable
    """The doctor's verdict that the chosen attention, precision or model can't run on this machine."""

    exit_code = 1
    is_answer = True


def is_answer(name: str | None) -> bool:
    """Whether the error of this name, as a record holds it, is a task's answer."""
    return bool(getattr(globals().get(name or ""), "is_answer", False))


def first_line(error: BaseException) -> str:
    """What any error says first, or its class where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)
