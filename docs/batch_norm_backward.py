"""PyTorch's batch norm backward on a CPU, one image, against central differences. Needs torch alone."""

import torch


def loss(x, grad):
    return (torch.nn.functional.batch_norm(x, None, None, training=True) * grad).sum()


torch.manual_seed(0)
x = torch.randn(1, 6, 4, 5, dtype=torch.float64)
grad = torch.randn(4, 5, 6, dtype=torch.float64).permute(2, 0, 1)[None]  # strides (6, 1, 30, 6)
steps = 1e-6 * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
want = torch.stack([loss(x + d, grad) - loss(x - d, grad) for d in steps]).view_as(x) / 2e-6
for what, g, layout in (
    ("gradient as it comes", grad, torch.contiguous_format),
    ("gradient.contiguous()", grad.contiguous(), torch.contiguous_format),
    ("channels_last input", grad, torch.channels_last),
):
    leaf = x.clone(memory_format=layout).requires_grad_()
    torch.nn.functional.batch_norm(leaf, None, None, training=True).backward(g)
    print(f"{torch.__version__}  {what:22} relative error {(leaf.grad - want).norm() / want.norm():.1e}")
