"""How large may rounding errors be? A layer's computation in fp64, with the roundings of a lower precision put in.

Every operation's result gets a random error as large as the standard model of floating-point arithmetic allows, and the
distance from the undisturbed result is what that precision explains: with these weights, on these inputs, forward and
backward, at the conditioning that they have. Nothing in it was measured on a machine.

- An elementwise operation: relative error of at most u (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
  ed. 2002, eq. 2.4), u = 2^-24 in fp32, 2^-11 in fp16, 2^-8 in bf16; in fp16 at least half a subnormal step.
- An exponential: 20 units in the last place more, which PyTorch's fused CPU kernels allow themselves (`exp_u20` in
  aten/src/ATen/cpu/vec/vec512/vec512_float.h, "a faster version of exp with ULP=20"); CUDA's `__expf` needs 2, and 1.2
  more for every unit of its argument (CUDA C++ Programming Guide, intrinsic functions).
- A sum or inner product of n terms: sqrt(n) u times the root of the sum of the squared terms, the size that
  accumulated roundings have when they are independent (Higham and Mary, A New Approach to Probabilistic Rounding Error
  Analysis, SIAM J. Sci. Comput. 41(5), 2019). Half precisions accumulate in fp32, and round operands that are not
  numbers of theirs already, and the result.
- Batch norm and layer norm are made of these operations, and so are their backwards and softmax. Each is one kernel,
  which computes in fp32 inside also where it reads and writes a half precision (PyTorch calls it the opmath type).
- A fused attention kernel keeps the scores in fp32 and rounds what goes into its products: product.py has its steps.
- Softmax is exp(x - logsumexp(x)), as fused kernels compute it again in backward. Its error grows with the size of x
  and of the logarithm, and the formula with a division is more accurate: Blanchard, Higham and Higham, Accurately
  Computing the Log-Sum-Exp and Softmax Functions, IMA J. Numer. Anal. 41(4), 2021. Trained weights make x of 200.

Such injected random errors are known as Monte Carlo arithmetic (Parker, 1997).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, decomposition_table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_U = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
_EXPONENTIAL = 20 * torch.finfo(torch.float32).eps
_SMALLEST_STEP = {torch.float16: 2.0**-25}
_aten = torch.ops.aten
# Operation -> number of terms in each of its sums, from its arguments.
_PRODUCTS: dict[Any, Callable[..., float]] = {
    _aten.mm.default: lambda a, b: a.shape[-1],
    _aten.bmm.default: lambda a, b: a.shape[-1],
    _aten.convolution.default: lambda x, w, *_: w[0].numel(),
}
_MADE_OF_OTHERS = (
    _aten._softmax_backward_data.default,
    _aten.native_batch_norm.default,
    _aten.native_batch_norm_backward.default,
    _aten.native_layer_norm.default,
    _aten.native_layer_norm_backward.default,
)
_SUMS = {_aten.sum.dim_IntList, _aten.mean.dim, _aten.sum.default, _aten.mean.default}
_EXACT = {
    "clone", "copy_", "_to_copy", "zeros_like", "ones_like", "empty_like", "new_zeros", "neg", "amax", "cat", "fill_",
    "zero_", "where", "zeros", "scalar_tensor", "constant_pad_nd", "select_backward", "slice_backward", "index",
}  # fmt: skip


class Rounding(TorchDispatchMode):
    """Puts rounding errors of `dtype` into every floating-point operation of a computation in fp64.

    Args:
        dtype: the precision whose errors are wanted.
        seed: of the errors.
        is_one_kernel: all of it runs in one kernel: half precisions round only what goes into products.
    """

    def __init__(self, dtype: torch.dtype, *, seed: int, is_one_kernel: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dtype = dtype
        self._is_half = dtype is not torch.float32
        self._is_in_kernel = is_one_kernel
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}
        self._decompositions = core_aten_decompositions() | {
            **{op: decomposition_table[op] for op in _MADE_OF_OTHERS},
            _aten._softmax.default: _softmax_by_logsumexp,
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and disturb what it gives."""
        kwargs = kwargs or {}
        if func in _PRODUCTS:
            return self._product(func, args, _PRODUCTS[func](*args))
        if func is _aten.convolution_backward.default:
            return self._convolution_backward(*args)
        if func in self._decompositions and not _is_exact(func):
            with self, self._in_kernel():
                inside = self._decompositions[func](*args, **kwargs)
            return self._written(inside) if self._is_half and not self._is_in_kernel else inside
        out = func(*args, **kwargs)
        return out if _is_exact(func) else tree_map(lambda x: self._disturbed(func, x, args, kwargs), out)

    def _disturbed(self, func: Any, out: Any, args: Any, kwargs: Any) -> Any:
        if not isinstance(out, Tensor) or out.dtype is not torch.float64:
            return out
        if func in _SUMS:
            terms = args[0].numel() / max(out.numel(), 1)
            scale = 1.0 if "sum" in func.name() else 1 / terms  # a mean is a sum, scaled
            squares = func(args[0] ** 2, *args[1:], **kwargs) * scale
            out = out + self._noise(out) * _U[torch.float32] * math.sqrt(terms) * squares.sqrt()
        if func is _aten.exp.default:
            out = out * (1 + _EXPONENTIAL * self._noise(out))
        return out.add_(self._error(out)) if func._schema.is_mutable else out + self._error(out)

    def _product(self, func: Any, args: Any, terms: float) -> Tensor:
        a, b, *rest = args
        a, b = self._operand(a), self._operand(b)
        no_bias = [None, *rest[1:]] if rest else []
        squares = func(a * a, b * b, *no_bias)
        out: Tensor = func(a, b, *rest)
        summed: Tensor = out + self._noise(out) * _U[torch.float32] * math.sqrt(terms) * squares.clamp_min(0).sqrt()
        return summed + self._error(summed)

    def _convolution_backward(self, grad: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor | None, ...]:
        grad, x, weight = self._operand(grad), self._operand(x), self._operand(weight)
        outs = _aten.convolution_backward(grad, x, weight, *rest)
        squares = _aten.convolution_backward(grad * grad, x * x, weight * weight, *rest)
        positions = grad.numel() / grad.shape[1]
        terms = (weight.numel() / weight.shape[1], positions, positions)
        return tuple(
            None
            if out is None
            else self.stored(out + self._noise(out) * _U[torch.float32] * math.sqrt(n) * square.sqrt())
            for out, square, n in zip(outs, squares, terms, strict=True)
        )

    def _operand(self, x: Tensor) -> Tensor:
        """A half precision rounds what goes into a product, unless it is one of its numbers already."""
        if not self._is_half:
            return x
        return torch.where(x.to(self._dtype).double() == x, x, self.stored(x))

    def stored(self, x: Tensor) -> Tensor:
        """A tensor as it is read again after it was written in this precision; not floating-point: as it is."""
        if not isinstance(x, Tensor) or x.dtype is not torch.float64:
            return x
        return x + self._noise(x) * (x.abs() * _U[self._dtype]).clamp_min(_SMALLEST_STEP.get(self._dtype, 0.0))

    def _written(self, results: Any) -> Any:
        """What a kernel writes; beside its first result, norms keep statistics and parameters' gradients in fp32."""
        if isinstance(results, tuple):
            return (self.stored(results[0]), *results[1:])
        return self.stored(results)

    def _error(self, x: Tensor) -> Tensor:
        """Of an operation's result: written in this precision, or kept in fp32 inside a kernel."""
        if self._is_in_kernel:
            return self._noise(x) * x.abs() * _U[torch.float32]
        return self.stored(x) - x

    @contextmanager
    def _in_kernel(self) -> Iterator[None]:
        before, self._is_in_kernel = self._is_in_kernel, True
        try:
            yield
        finally:
            self._is_in_kernel = before

    def _noise(self, x: Tensor) -> Tensor:
        """-1 or 1, at random: an error is as large as it may be."""
        if x.device not in self._generators:
            self._generators[x.device] = torch.Generator(x.device).manual_seed(self._seed)
        signs = torch.randint(0, 2, x.shape, generator=self._generators[x.device], device=x.device)
        return signs.to(x.dtype).mul_(2).sub_(1)


def _is_exact(func: Any) -> bool:
    """Whether an operation moves, copies or chooses numbers, and so rounds nothing."""
    return func.is_view or func.name().split("::")[1].split(".")[0] in _EXACT


def _softmax_by_logsumexp(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    largest = x.amax(dim, keepdim=True)
    logsumexp = largest + (x - largest).exp().sum(dim, keepdim=True).log()
    return (x - logsumexp).exp()
