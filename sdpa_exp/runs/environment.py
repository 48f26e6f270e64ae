"""What a run ran on: versions, device, driver, and the state of the code."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sdpa_exp.runs.limits import usable_cores

_HEADLESS = {"ultralytics": "ultralytics-opencv-headless"}  # the same files under a second name
PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "numpy",
    "mlflow",
    "hydra-core",
    "sdpa-exp",
    "opencv-python-headless",
)


def collect_environment(device: str = "cuda") -> dict[str, Any]:
    """Versions, machine and code, as plain values; what can't be found out is None. For the worker, which has torch.

    Args:
        device: torch's name of the GPU that is used; where it names none, the facts are of the first GPU, if any.
    """
    return {**software_and_host(), **_torch_facts(device)}


def gpus_of(environment: dict[str, Any]) -> list[str]:
    """UUIDs of the GPUs that a run used, from its environment: of several devices, or of its one."""
    several = environment.get("gpu_uuids")
    return several or [uuid for uuid in [environment.get("gpu_uuid")] if uuid]


def gpu_uuids(devices: Sequence[str]) -> list[str]:
    """The UUIDs of torch's CUDA devices of these names; those of other kinds are left out."""
    return [uuid for each in devices if each.startswith("cuda") and (uuid := _torch_facts(each)["gpu_uuid"])]


def software_and_host() -> dict[str, Any]:
    """The part of the environment that can be known without torch."""
    import sdpa_exp

    code = Path(sdpa_exp.__file__).parent
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu": cpu_name(),
        "num_cpus": os.cpu_count(),  # of the machine, as telemetry's load is
        "usable_cores": usable_cores(),  # what Slurm, a container or taskset leave of them
        "versions": {name: _version(_HEADLESS.get(name, name)) or _version(name) for name in PACKAGES},
        "locations": {"sdpa_exp": str(code), "python": sys.executable},
        "git": git_state(code),
        "code": _code_digest(code),
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit, and whether tracked files differ from it; both None outside a checkout.

    An image holds no history: there the commit is what docker/Dockerfile was told, and nobody knows of changes.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    commit = commit or os.environ.get("SDPA_EXP_COMMIT") or None
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _code_digest(package: Path) -> str:
    """SHA-256 over names and bytes of the package's Python files, shortened to 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _torch_facts(device: str) -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "gpu": None,
        "gpu_uuid": None,
        "gpu_capability": None,
        "gpu_memory_mib": None,
        "driver": None,
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(device if device.startswith("cuda") else 0)
        facts |= {
            "gpu": properties.name,
            "gpu_uuid": f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else None,
            "gpu_capability": f"{properties.major}.{properties.minor}",
            "gpu_memory_mib": properties.total_memory / 2**20,
            "driver": driver_version(),
        }
    return facts


def driver_version() -> str | None:
    """Of NVIDIA's driver; None where there is none, or it does not say so in /proc."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"\b(\d{3,}\.\d+(\.\d+)?)\b", text)
    return found.group(1) if found else None


def cpu_name() -> str | None:
    """The processor's model, or its family where the system does not say it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
