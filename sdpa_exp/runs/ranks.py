"""One run in several processes, one a device (`hardware.devices`): which of them this is, and what they tell others.

torch.distributed.run starts the worker as often as there are devices, numbers them in its environment, and holds the
store that they meet at. Rank 0 alone writes plan, event log and record; a rank that fails leaves its reason in a file.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from sdpa_exp.runs.files import read_json, write_json_atomic

_OF_CONNECTIONS = ("gloo", "NCCL", "Connection", "TCPStore")
_LOOK_EVERY = timedelta(seconds=1)  # so that a signal is seen between two looks


def rank() -> int:
    """0 for the process that writes the record, and for a run in one process."""
    return int(os.environ.get("RANK", "0")) if num_ranks() > 1 else 0


def num_ranks() -> int:
    """The processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def tell(key: str, value: Any) -> None:
    """Leave a JSON value for the other ranks."""
    _store().set(f"sdpa_exp/{key}", json.dumps(value))


def hear(key: str) -> Any:
    """The value that another rank leaves, once it does: however long that takes."""
    store, name = _store(), f"sdpa_exp/{key}"
    while True:
        try:
            store.wait([name], _LOOK_EVERY)
        except RuntimeError as error:
            if "timeout" not in str(error).lower():
                raise
        else:
            return json.loads(store.get(name))


def write_failure(run_dir: Path, error: BaseException, exit_code: int) -> None:
    """Leave why this rank failed: the others are then ended by torch.distributed.run, and don't know."""
    content = {"rank": rank(), "error": type(error).__name__, "reason": str(error), "exit_code": exit_code}
    write_json_atomic(run_dir / f"rank_{rank()}_failed.json", content)


def read_failure(run_dir: Path) -> dict[str, Any] | None:
    """What `write_failure` left, of the first rank that did; None where none failed by itself."""
    return next(filter(None, map(read_json, sorted(run_dir.glob("rank_*_failed.json")))), None)


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error says that another process of the run is gone: gloo's, NCCL's or the store's own words."""
    return num_ranks() > 1 and isinstance(error, RuntimeError) and any(word in str(error) for word in _OF_CONNECTIONS)


def dead_process(num_processes: int) -> str:
    """The sentence for a process of the run that ended without leaving a reason."""
    return (
        f"one of the run's {num_processes} processes died without a word (often the system ran out of memory: see "
        f"dmesg), and the others were ended."
    )


def _store() -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    return TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
