"""The numbers and names of texts as they are written: what a reader misses first when one text stands for another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.coverage import RETOLD_SHARE, Cover, Units, salt
from pipeline.dedup.lookup import is_in
from pipeline.dedup.parts import ranges
from pipeline.dedup.words import Hashes, Positions, Words, mix

JOINTS = ".,:/-–'’"  # with a digit on either side and no space they are part of a number: 1,240  22.45  2024-05-17


@dataclass(frozen=True, slots=True)
class Marks:
    """The numbers, and the words that may be names, of `n` texts, `m` in all, in their order.

    `first` int64[n + 1]: text `i` has the marks `first[i]:first[i + 1]`; `key` uint64[m]: the hash of the word's stem,
    of a whole number for one that holds separators; `start`, `end` int32[m]: code points from the start of the
    normalised text; `number` bool[m], False for what may be a name.
    """

    first: Positions
    key: Hashes
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    number: NDArray[np.bool_]

    @property
    def owner(self) -> Positions:
        """int64[m]: which text each mark belongs to."""
        return np.repeat(np.arange(self.first.size - 1), np.diff(self.first))

    def of(self, texts: Positions) -> Marks:
        """The marks of some of the texts, in that order."""
        length = np.diff(self.first)[texts]
        at = ranges(self.first[texts], length)
        first = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
        return Marks(first, self.key[at], self.start[at], self.end[at], self.number[at])


def find_marks(words: Words) -> Marks:
    """The marks of texts that were split into `words`.

    A word is a run of letters and digits, so `1,240` is two; here it is one number, or `1,420` would seem to hold
    nothing new where `240` stands elsewhere in the text.
    """
    marked = np.flatnonzero(words.digit | (words.capital & ~words.opens))
    number = words.digit[marked]
    joined = np.zeros(marked.size, bool)  # to the mark before it
    touches = words.start[marked[1:]] == words.end[marked[:-1]] + 1
    for i in np.flatnonzero(touches & number[1:] & number[:-1]).tolist():
        joined[i + 1] = words.text[words.end[marked[i]]] in JOINTS
    heads = np.flatnonzero(~joined)
    last = np.append(heads[1:], marked.size)[: heads.size] - 1
    place = np.arange(marked.size) - np.repeat(heads, last - heads + 1)
    key = words.stem[marked]
    key = np.where(joined, mix(key + place.astype(np.uint64)), key)
    owner = np.searchsorted(words.first, marked[heads], "right") - 1
    shift = words.offset[owner]
    return Marks(
        np.searchsorted(owner, np.arange(words.offset.size + 1)),
        np.bitwise_xor.reduceat(key, heads) if heads.size else key,
        (words.start[marked[heads]] - shift).astype(np.int32),
        (words.end[marked[last]] - shift).astype(np.int32),
        number[heads],
    )


def lost_marks(mine: Marks, theirs: Marks, units: Units, there: Cover, x: Positions, y: Positions) -> NDArray[np.bool_]:
    """Which marks of the documents `x` their counterparts `y` lack, bool[m]; `there` holds the pairs (x, y) first.

    `mine` are the marks of `x`, `theirs` those of `y`, pair by pair. A name is lost if its stem is no word of y. A
    number is lost if y does not hold it, and also if y tells its sentence without it: where "95 kroner" became
    "240 kroner", it helps nobody that y speaks of 95 passengers.
    """
    owner, number = mine.owner, mine.number
    their_words, their_pair = _words_of(units, y)
    held = units.word[their_words] ^ salt(their_pair)
    counted = (theirs.key ^ salt(theirs.owner))[theirs.number]
    lost = np.zeros(number.size, bool)
    for kind, among in ((number, counted), (~number, held)):
        lost[kind] = ~is_in(mine.key[kind] ^ salt(owner[kind]), among)
    row = there.first[owner] + _unit_of(mine, units, x)
    told = number & ~lost & (there.share[row] < RETOLD_SHARE) & (there.loose[row] >= RETOLD_SHARE)
    if told.any():
        among = theirs.key ^ salt(theirs.owner << 32 | _unit_of(theirs, units, y))
        key, at = mine.key[told], owner[told] << 32 | there.place[row[told]].astype(np.int64)
        lost[told] = ~(is_in(key ^ salt(at), among) | is_in(key ^ salt(at + 1), among))
    return lost


def _unit_of(marks: Marks, units: Units, documents: Positions) -> Positions:
    """The sentence unit, counted from its document's first, that holds each mark of `documents`."""
    size = units.first[documents + 1] - units.first[documents]
    opens = np.repeat(np.arange(documents.size) << 32, size) | units.start[ranges(units.first[documents], size)]
    before = np.searchsorted(opens, marks.owner << 32 | marks.start.astype(np.int64), "right") - 1
    inside: Positions = before - (np.cumsum(size) - size)[marks.owner]
    return inside


def _words_of(units: Units, documents: Positions) -> tuple[Positions, Positions]:
    """The words of some documents, and which of the documents each belongs to."""
    start = units.word_first[units.first[documents]]
    length = units.word_first[units.first[documents + 1]] - start
    return ranges(start, length), np.repeat(np.arange(documents.size), length)
