"""Checks of the GPU, its driver, and the CUDA toolkit that a build of flash-attn would need."""

from __future__ import annotations

from sdpa_exp.tasks.doctor.finding import Finding, note, ok, problem
from sdpa_exp.tasks.doctor.machine import Machine

_ONLY_BUILDS = "only needed to build flash-attn: "


def gpu(machine: Machine) -> Finding:
    """The GPU, and whether this torch can use it."""
    torch = machine.torch
    if not torch:
        return note("unknown: torch can't be imported", "see the lines below")
    if torch["is_available"]:
        gpus = ", ".join(f"{g['name']} (sm{g['capability'][0]}{g['capability'][1]})" for g in torch["gpus"])
        return _architecture(machine, gpus) or ok(f"{gpus}, CUDA {torch['cuda']}, driver {machine.driver or 'unknown'}")
    if not machine.has_nvidia_gpu and machine.driver is None:
        return Finding(
            state="problem" if machine.wants_cuda else "note",
            what=(
                "no NVIDIA GPU here"
                + ("" if not machine.wants_cuda else f", and hardware.device={machine.asked_device}")
            ),
            next_step=(
                "hardware=cpu, or a machine with a GPU" if machine.wants_cuda else "none needed: runs use the CPU"
            ),
            blocks=machine.wants_cuda,
        )
    if torch["cuda"] is None:
        return problem(
            f"there is a GPU, and torch {torch['version']} is a build without CUDA",
            "install torch's CUDA build for this driver",
            kind="binary_mismatch",
            blocks=machine.wants_cuda,
        )
    return problem(
        (
            f"there is a GPU, and torch {torch['version']} (CUDA {torch['cuda']}) can't use it: "
            f"{(torch['why_not'] or 'it gives no reason')[:300]} (driver {machine.driver or 'not found'})"
        ),
        "update the NVIDIA driver, or install torch for an older CUDA; start a container with --gpus all",
        kind="binary_mismatch" if "driver" in (torch["why_not"] or "") else None,
        blocks=machine.wants_cuda,
    )


def nvcc(machine: Machine) -> Finding:
    """The CUDA compiler, and whether it is of torch's CUDA version."""
    toolkit, built_with = machine.toolkit, machine.torch.get("cuda")
    if toolkit.nvcc is None and not toolkit.home_has_nvcc:
        return note(
            _ONLY_BUILDS + "nvcc is not found",
            f"install the CUDA toolkit{f' {built_with}' if built_with else ''}",
            kind="nvcc",
        )
    if toolkit.nvcc is not None and toolkit.nvcc_version is None:
        return note(_ONLY_BUILDS + f"{toolkit.nvcc} does not answer", "reinstall the CUDA toolkit", kind="nvcc")
    if built_with and toolkit.nvcc_version and toolkit.nvcc_version.split(".")[0] != str(built_with).split(".")[0]:
        return note(
            _ONLY_BUILDS + f"nvcc is {toolkit.nvcc_version}, and torch was built with CUDA {built_with}",
            f"install the CUDA toolkit {built_with} and let CUDA_HOME name it",
            kind="binary_mismatch",
        )
    return ok(f"{toolkit.nvcc or 'in CUDA_HOME'}, {toolkit.nvcc_version or ''}".rstrip(", "))


def cuda_home(machine: Machine) -> Finding:
    """CUDA_HOME as a build would see it: set and right, or unset and guessed."""
    toolkit = machine.toolkit
    whole = toolkit.home_has_nvcc and toolkit.home_has_headers
    if toolkit.home is None and toolkit.inferred_home is None:
        return note(
            _ONLY_BUILDS + "it is unset, and there is no toolkit to guess it from",
            "install a CUDA toolkit, then set CUDA_HOME to its folder",
            kind="cuda_home",
        )
    if whole:
        how = "set" if toolkit.home else "unset, and torch finds it"
        return ok(f"{toolkit.home or toolkit.inferred_home} ({how})")
    lacking = " and ".join(
        name
        for name, is_there in (("bin/nvcc", toolkit.home_has_nvcc), ("include/cuda.h", toolkit.home_has_headers))
        if not is_there
    )
    said = f"it is {toolkit.home}" if toolkit.home else f"it is unset, and torch takes {toolkit.inferred_home}"
    return note(
        _ONLY_BUILDS + f"{said}, which has no {lacking}",
        "set CUDA_HOME to the toolkit's own folder, such as /usr/local/cuda-12.8",
        kind="cuda_home",
    )


def wsl(machine: Machine) -> Finding:
    """Linux inside Windows: works, with a driver from Windows, and with gaps in the telemetry."""
    if not machine.is_wsl:
        return ok("this is not WSL")
    if not machine.wsl_libcuda:
        return Finding(
            state="problem" if machine.wants_cuda else "note",
            what="this is WSL, and Windows lends it no GPU: libcuda.so.1 is not in WSL's library folder",
            next_step="install the NVIDIA driver in Windows, none inside WSL, then `wsl --update; wsl --shutdown`",
            kind="wsl",
            blocks=machine.wants_cuda,
        )
    return note(
        "this is WSL: energy and per-process GPU memory are often not reported, and files below /mnt are slow",
        "keep data and run folders in the Linux file system; unmeasured metrics stay null",
        kind="wsl",
    )


def _architecture(machine: Machine, gpus: str) -> Finding | None:
    """A GPU that this torch has no code for, neither binary nor PTX of an older one."""
    torch = machine.torch
    have = {name for name in torch["architectures"] if name.startswith(("sm_", "compute_"))}
    numbers = sorted(int("".join(c for c in name if c.isdigit())) for name in have)
    for card in torch["gpus"]:
        number = card["capability"][0] * 10 + card["capability"][1]
        if numbers and number < numbers[0]:
            return problem(
                f"{gpus}: torch {torch['version']} has no code for sm{number} (it starts at sm{numbers[0]})",
                "install an older torch, or use hardware=cpu",
                kind="binary_mismatch",
                blocks=not machine.asked_device.startswith("cpu"),
            )
    return None
