"""dataset.fraction and dataset.limit: some images of a data set, the same ones on every machine and in every run.

The order is that of hashes of the names in the data set: no folder or recording session comes first, and a smaller
share is part of a larger one.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from sdpa_exp.config.schema import AnyDataset, SyntheticDataset
from sdpa_exp.data.dataset_digest import bytes_digest
from sdpa_exp.data.prepared_dataset import IMAGE
from sdpa_exp.data.yolo_source import YoloSource


def num_used(dataset: AnyDataset, split: str, num: int) -> int:
    """How many of `num` images of a split are used: the fraction is of train alone, the limit is of each split."""
    if split == "train" and dataset.fraction is not None:
        num = max(1, round(num * dataset.fraction))
    return min(num, dataset.limit or num)


def used(names: Sequence[str], num: int, classes: Sequence[str] | None = None) -> list[int]:
    """Places of the first `num` names by their hashes, in their old order; of `classes`, each in turn."""
    order = sorted(range(len(names)), key=lambda place: (_hash(names[place]), place))
    if classes is not None:
        seen: Counter[str] = Counter()
        turns = {}
        for place in order:
            turns[place] = seen[classes[place]]
            seen[classes[place]] += 1
        order.sort(key=lambda place: turns[place])
    return sorted(order[:num])


def rendered_part(dataset: SyntheticDataset) -> SyntheticDataset:
    """The rendered field with as many pictures as are used; each comes from a seed of its own."""
    return dataclasses.replace(
        dataset,
        num_train_images=num_used(dataset, "train", dataset.num_train_images),
        num_val_images=num_used(dataset, "val", dataset.num_val_images),
    )


def part_of(source: YoloSource, dataset: AnyDataset) -> YoloSource:
    """The source with the pictures that are used, and a note of how many these are."""
    splits, counts = {}, []
    for split, found in source.splits.items():
        num = num_used(dataset, split, len(found.pictures))
        places = used([picture.name for picture in found.pictures], num)
        splits[split] = dataclasses.replace(found, pictures=[found.pictures[place] for place in places])
        counts.append(f"{num} of {len(found.pictures)} {split} images")
    names = {picture.name for found in splits.values() for picture in found.pictures}
    return dataclasses.replace(
        source,
        splits=splits,
        left_out=tuple(each for each in source.left_out if each.what == IMAGE or each.image in names),
        notes=(*source.notes, *note_of(dataset, counts)),
    )


def note_of(dataset: AnyDataset, counts: Sequence[str]) -> list[str]:
    """A sentence about how much of a data set is used; none where all is."""
    if dataset.fraction is None and dataset.limit is None:
        return []
    keys = {"dataset.fraction": dataset.fraction, "dataset.limit": dataset.limit}
    asked = ", ".join(f"{key}={value:g}" for key, value in keys.items() if value is not None)
    return [f"{asked}: {', '.join(counts)} are used, the same in every run."]


def _hash(name: str) -> str:
    return bytes_digest(name.encode("utf-8", "surrogateescape"))
