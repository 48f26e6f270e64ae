"""The eight kinds are recognised in the words that real tools leave."""

from __future__ import annotations

import pytest

from sdpa_exp.tasks.doctor.faults import fault_line, recognise

LOGS = {
    "numpy_abi": [
        "AttributeError: _ARRAY_API not found",
        "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.4.0 as it may crash.",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88",
    ],
    "cuda_home": [
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        "torch/include/c10/cuda/CUDAMiscFunctions.h:7:10: fatal error: cuda_runtime.h: No such file or directory",
    ],
    "nvcc": [
        "flash_attn was requested, but nvcc was not found.",
        "/bin/sh: 1: nvcc: not found",
        "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'",
    ],
    "binary_mismatch": [
        "ImportError: flash_attn_2_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi",
        "/lib/libc.so.6: version `GLIBC_2.32' not found (required by flash_attn_2_cuda.so)",
        "RuntimeError: The detected CUDA version (11.8) mismatches the version used to compile PyTorch (12.8).",
        "ERROR: flash_attn-2.8.3-cp39.whl is not a supported wheel on this platform.",
        "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory",
    ],
    "system_library": [
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "ImportError: DLL load failed while importing cv2: The specified module could not be found.",
        "fatal error: Python.h: No such file or directory",
    ],
    "network": [
        "NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')",
        "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>",
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))",
    ],
    "polluted_environment": [
        "error: externally-managed-environment",
        "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed.",
    ],
    "wsl": ["Failed to load /usr/lib/wsl/drivers/libdxcore.so"],
}


@pytest.mark.parametrize(("kind", "line"), [(kind, line) for kind, lines in LOGS.items() for line in lines])
def test_a_kind_is_recognised_inside_a_log(kind: str, line: str) -> None:
    log = f"Collecting flash-attn\n  Downloading flash_attn-2.8.3.tar.gz (8.4 MB)\n{line}\nnote: see above\n"
    fault = recognise(log)
    assert fault is not None
    assert fault.kind == kind
    assert fault_line(log, fault) == line


def test_an_ordinary_log_is_no_fault() -> None:
    assert recognise("Collecting torch\nSuccessfully installed torch-2.15.0\n") is None
