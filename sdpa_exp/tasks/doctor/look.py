"""Gathers the facts about this machine. Imports nothing that may be broken: that happens in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan, to_dict
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.data.cache import cache_root
from sdpa_exp.runs.environment import driver_version
from sdpa_exp.runs.limits import free_memory_bytes
from sdpa_exp.tasks.doctor import Doctor
from sdpa_exp.tasks.doctor.machine import NO_ADDRESS, ImportTry, Installed, Machine, Toolkit
from sdpa_exp.tasks.doctor.probe import MARK

MODULES = ("numpy", "cv2", "torch", "torchvision", "ultralytics")
_OPTIONAL = {"flash_attn": "flash-attn", "xformers": "xformers"}
_WSL_LIBCUDA = Path("/usr/lib/wsl/lib/libcuda.so.1")
_STORE_TIMEOUT_S = 3.0


def look(plan: Plan) -> tuple[Machine, dict[str, Any]]:
    """The facts, and what the probe found out of the plan: "environment", and "matrix" or "refused"."""
    index = ask_index() if Doctor.of(plan).network else None
    installed = installed_distributions()
    modules = [*MODULES, *(name for name, distribution in _OPTIONAL.items() if distribution in installed)]
    imports, answers = probe(modules, to_dict(plan), time_limit_s=Doctor.of(plan).time_limit_s)
    machine = Machine(
        system=platform.system(),
        release=platform.release(),
        libc=platform.libc_ver(),
        python=platform.python_version(),
        environment=dict(os.environ),
        conda_prefix=sys.prefix if (Path(sys.prefix) / "conda-meta").is_dir() else None,
        imports=imports,
        installed=installed,
        torch=answers.get("torch", {}),
        toolkit=find_toolkit(os.environ),
        driver=driver_version(),
        has_nvidia_gpu=Path("/dev/nvidia0").exists() or (Path("/dev/dxg").exists() and _WSL_LIBCUDA.exists()),
        wsl_libcuda=_WSL_LIBCUDA.exists(),
        unwritable=unwritable([plan.run_dir, cache_root()]),
        disk_free_gib=shutil.disk_usage(plan.run_dir).free / 2**30,
        memory_free_gib=free_memory_bytes() / 2**30,
        store=ask_store(plan.tracking),
        index_error=index_error(index) if index else "",
        hardware=plan.hardware,
        fit=answers.get("fit", {}),
        needs_network_for=_downloads(plan),
    )
    return machine, answers


def probe(
    modules: Sequence[str], plan: dict[str, Any] | None, *, time_limit_s: float, path: Sequence[str] = ()
) -> tuple[dict[str, ImportTry], dict[str, Any]]:
    """Import modules in a process of its own; a module that ends the process is left out in the next attempt.

    Args:
        modules: names in order.
        plan: for the matrix; None to leave that out.
        time_limit_s: until a hanging import is given up.
        path: folders that the process searches first.
    """
    imports: dict[str, ImportTry] = {}
    answers: dict[str, Any] = {}
    deadline_s = time.monotonic() + time_limit_s
    left = list(modules)
    while True:
        request = json.dumps({"modules": left, "plan": plan})
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        }
        command = [sys.executable, "-m", "sdpa_exp.tasks.doctor.probe"]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            try:
                end = subprocess.run(
                    command,
                    input=request,
                    stdout=out,
                    stderr=err,
                    text=True,
                    env=env,
                    timeout=max(1.0, deadline_s - time.monotonic()),
                    check=False,
                )
                how = _ending(end.returncode)
            except subprocess.TimeoutExpired:
                how = f"it took longer than {time_limit_s:g} s"
            out.seek(0)
            err.seek(0)
            lines = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
            noise = _noise(err.read())
        found = {line["import"]: line for line in lines if "import" in line}
        for name, line in found.items():
            imports[name] = ImportTry(error=line["error"], version=line.get("version"), stderr=noise.get(name, ""))
        answers.update({k: v for line in lines for k, v in line.items() if k in _ANSWERS})
        tried = [line["try"] for line in lines if "try" in line]
        if how is None or not tried or tried[-1] in found:
            if how is not None and plan is not None and "matrix" not in answers:
                answers["refused"] = f"looking at the model ended the process: {how}"
            return imports, answers
        imports[tried[-1]] = ImportTry(error=f"importing it ends Python: {how}", stderr=noise.get(tried[-1], ""))
        left = left[left.index(tried[-1]) + 1 :]
        plan = None


_ANSWERS = ("torch", "environment", "fit", "matrix", "refused")


def _ending(returncode: int) -> str | None:
    if returncode == 0:
        return None
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"


def _noise(text: str) -> dict[str, str]:
    """What was written to stderr while each module was imported."""
    parts = (part.partition("\n") for part in text.split(MARK)[1:])
    return {name: noise for name, _, noise in parts}


def installed_distributions(path: Sequence[str] | None = None) -> dict[str, tuple[Installed, ...]]:
    """Every copy of every distribution on the path, by normalised name; copies in one folder count once."""
    found: dict[str, dict[str, Installed]] = {}
    arguments: dict[str, Any] = {} if path is None else {"path": list(path)}
    for distribution in metadata.distributions(**arguments):
        name = distribution.metadata["Name"]
        if not name:
            continue  # half-removed by pip: a folder without metadata
        location = str(Path(str(distribution.locate_file(""))).resolve())
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), {})[location] = Installed(
            version=distribution.version,
            location=location,
            installer=(distribution.read_text("INSTALLER") or "").strip(),
        )
    return {name: tuple(copies.values()) for name, copies in found.items()}


def find_toolkit(environment: Mapping[str, str]) -> Toolkit:
    """The CUDA toolkit, by the rules of torch.utils.cpp_extension (torch 2.15)."""
    nvcc = shutil.which("nvcc", path=environment.get("PATH", ""))
    home = environment.get("CUDA_HOME") or environment.get("CUDA_PATH")
    inferred = None
    if home is None:
        usual = "/usr/local/cuda"
        inferred = str(Path(nvcc).parents[1]) if nvcc else usual if Path(usual).exists() else None
    effective = Path(home or inferred or "/nonexistent")
    return Toolkit(
        nvcc=nvcc,
        nvcc_version=_nvcc_version(nvcc),
        home=home,
        inferred_home=inferred,
        home_has_nvcc=any((effective / "bin" / name).exists() for name in ("nvcc", "nvcc.exe")),
        home_has_headers=(effective / "include" / "cuda.h").exists(),
    )


def unwritable(folders: Sequence[Path]) -> dict[str, str]:
    """Folders that can't be written, by trying it, with the reason."""
    refused = {}
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            refused[str(folder)] = error.strerror or str(error)
    return refused


def ask_store(tracking: TrackingConfig) -> str | None:
    """Why the tracking store can't be reached; None where it can, or where there is none."""
    uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if tracking.kind == "none":
        return None
    if uri.startswith("sqlite:///"):
        folder = Path(uri.removeprefix("sqlite:///")).absolute().parent
        there = next(place for place in (folder, *folder.parents) if place.exists())
        return None if os.access(there, os.W_OK) else f"{there} can't be written"
    if not uri.startswith(("http://", "https://")):
        return NO_ADDRESS
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/version", timeout=_STORE_TIMEOUT_S):  # noqa: S310 - checked above
            return None
    except urllib.error.HTTPError as error:
        return None if error.code == 401 else f"it answers with HTTP {error.code}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def ask_index() -> subprocess.Popen[str]:
    """Ask pip, with all its own settings, whether its index answers; goes on while other facts are gathered."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--timeout", "2", "--retries", "1", "pip"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def index_error(asked: subprocess.Popen[str], *, timeout_s: float = 5.0) -> str | None:
    """What pip said, where it got no answer; None where it did, "" where there is no pip to ask."""
    try:
        said, _ = asked.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        asked.kill()
        asked.communicate()
        return f"no answer within {timeout_s:g} s: Read timed out"
    if asked.returncode == 0:
        return None
    return "" if "No module named pip" in said or "unknown command" in said else said.strip()


def _nvcc_version(nvcc: str | None) -> str | None:
    if nvcc is None:
        return None
    try:
        said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"release (\d+\.\d+)", said)
    return found.group(1) if found else None


def _downloads(plan: Plan) -> tuple[str, ...]:
    """What a run of this plan would fetch."""
    weights = plan.model.weights
    return (weights,) if weights and not Path(weights).exists() else ()
