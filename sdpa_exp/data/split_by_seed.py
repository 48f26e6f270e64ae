"""Train and val made of one set of images by a seed: by content, so that names, places and machines don't matter."""

from __future__ import annotations

from collections.abc import Sequence

from sdpa_exp.data.dataset_digest import bytes_digest
from sdpa_exp.errors import DatasetError


def share_out(digests: Sequence[str], *, val_share: float, seed: int) -> list[str]:
    """`train` or `val` for each image, val the given share of different images and at least one.

    Images of the same bytes land on the same side. Another seed is another draw.

    Args:
        digests: SHA-256 of each image.
        val_share: above 0 and below 1.
        seed: 0 or more.

    Raises:
        DatasetError: there is one image, or none.
    """
    order = sorted(set(digests), key=lambda digest: bytes_digest(f"{seed} {digest}".encode()))
    if len(order) < 2:
        raise DatasetError(f"There are {len(order)} different images: expected two or more, for train and val.")
    num_val = min(max(1, round(len(order) * val_share)), len(order) - 1)
    val = set(order[:num_val])
    return ["val" if digest in val else "train" for digest in digests]


def note_of_shares(splits: Sequence[str], *, val_share: float, seed: int) -> str:
    """A sentence that says how many images are on which side, and by which settings."""
    return (
        f"{splits.count('train')} train and {splits.count('val')} val images were made of one set by "
        f"dataset.split_seed={seed} and dataset.val_share={val_share:g}."
    )
