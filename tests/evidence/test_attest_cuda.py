"""On a GPU: each backend that says it can run is attested, in the precision asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdpa_exp import inject
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import BACKENDS, check, get_backend
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.evidence.attest import attest_call, attestation_from
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.layers import find_layers

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none"),
]


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_backend_runs_the_kernel_it_stands_for_on_cuda(name: str, precision: str) -> None:
    dtype = DTYPES[precision]
    capability = torch.cuda.get_device_capability()
    setting = Setting(device_type="cuda", capability=capability, dtype=dtype, head_dim_qk=32, head_dim_v=32)
    if reasons := check(get_backend(name), setting):
        pytest.skip(f"{name} can't run here in {precision}: {'; '.join(reasons)}")
    network: Any = build_network("yolo12n.yaml", 3).cuda().to(memory_format=torch.channels_last).train()
    images = torch.rand(2, 3, 160, 160, device="cuda").contiguous(memory_format=torch.channels_last)
    inject(network, name)

    def step() -> None:
        with torch.autocast("cuda", dtype=dtype, enabled=precision != "fp32"):
            outputs = network(images)
        total: Any = sum(value.float().sum() for value in outputs.values() if isinstance(value, torch.Tensor))
        total.backward()

    attestation = attestation_from(
        attest_call(network, step, stage="train", backward=True, dtype=precision), find_layers(network)
    )
    attestation.raise_if_wrong()
    assert all(item.device_kernels for item in attestation.evidence if item.stage == "train_forward")
