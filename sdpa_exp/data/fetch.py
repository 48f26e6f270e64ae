"""One file or answer over HTTP, whole or with the reason in words; no address is shown, since it may hold a key."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from sdpa_exp.errors import DatasetError

_TIMEOUT_S = 30
_CHUNK_BYTES = 2**20


class UnreachableError(DatasetError):
    """No answer came, or not all of it. `status` is HTTP's, None where there was none; `body` is what it said."""

    def __init__(self, message: str, *, status: int | None = None, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


def ask(url: str, *, method: str = "GET", timeout_s: float = _TIMEOUT_S) -> tuple[int, bytes]:
    """Status and body of an answer.

    Raises:
        UnreachableError: there was none, or an error.
    """
    request = urllib.request.Request(url, method=method)  # noqa: S310 - check_dataset lets http(s) pass alone
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from None  # the cause may show the address


def fetch(url: str, target: Path) -> None:
    """Write an answer's body to a file.

    Raises:
        UnreachableError: there was none, an error, or the connection was cut.
        DatasetError: it doesn't fit on the disk.
        OSError: the file can't be written.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310
            size = int(answer.headers.get("Content-Length") or 0)
            free = shutil.disk_usage(target.parent).free
            if size > free:
                raise DatasetError(
                    f"The file has {size / 2**20:,.0f} MiB, and {target.parent} has {free / 2**20:,.0f} MiB free: set "
                    "SDPA_EXP_CACHE to a folder with more room."
                )
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
            written = file.tell()
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from None
    if written < size:
        raise UnreachableError(
            f"{_host(url)} cut the connection after {written:,} of {size:,} bytes: nothing was kept. Run the command "
            "again."
        )


def _unreachable(url: str, error: Exception) -> UnreachableError:
    if isinstance(error, urllib.error.HTTPError):
        return UnreachableError(f"{_host(url)} answered HTTP {error.code}", status=error.code, body=error.read())
    reason = getattr(error, "reason", error)
    return UnreachableError(f"{_host(url)} can't be reached ({reason})")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
