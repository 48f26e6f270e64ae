"""Train and val made of one set of images by a seed: by content, so that names, places and machines don't matter."""

from __future__ import annotations

from collections.abc import Sequence

from sdpa_exp.data.digest import bytes_digest


def share_out(digests: Sequence[str], *, val_share: float, seed: int) -> list[str]:
    """`train` or `val` for each image, val the given share of different images and at least one.

    Images of the same bytes land on the same side. Another seed is another draw.

    Args:
        digests: SHA-256 of each image.
        val_share: above 0 and below 1.
        seed: 0 or more.
    """
    order = sorted(set(digests), key=lambda digest: bytes_digest(f"{seed} {digest}".encode()))
    num_val = min(max(1, round(len(order) * val_share)), len(order) - 1)
    val = set(order[:num_val])
    return ["val" if digest in val else "train" for digest in digests]
