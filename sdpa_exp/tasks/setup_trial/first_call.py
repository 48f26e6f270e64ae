"""`python -m sdpa_exp.tasks.setup_trial.first_call`: the first attested training step with a backend.

Reads {"plan": ..., "backend": ...} on stdin and prints one JSON line: ok, kernels, and error (a sentence) if it failed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sdpa_exp.config.plan import Plan, from_dict
from sdpa_exp.errors import BackendUnavailable, SdpaExpError

_NUM_IMAGES = 2


def main() -> int:
    """Do the call; a known error is a line, any other a traceback for the log and exit code 1."""
    request = json.load(sys.stdin)
    try:
        answer = first_call(from_dict(request["plan"]), request["backend"])
    except SdpaExpError as error:
        answer = {"ok": False, "kernels": [], "error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def first_call(plan: Plan, backend: str) -> dict[str, Any]:
    """One training step of the plan's model with a backend, attested.

    Args:
        plan: resolved.
        backend: a name from BACKENDS.

    Raises:
        BackendUnavailable: the backend is unknown, or can't run here.
    """
    import torch

    from sdpa_exp.attention.registry import check, refusal
    from sdpa_exp.evidence.attest import attestation_from
    from sdpa_exp.evidence.training_step import attest_training_step
    from sdpa_exp.injection.build import build_network
    from sdpa_exp.injection.inject import inject
    from sdpa_exp.injection.layers import find_layers, settings_of
    from sdpa_exp.tasks.hardware import base_setting

    device = torch.device(plan.hardware.device)
    precision = plan.hardware.precision or "fp32"
    network = build_network(plan.model.architecture)
    if reasons := check(backend, *settings_of(find_layers(network), base_setting(plan))):
        raise BackendUnavailable(refusal(backend, reasons))
    inject(network, backend)
    imgsz = plan.imgsz
    images = torch.rand(_NUM_IMAGES, 3, imgsz, imgsz, generator=torch.Generator().manual_seed(plan.seed)).to(device)
    network = network.to(device)
    attestation = attestation_from(attest_training_step(network, images, precision=precision), find_layers(network))
    kernels = sorted({kernel for stage in attestation.executed().values() for kernel in stage})
    return {"ok": attestation.ok, "kernels": kernels, "error": "; ".join(attestation.mismatches[:3]) or None}


if __name__ == "__main__":
    sys.exit(main())
