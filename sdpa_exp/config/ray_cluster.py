"""Ray by its public API: one of its own on this machine, for a sweep, or the cluster that `ray start` has made."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from sdpa_exp.config.refusing import at_least, refuse
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import ConfigError

JOB_VARIABLE = "SDPA_EXP_RAY_JOB"
"""Set in the process of a job, to why it is run again; empty at its first time."""
_OBJECTS_BYTES = 100 * 2**20  # runs write files, and Ray would take a third of the memory for objects; 75 MiB at least
_ANSWERS_S = 5.0
_LONGEST_REASON = 300  # characters of what Ray says, which may be a page
_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report to its makers
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as there: 127.0.0.1 for all of its servers
    "RAY_AUTH_MODE": "token",
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of a cluster; `node_id` is Ray's, empty where Ray is not yet started."""

    name: str
    num_cpus: int
    num_gpus: int
    node_id: str = ""

    def num_beside(self, num_cpus: int, num_gpus: int) -> int:
        """How many runs it has room for that get so much."""
        return min([self.num_cpus // num_cpus, *([self.num_gpus // num_gpus] if num_gpus else [])])


@contextmanager
def connected(launcher: Mapping[str, Any]) -> Iterator[Any]:
    """Ray's module, connected until the context ends; a Ray of its own ends with it.

    Args:
        launcher: the settings in hydra.launcher.

    Raises:
        ConfigError: it is not installed, or nobody answers at the address that it can work with.
    """
    init = launcher["init"]
    address = init["address"]
    if address is None:
        os.environ.update(_OWN)  # before its import, which reads them
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else it writes one into the home folder
        init = {**init, "include_dashboard": False, "object_store_memory": _OBJECTS_BYTES}
    elif address != "auto" and (why := _no_answer(str(address))):
        raise _refused(address, why)
    else:
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # tries, of half a minute each; Ray has 20
    ray: Any = importlib.import_module("ray")
    on_sigterm = signal.getsignal(signal.SIGTERM)  # Ray sets its own
    try:
        ray.init(
            **{**init, "address": address or "local"},
            runtime_env=launcher["runtime_env"],
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise _refused(address, shorten(str(error), _LONGEST_REASON, placeholder=" ...").rstrip(".")) from error
    finally:
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield ray
    finally:
        ray.shutdown()


def require_ray(name: str) -> None:
    """Refuse a launcher by this name where Ray is not installed.

    Raises:
        ConfigError: with the line that installs it.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(
            f"hydra/launcher={name} needs Ray, which is not installed: expected its package ray. "
            "Run `pip install ray` or `pip install 'sdpa-exp[scale]'`."
        )


def nodes_of(ray: Any) -> list[Node]:
    """The nodes of the cluster that are alive."""
    return [
        Node(
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            num_cpus=int(node["Resources"].get("CPU", 0)),
            num_gpus=int(node["Resources"].get("GPU", 0)),
            node_id=node["NodeID"],
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def share_of_run(
    launcher: Mapping[str, Any], nodes: Sequence[Node], hardware: Sequence[HardwareConfig], *, shares_cpu: bool
) -> tuple[int, int]:
    """Cores and GPUs of a run.

    Args:
        launcher: the settings in hydra.launcher; its nulls are filled in.
        nodes: of the cluster.
        hardware: of the sweep's plans.
        shares_cpu: `allow_shared_device`.

    Raises:
        ConfigError: no node has so much.
    """
    most_gpus = max(node.num_gpus for node in nodes)
    num_gpus = launcher["num_gpus"]
    if num_gpus is None:
        on_gpu = most_gpus > 0 and any(each.device != "cpu" for each in hardware)
        num_gpus = max(each.devices for each in hardware) if on_gpu else 0
    if num_gpus != int(num_gpus):
        step = "Set hydra.launcher.num_gpus=1."
        refuse("hydra.launcher.num_gpus", num_gpus, "a whole number, since two runs on one GPU void their times", step)
    at_least("hydra.launcher.num_gpus", num_gpus, 0, "Set hydra.launcher.num_gpus=1, or null.")
    if num_gpus > most_gpus:
        step = "Set it to null, or add a node with more."
        refuse("hydra.launcher.num_gpus", num_gpus, f"at most {most_gpus}, which the largest of Ray's nodes has", step)
    able = [node for node in nodes if node.num_gpus >= num_gpus]
    num_cpus = launcher["num_cpus"]
    if num_cpus is None:
        shares = [node.num_gpus // num_gpus if num_gpus else 2 if shares_cpu else 1 for node in able]
        num_cpus = max(1, min(node.num_cpus // share for node, share in zip(able, shares, strict=True)))
    at_least("hydra.launcher.num_cpus", num_cpus, 1, "Set hydra.launcher.num_cpus=1, or null.")
    if num_cpus > (most := max(node.num_cpus for node in able)):
        step = "Set it to null, or add a node with more."
        refuse("hydra.launcher.num_cpus", num_cpus, f"at most {most}, which the largest of Ray's nodes has", step)
    return int(num_cpus), int(num_gpus)


def answers(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _ANSWERS_S):
            return True
    except OSError:
        return False


def last_line(error: Exception) -> str:
    """Of what Ray says, which ends with what a task raised."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [""])[-1].rstrip(".")


def _no_answer(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        return "it is no address of a cluster's head"
    return None if answers(address) else "nobody answers there"


def _refused(address: str | None, why: str) -> ConfigError:
    if address is None:
        return ConfigError(f"Ray can't start on this machine: {why}. Leave hydra/launcher out.")
    return ConfigError(
        f"hydra.launcher.init.address={address} can't be used: {why}. Expected auto, or the HOST:PORT of a cluster "
        f"that has this machine as a node, one Ray, Python {platform.python_version()} and one token (RAY_AUTH_MODE) "
        "on all. See what `ray status` says; without an address Ray starts on this machine alone."
    )
