"""Checks of the system around: C library, write access, free disk and memory, the tracking store, the network."""

from __future__ import annotations

from sdpa_exp.tasks.doctor.faults import recognise
from sdpa_exp.tasks.doctor.finding import Finding, note, ok, problem
from sdpa_exp.tasks.doctor.machine import NO_ADDRESS, Machine

# manylinux_2_28: what torch's and flash-attn's wheels are built for.
_MIN_GLIBC = (2, 28)
_DISK_NEEDED_GIB, _DISK_COMFORT_GIB = 1.0, 5.0
_MEMORY_NEEDED_GIB, _MEMORY_COMFORT_GIB = 1.5, 4.0


def c_library(machine: Machine) -> Finding:
    """The C library, which wheels are built against."""
    name, version = machine.libc
    if machine.system != "Linux":
        return ok(f"{machine.system} has its own")
    if name != "glibc":
        return problem(
            f"it is {name or 'not glibc'}, and torch has wheels for glibc only",
            "use a distribution with glibc (Debian, Ubuntu, Fedora), or a container of one",
            kind="binary_mismatch",
        )
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < _MIN_GLIBC:
        return problem(
            f"glibc is {version}, and wheels of torch want {'.'.join(map(str, _MIN_GLIBC))}",
            "use a newer distribution, or a container of one",
            kind="binary_mismatch",
        )
    return ok(f"glibc {version}")


def write_access(machine: Machine) -> Finding:
    """The folders that a run writes to: its own, and the cache."""
    if machine.unwritable:
        said = "; ".join(f"{folder}: {reason}" for folder, reason in machine.unwritable.items())
        return problem(f"can't write {said}", "set hydra.run.dir and SDPA_EXP_CACHE to folders of yours", blocks=True)
    return ok("run folder and cache can be written")


def disk(machine: Machine) -> Finding:
    """Free space where runs are written."""
    return _free(machine.disk_free_gib, _DISK_NEEDED_GIB, _DISK_COMFORT_GIB, "delete old runs below multirun/")


def memory(machine: Machine) -> Finding:
    """Free memory of the machine."""
    step = "close other programs, or set hardware.batch and hardware.workers lower"
    return _free(machine.memory_free_gib, _MEMORY_NEEDED_GIB, _MEMORY_COMFORT_GIB, step)


def tracking_store(machine: Machine) -> Finding:
    """Whether runs can be shown; a store that is away stops none, and is sent later what it lacks."""
    if machine.store is None:
        return ok("it can be reached, or is off")
    has_address = machine.store != NO_ADDRESS
    later = "; runs go on without it, and task=sync sends them later" if has_address else ""
    return problem(
        f"the tracking store can't be used: {machine.store}{later}",
        "start the server, correct tracking.uri, or set tracking=local or tracking=none",
        blocks=not has_address,
    )


def network(machine: Machine) -> Finding:
    """Whether pip's index answers; a run needs no network unless it has weights to fetch."""
    needs = f" and {', '.join(machine.needs_network_for)} would be downloaded" if machine.needs_network_for else ""
    if machine.index_error is None:
        return ok("pip's index answers")
    if machine.index_error == "":
        return ok("not asked")
    fault = recognise(machine.index_error)
    words = next((line for line in machine.index_error.splitlines() if recognise(line)), machine.index_error)[:200]
    return Finding(
        state="problem" if needs else "note",
        what=f"pip's index does not answer{needs}: {words}",
        next_step="check connection, proxy and certificates (HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT); runs work offline",
        kind="network" if fault is None or fault.kind == "network" else fault.kind,
        blocks=bool(needs),
    )


def _free(free_gib: float, needed_gib: float, comfort_gib: float, step: str) -> Finding:
    said = f"{free_gib:.1f} GiB free"
    if free_gib < needed_gib:
        what = f"{said}, and a run wants {needed_gib:g}"
        return problem(what, step, blocks=True)
    if free_gib < comfort_gib:
        return note(f"{said}, which is little", step)
    return ok(said)
