"""The eight kinds of installation fault, recognised by the words that tools leave in errors and logs.

One study lost 420 minutes to them before its first step. `task=doctor` recognises them in import errors,
`task=setup_trial` in the logs of installations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "numpy_abi",
    "cuda_home",
    "nvcc",
    "binary_mismatch",
    "system_library",
    "polluted_environment",
    "network",
    "wsl",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind: the words that betray it, and what to do."""

    kind: FaultKind
    pattern: str
    next_step: str


# In order: what is more specific stands before what it would also match.
FAULTS: tuple[Fault, ...] = (
    Fault(
        kind="numpy_abi",
        pattern=r"_ARRAY_API not found|compiled using NumPy 1\.x|numpy\.dtype size changed"
        r"|compiled against (ABI|API) version|numpy\.backend\.multiarray failed to import",
        next_step="Update the package that is named to a build for NumPy 2, or pip install 'numpy<2' for all.",
    ),
    Fault(
        kind="wsl",
        pattern=r"libdxcore|/usr/lib/wsl|WSL environment|Windows Subsystem for Linux",
        next_step="Install the NVIDIA driver in Windows, none inside WSL, and update WSL with `wsl --update`.",
    ),
    Fault(
        kind="cuda_home",
        pattern=r"CUDA_HOME (environment variable )?(is|was) not set|CUDA_HOME.{0,40}(does not exist|is undefined)"
        r"|set it to your CUDA install root|cuda(_runtime|_runtime_api)?\.h: No such file",
        next_step="Set CUDA_HOME to the folder of a CUDA toolkit, the one with bin/nvcc and include/cuda.h in it.",
    ),
    Fault(
        kind="nvcc",
        pattern=r"nvcc(:| was|: command)? not found|No such file or directory: '?[^'\n]*nvcc|nvcc fatal",
        next_step="Install the CUDA toolkit of the version that torch was built with: it brings nvcc.",
    ),
    Fault(
        kind="binary_mismatch",
        pattern=r"undefined symbol|version [`'\"]?(GLIBC|GLIBCXX|CXXABI)_[\d.]+'? not found|wrong ELF class"
        r"|lib(cudart|cublas|cudnn|nvrtc|torch|c10)[\w.-]*\.so[\w.]*: cannot open shared object"
        r"|no kernel image is available|detected CUDA version .{0,80}mismatches|not a supported wheel on this platform"
        r"|driver on your system is too old|CUDA driver version is insufficient",
        next_step="Install a build that matches this torch, CUDA and Python, or build it against them.",
    ),
    Fault(
        kind="system_library",
        pattern=r"lib[\w+-]+\.so[\w.]*: cannot open shared object|DLL load failed|Library not loaded"
        r"|fatal error: \S+\.h: No such file|ensurepip is not available"
        r"|error: command '[^']*(gcc|g\+\+|cc|cl)[^']*' failed"
        r": No such file",
        next_step="Install the library with the system's package manager (libGL.so.1: apt-get install libgl1).",
    ),
    Fault(
        kind="network",
        pattern=r"name resolution|Could not resolve host|Max retries exceeded|Connection (refused|reset|timed out)"
        r"|Read timed out|ConnectTimeout|NewConnectionError|ProxyError|CERTIFICATE_VERIFY_FAILED|urlopen error"
        r"|Network is unreachable|Remote end closed connection",
        next_step="Check the connection, the proxy and the certificates (HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT).",
    ),
    Fault(
        kind="polluted_environment",
        pattern=r"externally-managed-environment|dependency resolver does not|ResolutionImpossible"
        r"|conflicting dependencies|Cannot uninstall|partially initialized module",
        next_step="Make a fresh virtual environment (python -m venv) and install into that alone.",
    ),
)
_PATTERNS = {fault.kind: re.compile(fault.pattern, re.IGNORECASE) for fault in FAULTS}


def recognise(text: str) -> Fault | None:
    """The first kind whose words are in the text; None where none is."""
    return next((fault for fault in FAULTS if _PATTERNS[fault.kind].search(text)), None)


def fault_line(text: str, fault: Fault) -> str:
    """The line of the text that betrays the fault, for people; at most 300 characters."""
    found = _PATTERNS[fault.kind].search(text)
    if found is None:
        return ""
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else None].strip()[:300]
