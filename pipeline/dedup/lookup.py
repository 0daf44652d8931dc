"""Looking up many 64-bit hashes at once.

Hashes are spread evenly, so the first bits of one say nearly where it stands in a sorted array: a table of where each
run of equal first bits begins leaves one or two comparisons, where a binary search misses the cache twenty times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBES = 6  # comparisons before the few that are left are searched for
FEW = 4  # times as many on the other side
TABLE_BITS = 22  # of the table at most: 16 MB


def places(wanted: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each of `wanted` (any order) stands in `known` (sorted, distinct), int64; -1 where it does not.

    >>> places(np.array([7, 1 << 63, 8], np.uint64), np.array([7, 9, 1 << 63], np.uint64)).tolist()
    [0, 2, -1]
    """
    found = np.full(wanted.size, -1, np.int64)
    if not known.size or not wanted.size:
        return found
    shift = np.uint64(64 - min(TABLE_BITS, known.size.bit_length()))
    begins = np.zeros((1 << (64 - int(shift))) + 1, np.int32 if known.size < 1 << 31 else np.int64)
    np.cumsum(np.bincount((known >> shift).astype(np.int64), minlength=begins.size - 1), out=begins[1:])
    at = begins[(wanted >> shift).astype(np.int64)].astype(np.int64)
    padded = np.append(known, ~np.uint64(0))
    left: NDArray[np.int64] | None = None  # None: all
    for _ in range(PROBES):
        keys, here = padded[at], wanted if left is None else wanted[left]
        hit = (keys == here) & (at < known.size)
        if left is None:
            found[hit] = at[hit]
            left = np.flatnonzero(keys < here)
            at = at[left] + 1
        else:
            found[left[hit]] = at[hit]
            more = keys < here
            left, at = left[more], at[more] + 1
        if not left.size:
            return found
    assert left is not None
    place = np.minimum(np.searchsorted(known, wanted[left]), known.size - 1)
    found[left] = np.where(known[place] == wanted[left], place, -1)
    return found


def is_in(wanted: NDArray[np.uint64], among: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each of `wanted` is one of `among` (any order, repeats allowed), bool.

    >>> is_in(np.array([3, 1, 3], np.uint64), np.array([3, 2, 2, 3, 5, 6, 7, 8, 9, 9, 9, 9], np.uint64)).tolist()
    [True, False, True]
    """
    if among.size < FEW * wanted.size:
        return places(wanted, distinct(among)) >= 0
    known = distinct(wanted)  # so few that looking up all the others among them takes less than sorting the others
    at = places(among, known)
    found = np.zeros(known.size, bool)
    found[at[at >= 0]] = True
    return found[places(wanted, known)]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The distinct values in ascending order: `np.unique`, whose hash table is ten times slower than a sort."""
    ordered = np.sort(values)
    return ordered[opens_run(ordered)]


def distinct_runs(values: NDArray[Any], offset: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Each run `values[offset[i]:offset[i + 1]]` sorted, with one of each of its values; how many are left of each.

    >>> [found.tolist() for found in distinct_runs(np.array([3, 1, 3, 3, 2]), np.array([0, 3, 3, 5]))]
    [[1, 3, 2, 3], [2, 0, 2]]
    """
    values = values.copy()
    for low, high in zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True):  # a sort a document, not a word
        values[low:high].sort()
    fresh = opens_run(values)
    fresh[offset[:-1][offset[:-1] < values.size]] = True
    counts = np.concatenate((np.zeros(1, np.int64), np.cumsum(fresh)))[offset]
    return values[fresh], np.diff(counts)


def opens_run(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a run of equal values begins, bool."""
    fresh = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh
