"""Which exceptions are the user's or the machine's, and the sentence for each; the rest are bugs, with a traceback."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdpa_exp.config.hydra_errors import translate
from sdpa_exp.config.resume import resume_line_above
from sdpa_exp.errors import RunError, SdpaExpError

FULL_ERROR = "HYDRA_FULL_ERROR"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)


def expected_error(error: Exception) -> SdpaExpError | None:
    """The error in a sentence; None for a bug."""
    if isinstance(error, OSError) and (error.errno in _DISK_ERRORS or _is_gone(error.filename)):
        where = f"{error.filename} can't be written" if error.filename else "a file can't be written"
        line = None if error.filename is None else resume_line_above(Path(os.fsdecode(error.filename)))
        return RunError(
            f"{where}: {error.strerror}. What was recorded so far stays. Free some space or fix the permissions, or "
            "write elsewhere with hydra.run.dir=... (single runs) or hydra.sweep.dir=... (sweeps)."
            + (f" To go on:  {line}" if line else "")
        )
    return error if isinstance(error, SdpaExpError) else translate(error)


def _is_gone(name: Any) -> bool:
    """Whether a file can't be there since its folder is not: somebody took the disk away."""
    return name is not None and not Path(os.fsdecode(name)).parent.exists()


@contextmanager
def hydra_raises() -> Iterator[None]:
    """Hydra prints its errors and exits with 1 unless this variable is set; ours is the sentence and the exit code."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FULL_ERROR]
        else:
            os.environ[FULL_ERROR] = before
