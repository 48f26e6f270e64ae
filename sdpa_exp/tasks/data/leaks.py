"""Pictures that are the same, byte for byte, or look alike: in two splits, where they make the metrics too good.

Looks are compared by a difference hash of 256 bits (whether each cell of a 16 x 16 grid of grey is brighter than its
left neighbour). It finds copies that were saved again, scaled or made brighter; not those that were mirrored, turned
or cut. Two photographs of one scene may count as alike: it is a reason to look, and no proof.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.tasks.data.figures import splits_of
from sdpa_exp.tasks.data.look import Seen

MAX_DIFFERENT_BITS = 16
_MIN_BRIGHTER_BITS = 16  # an even picture, fog or a black one, has no look
_MAX_PAIRS = 2_000_000_000  # COCO has 0.6 billion, which takes half a minute
_CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two pictures, the first one of the split that is judged before: train, val, test.

    Attributes:
        different_bits: of 256; None where they are the same bytes.
    """

    first: Seen
    second: Seen
    different_bits: int | None = None


def same_in_two_splits(pictures: Sequence[Seen]) -> list[Pair]:
    """Each picture of val that is in train, and of test that is in train or val, with where it is first."""
    first: dict[str, Seen] = {}
    pairs = []
    for seen in splits_of(pictures).values():
        pairs += [Pair(first=first[each.sha256], second=each) for each in seen if each.sha256 in first]
        for each in seen:
            first.setdefault(each.sha256, each)
    return pairs


def same_in_one_split(pictures: Sequence[Seen]) -> list[Pair]:
    """Each picture that its split has already, with the first of that kind."""
    first: dict[tuple[str, str], Seen] = {}
    known = ((first.setdefault((each.split, each.sha256), each), each) for each in pictures)
    return [Pair(first=before, second=each) for before, each in known if before is not each]


def alike_in_two_splits(pictures: Sequence[Seen]) -> list[Pair] | None:
    """Each picture of val and test with the most similar one of a split before, where they look alike.

    None where there are too many pairs to compare.
    """
    splits = splits_of(pictures)
    num_pairs = sum(len(a) * len(b) for a, b in itertools.combinations(splits.values(), 2))
    if num_pairs > _MAX_PAIRS:
        return None
    best: dict[int, Pair] = {}
    for before, after in itertools.combinations(splits.values(), 2):
        for first, second, bits in _nearest(before, after):
            known = best.get(id(second))
            if bits <= MAX_DIFFERENT_BITS and (known is None or bits < (known.different_bits or 0)):
                best[id(second)] = Pair(first=first, second=second, different_bits=bits)
    same = {id(pair.second) for pair in same_in_two_splits(pictures)}
    found = [pair for key, pair in best.items() if key not in same]
    return sorted(found, key=lambda pair: (pair.different_bits or 0, pair.second.name))


def _nearest(before: Sequence[Seen], after: Sequence[Seen]) -> list[tuple[Seen, Seen, int]]:
    """For each of `after` that has a look, the one of `before` with the fewest different bits."""
    known, asked = ([each for each in seen if _has_look(each)] for seen in (before, after))
    if not known:
        return []
    looks_WK = _words(known)
    found = []
    for start in range(0, len(asked), _CHUNK):
        chunk = asked[start : start + _CHUNK]
        pairs_of_words = zip(_words(chunk), looks_WK, strict=True)
        bits_CK = sum(np.bitwise_count(a_C[:, None] ^ b_K).astype(np.uint16) for a_C, b_K in pairs_of_words)
        nearest = bits_CK.argmin(axis=1).tolist()
        found += [(known[k], each, int(bits_CK[c, k])) for c, (each, k) in enumerate(zip(chunk, nearest, strict=True))]
    return found


def _words(pictures: Sequence[Seen]) -> NDArray[np.uint64]:
    """The looks as four words of 64 bits, (4, number of pictures)."""
    return np.ascontiguousarray(np.stack([each.look for each in pictures]).view(np.uint64).T)


def _has_look(picture: Seen) -> bool:
    return _MIN_BRIGHTER_BITS <= int(np.bitwise_count(picture.look).sum()) <= 256 - _MIN_BRIGHTER_BITS
