"""Will this training meet a batch norm whose gradient PyTorch computes wrongly? Said before it starts.

On a CPU: stock area attention in NCHW, where a batch has one image (docs/batch_norm.md). On MPS, public reports say the
same of channels_last inputs in general, which is the layout of every backend of ours:
https://github.com/pytorch/pytorch/issues/175189. The authors have run no MPS device.
"""

from __future__ import annotations

from ultralytics.nn.tasks import yaml_model_load

from sdpa_exp.attention.registry import get_backend
from sdpa_exp.config.plan import Plan

CODE = "batch_norm_gradient"


def batch_norm_warning(plan: Plan, *, num_train_images: int) -> str | None:
    """What is wrong and what helps, in sentences; None where the training can't meet it.

    Args:
        plan: resolved.
        num_train_images: in the training split.
    """
    hardware, batch = plan.hardware, plan.hardware.batch_size or 0
    is_stock = plan.attention.backend == "stock"
    own_layout = get_backend(plan.attention.backend).function is None
    if hardware.device == "mps" and (hardware.channels_last or not own_layout):
        return (
            "public reports say that batch norm's gradients are wrong on MPS for channels_last inputs, which this arm "
            "makes (https://github.com/pytorch/pytorch/issues/175189). Check with task=verify hardware=m_series first; "
            "a newer PyTorch, or attention=stock with hardware.channels_last=false, avoids it."
        )
    where = _one_image(batch, num_train_images, drops_last=bool(plan.train.compile))
    if hardware.device != "cpu" or not is_stock or where is None:  # Ultralytics trains channels_last on CUDA alone
        return None
    if not _has_areas(plan.model.architecture):
        return None
    return (
        f"{where}, and there PyTorch computes wrong gradients on a CPU for stock area attention in NCHW "
        "(docs/batch_norm.md): this arm learns from them, and the other arms don't. A difference between them is then "
        "neither kernel nor layout. Take another batch size, or attention=stock_fixed, which is stock without that "
        "fault."
    )


def _one_image(batch: int, num_train_images: int, *, drops_last: bool) -> str | None:
    """Ultralytics drops the last, partial batch only where it compiles the model."""
    if batch == 1:
        return "hardware.batch=1 gives every step one image, however many steps train.nbs gathers"
    if batch > 1 and num_train_images % batch == 1 and not drops_last:
        return f"the last batch of every epoch has one image ({num_train_images} in batches of {batch})"
    return None


def _has_areas(architecture: str) -> bool:
    """Whether it has area attention with more than one area, from its file."""
    model = yaml_model_load(architecture)
    rows = [*model["backbone"], *model["head"]]
    return any(row[2] == "A2C2f" and row[3][1] is True and row[3][2] > 1 for row in rows)
