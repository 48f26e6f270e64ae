"""Around Hydra: a sweep ends in order also where its launcher raises, since Hydra then calls no one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sdpa_exp.interruption import Interrupted, keeping


@contextmanager
def every_sweep_ends(begun: Callable[[], Path | None]) -> Iterator[None]:
    """End a broken sweep; an interruption that a job itself has seen, as under Hydra's own launcher, is recorded.

    Args:
        begun: the folder of the sweep that has begun and has not ended; None where there is none.

    Raises:
        RunError: the launcher gave up; what it said, in a sentence.
        Exception: any other, as it was.
        KeyboardInterrupt: as it was, with the sweep's folder.
    """
    try:
        yield
    except Exception as error:
        folder = begun()
        from sdpa_exp.launch.broken_sweep import as_sentence, is_of_launcher

        if folder is None or not is_of_launcher(error):
            raise
        from sdpa_exp.launch.end_sweep import end_sweep

        end_sweep(folder, broken_by=error)
        raise as_sentence(error) from error
    except KeyboardInterrupt as error:
        folder = begun()
        if folder is None or (isinstance(error, Interrupted) and error.folder is not None):
            raise
        from sdpa_exp.launch.end_sweep import end_sweep

        with keeping(folder):
            end_sweep(folder, broken_by=error)
            raise
