"""The facts about a machine that checks judge: gathered once, as plain values, so that any machine can be described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdpa_exp.config.schema import HardwareConfig

NO_ADDRESS = "its address is missing"
"""Of a tracking store: the one reason that stops a command before its first run."""


@dataclass(frozen=True, kw_only=True)
class ImportTry:
    """What came of importing a module in a process of its own.

    Attributes:
        error: the exception in words, or the signal that ended the process; None where the import worked.
        stderr: what was written beside; NumPy's ABI message comes here while the import goes on.
    """

    error: str | None = None
    version: str | None = None
    stderr: str = ""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One installed distribution: where, by whom (pip, uv, conda), which version."""

    version: str
    location: str
    installer: str


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """The CUDA toolkit as a build would find it.

    Attributes:
        nvcc: path of the compiler on PATH.
        nvcc_version: such as 12.8; None where nvcc doesn't answer.
        home: CUDA_HOME or CUDA_PATH as set, None where unset.
        inferred_home: what torch takes where it is unset: two folders above nvcc, or /usr/local/cuda.
        home_has_nvcc, home_has_headers: whether the home in force has bin/nvcc, and include/cuda.h.
    """

    nvcc: str | None = None
    nvcc_version: str | None = None
    home: str | None = None
    inferred_home: str | None = None
    home_has_nvcc: bool = False
    home_has_headers: bool = False


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine, and what is asked of it.

    Attributes:
        system, release, libc: of the operating system; libc is (name, version).
        environment: variables of this process.
        conda_prefix: of this Python where that is a conda environment.
        imports: module -> what came of importing it.
        installed: distribution -> every copy that is found on the path.
        torch: facts that torch tells of itself and of the GPU; empty where it can't be imported.
        driver: version of NVIDIA's driver, None where there is none; has_nvidia_gpu: a device of NVIDIA is there.
        wsl_libcuda: whether WSL's own libcuda is there.
        unwritable: folders we write to -> why we can't.
        disk_free_gib, memory_free_gib: in the run folder's file system, and of the machine.
        store: what the tracking store says: None is fine, else why not; needs_network_for: what would be downloaded.
        index_error: why pip's index doesn't answer; None where it does; "" where it was not asked.
        hardware: as it was asked for; fit: what it is measured by, see `fit_of`; empty where torch can't be imported.
    """

    system: str
    release: str
    libc: tuple[str, str]
    python: str
    environment: Mapping[str, str]
    conda_prefix: str | None
    imports: Mapping[str, ImportTry]
    installed: Mapping[str, tuple[Installed, ...]]
    torch: Mapping[str, Any]
    toolkit: Toolkit
    driver: str | None
    has_nvidia_gpu: bool
    wsl_libcuda: bool
    unwritable: Mapping[str, str]
    disk_free_gib: float
    memory_free_gib: float
    store: str | None
    index_error: str | None
    hardware: HardwareConfig = field(default_factory=lambda: HardwareConfig(name="auto"))
    fit: Mapping[str, Any] = field(default_factory=dict)
    needs_network_for: tuple[str, ...] = field(default=())

    @property
    def is_wsl(self) -> bool:
        """Whether this is Linux inside Windows."""
        return self.system == "Linux" and "microsoft" in self.release.lower()

    @property
    def asked_device(self) -> str:
        """`hardware.device` as it was asked for."""
        return self.hardware.device

    @property
    def wants_cuda(self) -> bool:
        """Whether the chosen configuration is for a CUDA device."""
        return self.asked_device.startswith("cuda")
