"""Which pictures are shown: spread over each split, with each class among them while there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sdpa_exp.tasks.data.figures import splits_of
from sdpa_exp.tasks.data.look import Seen


def choose_shown(pictures: Sequence[Seen], num_shown: int) -> list[Seen]:
    """So many pictures, each split with an equal share as far as it has them; the same ones for the same data."""
    splits = splits_of(pictures)
    chosen: list[Seen] = []
    for number, seen in enumerate(sorted(splits.values(), key=len)):
        room = (num_shown - len(chosen)) // (len(splits) - number)
        chosen += _of_split(seen, room)
    return sorted(chosen, key=lambda each: (list(splits).index(each.split), each.index))


def _of_split(seen: Sequence[Seen], room: int) -> list[Seen]:
    """The rarest classes first, up to half of the room; then every n-th picture."""
    counts = Counter(class_id for picture in seen for class_id in _classes(picture))
    chosen: dict[int, Seen] = {}
    shown: set[int] = set()
    for class_id, _ in sorted(counts.items(), key=lambda pair: (pair[1], pair[0])):
        if len(chosen) >= room // 2:
            break
        if class_id not in shown:
            with_it = [picture for picture in seen if class_id in _classes(picture)]
            picture = with_it[len(with_it) // 2]
            chosen[picture.index] = picture
            shown |= _classes(picture)
    rest = [picture for picture in seen if picture.index not in chosen]
    left = min(room - len(chosen), len(rest))
    spread = [rest[(2 * i + 1) * len(rest) // (2 * left)] for i in range(left)]
    return [*chosen.values(), *spread]


def _classes(picture: Seen) -> set[int]:
    return {picture.class_id} if picture.class_id is not None else {thing.class_id for thing in picture.objects}
