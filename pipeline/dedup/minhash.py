"""MinHash signatures and LSH bands for whole batches, bit for bit those of `datasketch.MinHash(scheme="affine32")`.

MinHash: A. Broder, "On the resemblance and containment of documents", 1997. Banding: J. Leskovec, A. Rajaraman,
J. Ullman, "Mining of Massive Datasets", section 3.4. The permutations are those of datasketch 2 (Eric Zhu): the
32-bit hash goes through MurmurHash3's finaliser once, then `a * h + b` modulo 2**32 with `a` odd.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import expm1, log1p

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.words import Hashes, Positions, mix

SCHEME = "affine32"
EMPTY = np.uint32(0xFFFFFFFF)  # what datasketch starts from; no document with a shingle is told by it
_BLOCK = 1 << 15  # shingles permuted at a time: 128 KiB stay in a core's own cache through all permutations

Signatures = NDArray[np.uint32]


@lru_cache(maxsize=8)
def permutations(count: int, seed: int) -> tuple[Signatures, Signatures]:
    """The factors (odd) and summands of `count` permutations, drawn as datasketch draws them."""
    generator = np.random.RandomState(seed)
    factor = generator.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factor, generator.randint(0, 1 << 32, count, dtype=np.uint32)


def hash32(shingles: Hashes) -> Signatures:
    """The 32-bit hash of a shingle that MinHash is fed with: the upper half of its 64 bits."""
    return (shingles >> np.uint64(32)).astype(np.uint32)


def signatures(hashes: Signatures, offset: Positions, count: int, seed: int) -> Signatures:
    """The signatures uint32[n, count] of `n` documents; document `i` has the 32-bit `hashes[offset[i]:offset[i + 1]]`.

    A document without hashes gets `EMPTY` in every place, as in datasketch; it must never be matched by it.
    """
    factor, summand = permutations(count, seed)
    mixed = _finalise32(hashes)
    table = np.full((offset.size - 1, count), EMPTY, np.uint32)
    full = np.flatnonzero(np.diff(offset))
    at = 0
    while at < full.size:
        to = max(at + 1, int(np.searchsorted(offset[full + 1], offset[full[at]] + _BLOCK, "right")))
        documents = full[at:to]
        block = mixed[offset[documents[0]] : offset[documents[-1] + 1]]
        starts = offset[documents] - offset[documents[0]]
        least = np.empty((count, documents.size), np.uint32)
        permuted = np.empty_like(block)
        for i in range(count):
            np.multiply(block, factor[i], out=permuted)
            np.add(permuted, summand[i], out=permuted)
            np.minimum.reduceat(permuted, starts, out=least[i])
        table[documents] = least.T
        at = to
    return table


def _finalise32(hashes: Signatures) -> Signatures:
    """The 32-bit finaliser of MurmurHash3."""
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut: `bands` runs of `rows` values; a pair that agrees in any run is a candidate."""

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """The probability that a pair of this Jaccard becomes a candidate.

        >>> round(Bands(21, 6).recall(0.8), 4)
        0.9983
        """
        if jaccard >= 1.0:
            return 1.0
        return -expm1(self.bands * log1p(-(jaccard**self.rows)))


def choose_bands(threshold: float, recall: float, count: int) -> Bands:
    """The bands with the most rows (fewest false candidates) that reach `recall` for a pair exactly at `threshold`.

    Where even single rows do not reach it, single rows: the report states what that gives.

    >>> choose_bands(0.8, 0.99, 128), choose_bands(0.5, 0.99, 128)
    (Bands(bands=21, rows=6), Bands(bands=42, rows=3))
    """
    for rows in range(count, 0, -1):
        bands = Bands(count // rows, rows)
        if bands.recall(threshold) >= recall:
            return bands
    return Bands(count, 1)


def band_keys(table: Signatures, bands: Bands) -> Hashes:
    """A 64-bit key of each band of each signature, uint64[bands, n]; equal keys mean equal bands (but for 2**-64)."""
    keys = np.empty((bands.bands, table.shape[0]), np.uint64)
    factors = mix(np.arange(1, bands.rows + 1, dtype=np.uint64)) | np.uint64(1)
    for band in range(bands.bands):
        part = table[:, band * bands.rows : (band + 1) * bands.rows].astype(np.uint64)
        keys[band] = mix((mix(part + np.uint64(band)) * factors).sum(axis=1, dtype=np.uint64))
    return keys
