"""Checks of what is installed: imports, NumPy's ABI, system libraries, binary matches, and a clean environment."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sdpa_exp.tasks.doctor.faults import fault_line, recognise
from sdpa_exp.tasks.doctor.finding import Finding, note, ok, problem
from sdpa_exp.tasks.doctor.machine import Machine

_NEEDED = ("numpy", "cv2", "torch", "torchvision", "ultralytics")
# Packages that bring the same files under several names, by module.
_SEVERAL_NAMES = {"cv2": r"opencv-.*python.*", "ultralytics": r"ultralytics(-opencv-headless)?"}
_DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "flash_attn": "flash-attn",
    "ultralytics": "ultralytics-opencv-headless",
}


def versions(machine: Machine) -> Finding:
    """What is installed of what a run needs."""
    missing = [name for name in _NEEDED if "No module named" in (_error(machine, name) or "")]
    if missing:
        return problem(
            f"not installed: {', '.join(missing)}",
            "pip install -e . (or make demo) in a fresh virtual environment",
            blocks=True,
        )
    found = [f"{name} {tried.version}" for name, tried in machine.imports.items() if tried.version]
    return ok(f"Python {machine.python}, {', '.join(found)}")


def numpy_abi(machine: Machine) -> Finding:
    """A package that was built for another NumPy says so on stderr or fails to import."""
    for name, tried in machine.imports.items():
        text = f"{tried.stderr}\n{tried.error or ''}"
        fault = recognise(text)
        if fault is not None and fault.kind == "numpy_abi":
            return problem(
                f"{name} was built for another NumPy: {fault_line(text, fault)}",
                f"pip install --upgrade --force-reinstall {_distribution(name)}; else pip install 'numpy<2'",
                kind="numpy_abi",
                blocks=name in _NEEDED,
            )
    return ok("all that was imported fits the installed NumPy")


def system_libraries(machine: Machine) -> Finding:
    """A shared library of the system that a package wants and that is not there, such as libGL for OpenCV."""
    for name, tried in machine.imports.items():
        fault = recognise(tried.error or "")
        if fault is not None and fault.kind == "system_library":
            step = fault.next_step
            if "libGL" in (tried.error or ""):
                step = "apt-get install libgl1, or pip uninstall opencv-python and pip install opencv-python-headless"
            return problem(
                f"{name}: {fault_line(tried.error or '', fault)}", step, kind="system_library", blocks=name in _NEEDED
            )
    return ok("none is missing")


def binaries(machine: Machine) -> Finding:
    """An import that dies of another build of torch, CUDA or the C library, or of anything else that is not named."""
    for name, tried in machine.imports.items():
        error = tried.error
        if error is None or "No module named" in error:
            continue
        fault = recognise(error)
        if fault is not None and fault.kind in ("numpy_abi", "system_library"):
            continue  # has its own line
        ended = error.startswith("importing it ends Python")
        is_mismatch = ended or (fault is not None and fault.kind == "binary_mismatch")
        return problem(
            f"{name}: {error.splitlines()[0][:300]}",
            f"pip install --force-reinstall {_distribution(name)} in a build for this torch, CUDA and Python",
            kind="binary_mismatch" if is_mismatch else (fault.kind if fault else None),
            blocks=name in _NEEDED,
        )
    return ok("every import works")


def flash_attn(machine: Machine) -> Finding:
    """Whether the flash-attn package is there, and was built for this torch."""
    copies = machine.installed.get("flash-attn", ())
    if not copies:
        return note(
            "the flash-attn package is not installed; attention=flash doesn't need it",
            "only for attention=flash_attn: task=setup_trial says whether it can be had here",
        )
    version = copies[0].version
    built_for = re.search(r"torch(\d+\.\d+)", version)
    torch_version = str(machine.torch.get("version", ""))
    if built_for and torch_version and not torch_version.startswith(f"{built_for.group(1)}."):
        return problem(
            f"flash-attn {version} was built for torch {built_for.group(1)}, and torch is {torch_version}",
            f"install a wheel for torch {torch_version}, or build it against this torch",
            kind="binary_mismatch",
        )
    tried = machine.imports.get("flash_attn")
    if tried is not None and tried.error is not None:
        return problem(
            f"flash-attn {version} can't be imported: {tried.error.splitlines()[0][:200]}",
            "build it against this torch: pip install flash-attn --no-build-isolation --no-cache-dir",
            kind="binary_mismatch",
        )
    return ok(f"flash-attn {version}, imported with torch {torch_version}")


def clean_environment(machine: Machine) -> Finding:
    """Several torches, pip and conda mixed, and leftovers in PYTHONPATH: what is tested is not what is imported."""
    dirt = [*_several_copies(machine), *_mixed_installers(machine), *_python_path(machine)]
    if not dirt:
        return ok("one torch, one installer, nothing strange in PYTHONPATH")
    return problem(
        "; ".join(dirt),
        "make a fresh virtual environment (python -m venv) and unset PYTHONPATH",
        kind="polluted_environment",
    )


def _several_copies(machine: Machine) -> list[str]:
    said = []
    for name in ("torch", "numpy", "ultralytics", "ultralytics-opencv-headless", "opencv-python-headless"):
        copies = machine.installed.get(name, ())
        if len(copies) > 1:
            places = ", ".join(f"{copy.version} in {copy.location}" for copy in copies)
            said.append(f"{len(copies)} copies of {name} ({places})")
    for module, pattern in _SEVERAL_NAMES.items():
        names = sorted(name for name in machine.installed if re.fullmatch(pattern, name))
        if len(names) > 1:
            said.append(f"{' and '.join(names)} overwrite each other's {module}")
    return said


def _mixed_installers(machine: Machine) -> list[str]:
    if machine.conda_prefix is None:
        return []
    by = {name: {copy.installer for copy in machine.installed.get(name, ())} for name in ("torch", "numpy")}
    flat = {installer for installers in by.values() for installer in installers if installer}
    if len(flat) > 1:
        words = ", ".join(f"{name} by {' and '.join(sorted(i))}" for name, i in by.items() if i)
        return [f"conda and pip are mixed ({words})"]
    return []


def _python_path(machine: Machine) -> list[str]:
    """PYTHONPATH may name a checkout; a folder of installed packages there is shared with whatever set it."""
    folders = [folder for folder in machine.environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return [
        f"PYTHONPATH has {folder}, a folder of installed packages"
        for folder in folders
        if Path(folder).name in ("site-packages", "dist-packages") or (Path(folder) / "torch" / "__init__.py").exists()
    ]


def _error(machine: Machine, name: str) -> str | None:
    tried = machine.imports.get(name)
    return tried.error if tried is not None else None


def _distribution(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module)
