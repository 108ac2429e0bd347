"""How alike two texts or two trees are, from small sketches that can be stored."""

import zlib
from collections.abc import Iterable, Sequence

_SIZE = 96
_SHINGLE = 4
_MOST = 200_000


def sketch_of(parts: Iterable[str]) -> tuple[int, ...]:
    """The smallest hashes of the set of parts."""
    return tuple(sorted({zlib.crc32(part.encode("utf-8", "replace")) for part in parts})[:_SIZE])


def sketch_of_text(text: str) -> tuple[int, ...]:
    """A sketch over every few neighbouring characters, spaces left out."""
    dense = "".join(text[:_MOST].split())
    return sketch_of(dense[at : at + _SHINGLE] for at in range(max(len(dense) - _SHINGLE + 1, min(len(dense), 1))))


def sketch_of_sequence(names: Sequence[str]) -> tuple[int, ...]:
    """A sketch over every three neighbours."""
    few = names[:_MOST]
    return sketch_of(" ".join(few[at : at + 3]) for at in range(max(len(few) - 2, min(len(few), 1))))


def likeness(one: Sequence[int], other: Sequence[int]) -> float:
    """An estimate of shared parts by all parts, 0 to 1; two empty sketches are alike."""
    if not one and not other:
        return 1.0
    smallest = sorted({*one, *other})[:_SIZE]
    shared = set(one) & set(other)
    return sum(part in shared for part in smallest) / len(smallest)
