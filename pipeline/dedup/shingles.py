"""Word shingles as 64-bit hashes, for a whole batch at once."""

from __future__ import annotations

import numpy as np

from pipeline.dedup.words import Hashes, Positions, Words, mix

_STEP = 0xD6E8FEB86659FD93  # odd; its powers tell the places in a shingle apart


def combine(words: Hashes, size: int) -> Hashes:
    """The hash of every run of `size` words in a row, as if all were one text; empty where there are too few."""
    count = words.size - size + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    total = words[:count].copy()
    for place in range(1, size):
        total += words[place : place + count] * np.uint64(pow(_STEP, place, 1 << 64))
    return mix(total)


def shingle_starts(first: Positions, size: int) -> tuple[Positions, Positions]:
    """Which runs of `size` words lie in one text: their first words, and int64[n + 1] where each text's begin.

    A text of fewer than `size` words has none: it says too little to be judged by its shingles.
    """
    count = np.maximum(np.diff(first) - (size - 1), 0)
    offset = np.concatenate((np.zeros(1, np.int64), np.cumsum(count)))
    return np.repeat(first[:-1] - offset[:-1], count) + np.arange(int(offset[-1])), offset


def shingle_hashes(words: Words, document: int, size: int) -> Hashes:
    """The shingles of one text, in order; a text of fewer than `size` words is one shingle, as its own whole."""
    mine = words.hash[words.first[document] : words.first[document + 1]]
    return combine(mine, min(size, mine.size)) if mine.size else mine
