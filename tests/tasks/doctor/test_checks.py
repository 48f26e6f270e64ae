"""Each fault is found, named, and comes with a next step; a healthy machine has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.tasks.doctor.faults import FAULTS
from sdpa_exp.tasks.doctor.finding import Finding
from sdpa_exp.tasks.doctor.machine import NO_ADDRESS, ImportTry, Machine, Toolkit
from sdpa_exp.tasks.doctor.work import CHECKS, examine, obstacles_of
from tests.tasks.doctor.machines import FIT, FIT_CPU, HEALTHY, NO_CUDA, TORCH, installed


def found(machine: Machine, check: str) -> Finding:
    (finding,) = [finding for finding in examine(machine) if finding.check == check]
    return finding


def broken(module: str, error: str | None = None, stderr: str = "") -> Machine:
    return replace(HEALTHY, imports={**HEALTHY.imports, module: ImportTry(error=error, stderr=stderr)})


A100 = HardwareConfig(name="a100", device="cuda", batch=16, workers=4, precision="bf16", tf32=True, cache="none")
WSL = replace(HEALTHY, release="5.15.153.1-microsoft-standard-WSL2")
# kind -> (what is wrong, the check that says so, words of the finding)
PLANTED: dict[str, list[tuple[Machine, str, str]]] = {
    "numpy_abi": [
        (
            broken("cv2", stderr="A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.4.0 ..."),
            "NumPy ABI",
            "cv2 was built for another NumPy",
        ),
        (broken("cv2", error="AttributeError: _ARRAY_API not found"), "NumPy ABI", "_ARRAY_API not found"),
    ],
    "system_library": [
        (
            broken("cv2", error="ImportError: libGL.so.1: cannot open shared object file: No such file or directory"),
            "system libraries",
            "cv2: ImportError: libGL.so.1: cannot open",
        ),
    ],
    "binary_mismatch": [
        (
            broken("torchvision", error="ImportError: _C.so: undefined symbol: _ZN3c105ErrorC2E"),
            "binaries",
            "torchvision: ImportError: _C.so: undefined symbol",
        ),
        (broken("torch", error="importing it ends Python: signal SIGSEGV"), "binaries", "torch: importing it ends"),
        (
            broken("torch", error="OSError: libcudart.so.12: cannot open shared object file: No such file"),
            "binaries",
            "libcudart.so.12",
        ),
        (
            replace(
                HEALTHY, installed={**HEALTHY.installed, "flash-attn": (installed("2.8.3+cu12torch2.8cxx11abiTRUE"),)}
            ),
            "flash-attn",
            "was built for torch 2.8, and torch is 2.15.0",
        ),
        (
            replace(
                HEALTHY,
                imports={**HEALTHY.imports, "flash_attn": ImportTry(error="ImportError: undefined symbol: _ZN3c10")},
            ),
            "flash-attn",
            "flash-attn 2.8.3 can't be imported",
        ),
        (
            replace(HEALTHY, toolkit=replace(HEALTHY.toolkit, nvcc_version="11.8")),
            "nvcc",
            "nvcc is 11.8, and torch was built with CUDA 12.8",
        ),
        (replace(HEALTHY, torch={**NO_CUDA, "cuda": None}), "GPU", "a build without CUDA"),
        (
            replace(HEALTHY, torch={**NO_CUDA, "why_not": "The NVIDIA driver on your system is too old (found 11040)"}),
            "GPU",
            "driver on your system is too old",
        ),
        (
            replace(HEALTHY, torch={**TORCH, "gpus": [{"name": "GTX 1060", "capability": [6, 1], "memory_gib": 6.0}]}),
            "GPU",
            "has no code for sm61",
        ),
        (replace(HEALTHY, libc=("", "")), "C library", "not glibc"),
        (replace(HEALTHY, libc=("glibc", "2.17")), "C library", "glibc is 2.17"),
    ],
    "cuda_home": [
        (replace(HEALTHY, toolkit=replace(HEALTHY.toolkit, home_has_headers=False)), "CUDA_HOME", "include/cuda.h"),
        (
            replace(HEALTHY, toolkit=Toolkit(nvcc="/usr/bin/nvcc", nvcc_version="12.8", inferred_home="/usr")),
            "CUDA_HOME",
            "it is unset, and torch takes /usr",
        ),
        (replace(HEALTHY, toolkit=Toolkit()), "CUDA_HOME", "it is unset, and there is no toolkit"),
    ],
    "nvcc": [
        (replace(HEALTHY, toolkit=Toolkit()), "nvcc", "nvcc is not found"),
        (replace(HEALTHY, toolkit=replace(HEALTHY.toolkit, nvcc_version=None)), "nvcc", "does not answer"),
    ],
    "polluted_environment": [
        (
            replace(HEALTHY, installed={"torch": (installed(), installed("2.8.0", "/home/me/.local"))}),
            "environment",
            "2 copies of torch",
        ),
        (
            replace(
                HEALTHY,
                conda_prefix="/opt/conda",
                installed={"torch": (installed(installer="pip"),), "numpy": (installed(installer="conda"),)},
            ),
            "environment",
            "conda and pip are mixed (torch by pip, numpy by conda)",
        ),
        (
            replace(HEALTHY, environment={"PYTHONPATH": "/old/lib/python3.9/site-packages"}),
            "environment",
            "PYTHONPATH has /old/lib/python3.9/site-packages",
        ),
        (
            replace(HEALTHY, installed={"opencv-python": (installed(),), "opencv-python-headless": (installed(),)}),
            "environment",
            "overwrite each other's cv2",
        ),
        (
            replace(HEALTHY, installed={"ultralytics": (installed(),), "ultralytics-opencv-headless": (installed(),)}),
            "environment",
            "overwrite each other's ultralytics",
        ),
    ],
    "network": [
        (
            replace(HEALTHY, index_error="NewConnectionError: Temporary failure in name resolution"),
            "network",
            "pip's index",
        ),
    ],
    "wsl": [
        (WSL, "WSL", "lends it no GPU"),
        (replace(WSL, wsl_libcuda=True), "WSL", "files below /mnt are slow"),
    ],
}


def test_a_healthy_machine_is_all_ok() -> None:
    assert [finding for finding in examine(HEALTHY) if finding.state != "ok"] == []
    assert len(examine(HEALTHY)) == len(CHECKS) == 17


def test_every_kind_has_a_machine_that_provokes_it() -> None:
    assert set(PLANTED) == {fault.kind for fault in FAULTS}


@pytest.mark.parametrize(
    ("kind", "machine", "check", "words"),
    [(kind, *case) for kind, cases in PLANTED.items() for case in cases],
    ids=[f"{kind}-{case[1]}-{number}" for kind, cases in PLANTED.items() for number, case in enumerate(cases)],
)
def test_a_fault_is_found_named_and_has_a_next_step(kind: str, machine: Machine, check: str, words: str) -> None:
    finding = found(machine, check)
    assert finding.kind == kind
    assert finding.state in ("note", "problem")
    assert words in finding.what
    assert finding.next_step


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (
            {"unwritable": {"/data/runs": "Permission denied"}},
            "write access",
            "can't write /data/runs: Permission denied",
        ),
        ({"disk_free_gib": 0.2}, "disk", "0.2 GiB free, and a run wants 1"),
        ({"memory_free_gib": 0.5}, "memory", "0.5 GiB free, and a run wants 1.5"),
        ({"store": NO_ADDRESS}, "tracking store", "can't be used: its address is missing"),
        ({"torch": NO_CUDA, "driver": None, "has_nvidia_gpu": False, "hardware": A100}, "GPU", "no NVIDIA GPU"),
        (
            {"index_error": "timed out", "needs_network_for": ("yolo12n.pt",)},
            "network",
            "yolo12n.pt would be downloaded",
        ),
    ],
)
def test_what_stops_a_run_blocks(change: dict[str, Any], check: str, words: str) -> None:
    finding = found(replace(HEALTHY, **change), check)
    assert finding.blocks
    assert finding.state == "problem"
    assert words in finding.what


def test_a_store_that_is_away_stops_no_run() -> None:
    finding = found(replace(HEALTHY, store="Connection refused"), "tracking store")
    assert (finding.state, finding.blocks) == ("problem", False)
    assert "can't be used: Connection refused; runs go on without it, and task=sync sends them later" in finding.what


def test_a_broken_optional_package_is_a_problem_that_blocks_nothing() -> None:
    machine = replace(
        HEALTHY, imports={**HEALTHY.imports, "flash_attn": ImportTry(error="ImportError: undefined symbol")}
    )
    assert not any(finding.blocks for finding in examine(machine))


def test_a_missing_package_is_said_once_and_not_as_a_broken_binary() -> None:
    machine = broken("ultralytics", error="ModuleNotFoundError: No module named 'ultralytics'")
    assert "not installed: ultralytics" in found(machine, "packages").what
    assert found(machine, "binaries").state == "ok"


def test_no_gpu_is_only_a_note_where_none_was_asked_for() -> None:
    machine = replace(HEALTHY, torch=NO_CUDA, driver=None, has_nvidia_gpu=False)
    assert (found(machine, "GPU").state, found(machine, "GPU").blocks) == ("note", False)


def test_obstacles_name_what_blocks_first_and_the_next_step() -> None:
    machine = replace(HEALTHY, disk_free_gib=0.1)
    (sentence,) = obstacles_of(examine(machine), None, None)
    assert sentence == "0.1 GiB free, and a run wants 1. Next step: delete old runs below multirun/"


# what is asked for otherwise than A100, where -> state, words of the finding, the next step
MISFITS: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    (
        {"batch": 24},
        FIT,
        "problem",
        "hardware.batch=24 does not fit: expected at most 20: a step takes about 242 MiB an image",
        "set hardware.batch=20, or take hardware=auto",
    ),
    ({"batch": 3}, {**FIT, "num_images": 0}, "problem", "expected at most 1: a step", "hardware.batch=1,"),
    (
        {"batch": 24, "workers": 0, "precision": "fp32", "tf32": False},
        FIT_CPU,
        "note",
        "batch=24",
        "hardware.batch=20,",
    ),
    ({"workers": 16}, FIT, "note", "hardware.workers=16 does not fit: expected at most 4, the cores", "workers=4,"),
    ({"workers": 2}, FIT_CPU, "note", "expected 0, which Ultralytics forces on cpu", "hardware.workers=0"),
    ({"num_threads": 5}, FIT, "note", "hardware.num_threads=5 does not fit: expected at most 4", "num_threads=4,"),
    (
        {"precision": "fp16"},
        FIT_CPU,
        "problem",
        "expected fp32, which cpu computes natively",
        "hardware.precision=fp32",
    ),
    (
        {},
        {**FIT, "capability": [7, 5], "auto": {**FIT["auto"], "precision": "fp16", "tf32": False}},
        "problem",
        "hardware.precision=bf16 does not fit: expected fp16, which cuda:0 computes natively in training. "
        "hardware.tf32=true does not fit: expected false",
        "set hardware.precision=fp16 hardware.tf32=false,",
    ),
    (
        {"allocator": "backend:native"},
        FIT_CPU,
        "note",
        "expected null, since it is a setting of CUDA's",
        "allocator=null",
    ),
    (
        {"cache": "ram"},
        FIT,
        "note",
        "hardware.cache=ram does not fit: expected none, since in RAM",
        "hardware.cache=none,",
    ),
    (
        {"device": "cuda:1"},
        {**FIT, "device": None},
        "problem",
        "hardware.device=cuda:1 does not fit",
        "hardware.device=auto",
    ),
]


@pytest.mark.parametrize(("asked", "fit", "state", "words", "step"), MISFITS)
def test_what_a_hardware_file_has_and_this_machine_has_not_is_said_with_the_value_that_fits(
    asked: dict[str, Any], fit: dict[str, Any], state: str, words: str, step: str
) -> None:
    finding = found(replace(HEALTHY, hardware=replace(A100, **asked), fit=fit), "hardware")
    assert finding.state == state
    assert words in finding.what
    assert step in str(finding.next_step)


@pytest.mark.parametrize(("hardware", "fit"), [(A100, FIT), (HEALTHY.hardware, FIT), (HEALTHY.hardware, FIT_CPU)])
def test_a_hardware_file_that_fits_gets_one_line(hardware: HardwareConfig, fit: dict[str, Any]) -> None:
    finding = found(replace(HEALTHY, hardware=hardware, fit=fit), "hardware")
    assert (finding.state, finding.what) == ("ok", f"hardware={hardware.name} fits this machine ({fit['device']})")


def test_a_cache_in_ram_fits_where_determinism_is_not_asked_for() -> None:
    machine = replace(HEALTHY, hardware=replace(A100, cache="ram"), fit={**FIT, "deterministic": False})
    assert found(machine, "hardware").state == "ok"
