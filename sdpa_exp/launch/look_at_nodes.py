"""Nodes of a cluster are looked at before a sweep's first job: one of Slurm's, and all that Ray has."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.config.launchers import Launcher, go_to
from sdpa_exp.config.plan import Plan, from_dict, to_dict
from sdpa_exp.config.ray_cluster import connected, last_line, nodes_of
from sdpa_exp.config.submitit_jobs import require_seen_by_a_node
from sdpa_exp.errors import RunError, SdpaExpError
from sdpa_exp.launch.check_inputs import require_named
from sdpa_exp.launch.on_node import needed_on_nodes, require_same_software, software_here

_CODE = (
    "Let all nodes use one environment, or bring the code to it by 'hydra.launcher.runtime_env={working_dir:FOLDER}', "
    "with a checkout's folder."
)


def look_at_nodes(launcher: Launcher, settings: Mapping[str, Any], plans: Sequence[Plan], sweep_dir: Path) -> None:
    """Refuse a sweep that a node could not run as this machine would.

    Args:
        launcher: of the sweep; nothing is done where its jobs run on this machine.
        settings: `hydra.launcher`.
        plans: of the sweep.
        sweep_dir: is there, so that a node without it has another disk.

    Raises:
        RunError: a node does not see what all jobs need; of Ray's, says what is wrong with each.
    """
    if launcher.is_queued and not launcher.is_here:
        require_seen_by_a_node(launcher.name, settings, needed_on_nodes(plans[0].tracking, sweep_dir))
    if launcher.cluster is not None:
        _look_at_rays(launcher.cluster, plans, sweep_dir)


def _look_at_rays(cluster: Mapping[str, Any], plans: Sequence[Plan], sweep_dir: Path) -> None:
    places = needed_on_nodes(plans[0].tracking, sweep_dir)
    del places[sys.executable]  # each of Ray's nodes has its own
    asked = {json.dumps([asdict(p.dataset), p.train.split, p.purpose.name, p.model.weights]): to_dict(p) for p in plans}
    wrong = []
    with connected(cluster) as ray:
        on_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look = ray.remote(num_cpus=0, max_retries=0, max_calls=1)(_look)
        looks = {
            node.name: look.options(scheduling_strategy=on_node(node.node_id, soft=False)).remote(
                places, software_here(), list(asked.values())
            )
            for node in nodes_of(ray)
        }
        for name, ref in looks.items():
            try:
                why = ray.get(ref)
            except ray.exceptions.RayError as error:
                why = f"it can't start a job: {last_line(error)}. {_CODE}"
            if why is not None:
                wrong.append(f"{name}: {why}")
    if wrong:
        raise RunError(
            f"{len(wrong)} of {len(looks)} nodes of Ray's cluster can't run this sweep. {' '.join(wrong)} Nothing "
            "was started: put it right there, or take the node out with `ray stop`."
        )


def _look(places: dict[str, str], software: dict[str, Any], plans: list[dict[str, Any]]) -> str | None:
    """On the node: what is wrong with it, in a sentence; the first of the places is where the command was typed."""
    for place, words in places.items():
        if not Path(place).exists():
            return f"it does not see {place}, {words}."
    try:
        require_same_software(software)
        go_to(next(iter(places)))
        require_named([from_dict(each) for each in plans], is_here=False)
    except SdpaExpError as error:
        return str(error)
    return None
