"""What the processes of one run tell each other, over the store that PyTorch's launcher holds for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from sdpa_exp.errors import AttestationError
from sdpa_exp.runs.ranks import hear, is_lost_connection, rank, read_failure, tell, write_failure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> TCPStore:
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for name, value in (("RANK", 1), ("WORLD_SIZE", 2), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", store.port)):
        monkeypatch.setenv(name, str(value))
    return store


def test_a_process_hears_what_another_one_tells_however_late(second_of_two: TCPStore) -> None:
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(hear, "plan")
        tell("plan", {"batch": 8})
        assert heard.result(timeout=30) == {"batch": 8}


def test_why_a_process_failed_is_left_for_the_first(second_of_two: TCPStore, tmp_path: Path) -> None:
    assert read_failure(tmp_path) is None
    write_failure(tmp_path, AttestationError("math ran"), AttestationError.exit_code)
    assert read_failure(tmp_path) == {"rank": 1, "error": "AttestationError", "reason": "math ran", "exit_code": 6}


def test_a_lost_connection_is_known_among_several_processes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert is_lost_connection(error)
    assert not is_lost_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    monkeypatch.delenv("WORLD_SIZE")
    assert not is_lost_connection(error)
    assert rank() == 0  # a number that a cluster has set says nothing about a run in one process
