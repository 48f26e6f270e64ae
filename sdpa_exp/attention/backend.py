"""What an attention backend is: a function of q, k, v and a scale, and the facts about it that others rely on.

The function
  f(q, k, v, scale) -> out       softmax(q k^T * scale) v, or an attention of another kind
  q, k: (B, H, N, D), v and out: (B, H, N, Dv); B images times areas, H heads, N tokens of an area, D head_dim.
  Any strides may come in: q, k and v are views into one tensor, with unit stride in D. D and Dv differ in YOLO11's
  blocks. All three are on one device and in one dtype (under autocast: the autocast dtype), and out has to be too.
  Autograd goes through it in a training: torch operations have their gradients, a kernel of your own brings a
  torch.autograd.Function. It keeps no state, has no dropout, and gets no mask.

A plain function is a backend as it is. In my_attention.py, for example:

  import torch
  import torch.nn.functional as F

  def linear(q, k, v, scale):
      '''Linear attention: phi(q) (phi(k)^T v), normalised; no N x N matrix, and no softmax.'''
      phi_q, phi_k = F.elu(q * scale) + 1, F.elu(k) + 1
      summed = phi_k.transpose(-2, -1) @ v
      weight = phi_q @ phi_k.sum(dim=-2).unsqueeze(-1)
      return (phi_q @ summed) / weight

  python -m sdpa_exp attention.backend=my_attention.py:linear            or my_package.my_module:linear

Such a function is asked for nothing beforehand, and is attested as "its own code": that it was called at every layer,
and which known kernels ran in it. A `Backend` in its place says more, and is held to it:
  kernels        what may run. The profiler looks, and a run that did anything else fails. None: its own code.
  requirements   when it can run, as data (attention/requirements.py): devices and dtypes, head_dim, compute capability,
                 packages, a backward pass. Where it can't, the arm is refused with the reasons, and the others go on.
  is_softmax     whether the parity test holds it to softmax(q k^T * scale) v in fp64.

An option of your own, for `attention=mine`, sweeps, bench.arms and --help, is a YAML file, conf/attention/mine.yaml or
attention/mine.yaml below a --config-dir: a first line that says when to choose it, then `name: mine` and `backend:`
with a reference as above (a Python file is also looked for beside the YAML file), or the bare name of a file of
sdpa_exp/attention/backends/, whose `BACKEND` is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from sdpa_exp.attention.requirements import Requirements, Setting

BackendFunction = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""f(q_BHND, k_BHND, v_BHND, scale) -> out_BHND."""

_Pytorchs = Literal["math", "flash", "efficient", "cudnn"]
_Packages = Literal["flash_attn", "flash3", "flash4", "xformers"]
Kernel = Literal["softmax", "flex"] | _Pytorchs | _Packages
"""What computes the product.

`softmax` is explicit matmul, softmax, matmul; math, flash, efficient and cudnn are PyTorch's SDPA kernels;
`flash_attn` is the flash-attn package (FlashAttention 2), flash3 and flash4 are its successors, through PyTorch's
registry; `xformers` is xFormers' operation; `flex` is a compiled flex_attention.
"""

FUSED_OR_MATH: frozenset[Kernel] = frozenset({"math", "flash", "efficient", "cudnn"})
AUTO_NAME = "auto"
NOT_YET_RUN = "not yet run by the authors on this device"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to compute the attention product.

    Attributes:
        name: what users write in `attention=`.
        summary: one line for people.
        function: None means the module's own forward, untouched (stock).
        around: with function=None: what the module's own forward becomes for this backend; None leaves it as it is.
        requirements: when it can run.
        kernels: those that count as "what was asked for"; the attestation compares. None where the backend is code of
            its own that may run anything; empty where it computes no attention.
        is_softmax: whether it computes softmax(q k^T * scale) v.
        confirm: asked when the requirements hold: reasons of the kernel's own, such as PyTorch's.
        executed_on: device types that the authors have run it on; a device joins with a committed attestation of a run.
    """

    name: str
    summary: str
    function: BackendFunction | None
    requirements: Requirements
    kernels: frozenset[Kernel] | None = None
    is_softmax: bool = True
    confirm: Callable[[Setting], list[str]] | None = None
    executed_on: frozenset[str] = frozenset()
    around: Callable[[Callable[..., Tensor]], Callable[..., Tensor]] | None = None

    @property
    def is_fused(self) -> bool:
        """Whether only kernels may run that keep the scores in fp32, whatever they read; PyTorch's math does too."""
        return bool(self.kernels) and "softmax" not in (self.kernels or ())

    def caveat(self, device_type: str) -> str | None:
        """What to say beside a "yes" on this device type; None where the authors have run the backend there."""
        return None if device_type in self.executed_on else NOT_YET_RUN
