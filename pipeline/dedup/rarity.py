"""How much a word says: the rarer it is among the documents, the more.

The rarity of a stem is -ln of the share of documents that hold it, at most `CAP`, in whole `SCALE`ths. The shares are
counted in a sample of the corpus; where the corpus is too small to tell, they come from the frequency lists of
`wordfreq` (Robyn Speer), as the chance that a document of `TYPICAL_WORDS` words holds the stem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.lookup import places
from pipeline.dedup.words import Hashes, split

SCALE = 64
CAP = 6.0  # one document in 400: rarer words say no more, or one odd word would outweigh the rest of its sentence
LEAST = 1.0  # one in e: a word of every third document or more says nothing, and weighs nothing
TYPICAL_WORDS = 200
SAMPLE_DOCUMENTS = 3_000  # a stem that weighs less than `CAP` stands in eight of them
RUNS = 50


@dataclass(frozen=True, slots=True)
class Rarity:
    """What stems weigh: `stem` uint64, sorted, and `weight` int64 in whole `SCALE`ths. Others weigh the most."""

    stem: Hashes
    weight: NDArray[np.int64]

    def of(self, stems: Hashes) -> NDArray[np.int64]:
        """The weight of each of `stems`."""
        most = round(CAP * SCALE)
        if not self.stem.size:
            return np.full(stems.size, most, np.int64)
        place = places(stems, self.stem)
        return np.where(place >= 0, self.weight[place], most)


def _weights(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares of documents as weights."""
    rarity = np.minimum(-np.log(np.clip(share, 1e-12, 1.0)), CAP)
    weights: NDArray[np.int64] = np.rint(np.where(rarity < LEAST, 0.0, rarity) * SCALE).astype(np.int64)
    return weights


def spread(count: int) -> NDArray[np.int64]:
    """Which of `count` documents in source order are the sample: `RUNS` runs of neighbours, evenly spread.

    Neighbours lie in the same files, so that a sample of a large corpus does not read all of it.
    """
    if count <= SAMPLE_DOCUMENTS:
        return np.arange(count)
    starts = np.arange(RUNS) * (count - SAMPLE_DOCUMENTS // RUNS) // (RUNS - 1)
    chosen: NDArray[np.int64] = np.unique(starts[:, None] + np.arange(SAMPLE_DOCUMENTS // RUNS))
    return chosen


def from_counts(stem: Hashes, documents: NDArray[np.int64], total: int) -> Rarity:
    """The rarity of stems (sorted) that stand in so many `documents` of `total`."""
    return Rarity(stem, _weights(documents / max(total, 1)))


@lru_cache(maxsize=8)
def background(language: str | None = "en") -> Rarity:
    """The rarity of stems in a language at large; where `wordfreq` has no list for it, all weigh the same.

    >>> common, rare = background("en").of(split(["the xylophone"]).stem).tolist()
    >>> common < rare
    True
    """
    import wordfreq  # half a second: only where a corpus is small and has something to weigh

    try:
        frequencies = wordfreq.get_frequency_dict(language or "en", wordlist="small")
    except LookupError:
        return Rarity(np.zeros(0, np.uint64), np.zeros(0, np.int64))
    listed = split(list(frequencies))
    share = np.repeat(np.fromiter(frequencies.values(), float, len(frequencies)), np.diff(listed.first))
    stem, place = np.unique(listed.stem, return_inverse=True)
    total = np.bincount(place, share, stem.size)
    return Rarity(stem, _weights(-np.expm1(-TYPICAL_WORDS * total)))
