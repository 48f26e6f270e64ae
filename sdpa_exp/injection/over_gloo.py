"""Ultralytics' training in several processes, on CPUs: what its road takes for granted of CUDA, replaced while it runs.

Read in Ultralytics 8.4.190: engine/trainer.py gives DistributedDataParallel device ids, engine/validator.py averages
losses by a reduction that gloo has not, and loads best.pt on the current CUDA device of its rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from ultralytics.engine import validator

from sdpa_exp.injection.replaced import replaced


class _OnCpu(DistributedDataParallel):
    def __init__(self, module: nn.Module, device_ids: Any = None, **kwargs: Any) -> None:
        super().__init__(module, **kwargs)


@contextmanager
def over_gloo() -> Iterator[None]:
    """Around `_do_train` of a trainer on a CPU whose process is one of several."""
    reduce, backend = dist.reduce, validator.AutoBackend

    def reduce_sums(tensor: Tensor, dst: int, op: Any = dist.ReduceOp.SUM, **kwargs: Any) -> Any:
        if op == dist.ReduceOp.AVG:
            tensor /= dist.get_world_size()
            op = dist.ReduceOp.SUM
        return reduce(tensor, dst, op, **kwargs)

    def on_cpu(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        return backend(*args, device=torch.device("cpu"), **kwargs)

    with ExitStack() as stack:
        stack.enter_context(replaced(nn.parallel, "DistributedDataParallel", _OnCpu))
        stack.enter_context(replaced(dist, "reduce", reduce_sums))
        stack.enter_context(replaced(validator, "AutoBackend", on_cpu))
        first = SimpleNamespace(current_device=lambda: 0)
        stack.enter_context(replaced(validator, "get_torch_device_backend", lambda *args: first))
        yield
