"""Sentence coverage: how much of one document stands, in its own or in other words, in another.

A unit (a sentence, or a piece of a long one) is *found* in another document when two neighbouring units of that
document hold enough of its weight: the rarity of its distinct words, summed. Its numbers must stand in those two
units and half of its names in that document; else a template filled in twice would count as the same text. Units that
recur across the corpus weigh nothing. All sums are of whole numbers, so that they are the same in every order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline.dedup.words import Hashes, Positions, Words, mix, sentence_hashes, sentence_starts

RETOLD_SHARE = 0.5  # of a unit's weight: a sentence told in other words keeps its rare ones
CONTAINED_SHARE = 0.8  # of a unit's weight: a sentence taken over, perhaps touched up
_NUMBER = 1 << 40  # one 64-bit sum holds a weight below this place and a count of numbers above it
_SALT = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Units:
    """The sentence units of `n` documents, `u` units with `w` distinct words in all.

    `first` int64[n + 1]: document `i` has the units `first[i]:first[i + 1]`; `hash` uint64[u], of the words in order;
    `start`, `end` int32[u]: code points from the start of the document's normalised text; `length` int32[u]: words;
    `word_first` int64[u + 1] into `word` uint64[w] (hashes of stems) and `number`, `name` bool[w].
    """

    first: Positions
    hash: Hashes
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    length: NDArray[np.int32]
    word_first: Positions
    word: Hashes
    number: NDArray[np.bool_]
    name: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cover:
    """Of the pairs (x, y) given to `cover`, for each unit of each x, one pair after the other.

    `first` int64[pairs + 1]; `weight` int64: 0 for units that do not count; `share` float64: of the unit's weight
    found in y, 0 where a number or name lacks; `loose`: the same without asking for numbers and names;
    `place` int32: the unit of y where the counterpart starts, -1 for none.
    """

    first: Positions
    weight: NDArray[np.int64]
    share: NDArray[np.float64]
    loose: NDArray[np.float64]
    place: NDArray[np.int32]

    def coverage(self, least: float) -> NDArray[np.float64]:
        """For each pair the share of x's weight in units found with at least `least`; 0 where x has no weight."""
        total = _sums(self.weight, self.first)
        found = _sums(np.where(self.share >= least, self.weight, 0), self.first)
        return np.divide(found, total, out=np.zeros(total.size), where=total > 0)


def _sums(values: NDArray[np.int64], first: Positions) -> NDArray[np.int64]:
    """The sum of each run `values[first[i]:first[i + 1]]`."""
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))
    return np.asarray(sums[first[1:]] - sums[first[:-1]])


def ranges(start: Positions, length: Positions) -> Positions:
    """`start[0], start[0] + 1, …` for `length[0]` numbers, then `start[1], …`: many slices as one index."""
    shift = np.cumsum(length) - length
    return np.repeat(start - shift, length) + np.arange(int(length.sum()))


def units(words: Words) -> Units:
    """The sentence units of the texts that were split into `words`.

    A name is a word with a capital inside a sentence, or anywhere if the same word is a name inside one of its
    text's sentences; a number is a word with a digit.
    """
    starts = sentence_starts(words)
    count = words.hash.size
    length = np.diff(starts, append=count)
    unit = np.repeat(np.arange(starts.size), length)
    document = np.searchsorted(words.first, np.arange(count), "right") - 1
    inner = words.capital & ~words.opens & ~words.digit
    keys = words.stem ^ mix(document.astype(np.uint64))
    name = words.capital & ~words.digit & np.isin(keys, np.unique(keys[inner]))
    order = np.lexsort((words.stem, unit))
    fresh = np.ones(count, bool)
    fresh[1:] = (words.stem[order][1:] != words.stem[order][:-1]) | (unit[order][1:] != unit[order][:-1])
    groups = np.flatnonzero(fresh)
    chosen = order[groups]
    word_first = np.searchsorted(unit[chosen], np.arange(starts.size + 1))
    first = np.searchsorted(starts, words.first)
    shift = words.offset[document[starts]]
    last = np.append(starts[1:], count)[: starts.size] - 1
    return Units(
        first,
        sentence_hashes(words, starts),
        (words.start[starts] - shift).astype(np.int32),
        (words.end[last] - shift).astype(np.int32),
        length.astype(np.int32),
        word_first,
        words.stem[chosen],
        words.digit[chosen],
        np.logical_or.reduceat(name[order], groups) if groups.size else np.zeros(0, bool),
    )


def cover(units: Units, x: Positions, y: Positions, rarity: NDArray[np.int64], counts: NDArray[np.bool_]) -> Cover:
    """For each unit of the documents `x`, how much of it stands in the documents `y` (numbers of documents).

    `rarity` int64[w]: what each word of `units` weighs, in whole 64ths (see `rarity`); `counts` bool[u]: False for
    units that recur across the corpus. A counterpart is two neighbouring units, because a retelling joins and
    splits sentences.
    """
    size = units.first[x + 1] - units.first[x]
    row_unit = ranges(units.first[x], size)
    row_pair = np.repeat(np.arange(x.size), size)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    words = np.diff(units.word_first)
    total = _sums(rarity, units.word_first)
    weight = np.where(counts, total, 0)[row_unit]

    # one matrix product for all pairs: rows are units of x, columns of the second factor are windows of y,
    # between them the words, told apart by pair
    row = np.repeat(np.arange(row_unit.size), words[row_unit])
    row_word = ranges(units.word_first[row_unit], words[row_unit])
    row_key = units.word[row_word] ^ mix(row_pair[row].astype(np.uint64) + _SALT)
    keys = np.unique(row_key)

    width = units.first[y + 1] - units.first[y]
    column_unit = ranges(units.first[y], width)
    column_pair = np.repeat(np.arange(y.size), width)
    column = np.repeat(np.arange(column_unit.size), words[column_unit])
    column_word = ranges(units.word_first[column_unit], words[column_unit])
    column_key = units.word[column_word] ^ mix(column_pair[column].astype(np.uint64) + _SALT)
    place = np.searchsorted(keys, column_key)
    place[place == keys.size] = 0
    held = keys[place] == column_key if keys.size else np.zeros(0, bool)
    place, column = place[held], column[held]
    opens = np.zeros(column_unit.size, bool)
    opens[(np.cumsum(width) - width)[width > 0]] = True
    back = ~opens[column]  # unit j stands in the window that starts at j and in the one that starts at j - 1
    windows = sparse.csr_matrix(
        (
            np.ones(column.size + int(back.sum()), np.int64),
            (np.concatenate((place, place[back])), np.concatenate((column, column[back] - 1))),
        ),
        shape=(keys.size, column_unit.size),
    )
    windows.sum_duplicates()
    windows.data[:] = 1

    # a name counts if it stands anywhere in y; a number only in the window
    anywhere = np.zeros(keys.size, bool)
    anywhere[place] = True
    index = np.searchsorted(keys, row_key)
    named = units.name[row_word]
    missing = np.bincount(row[named & ~anywhere[index]], minlength=row_unit.size)
    lacks = missing * 2 > np.bincount(row[named], minlength=row_unit.size)
    value = rarity[row_word] + np.where(units.number[row_word], _NUMBER, 0)
    rows = sparse.csr_matrix((value, (row, index)), shape=(row_unit.size, keys.size))
    found = (rows @ windows).tocsr()
    found.sort_indices()
    entry_row = np.repeat(np.arange(row_unit.size), np.diff(found.indptr))
    numbers = _sums(units.number.astype(np.int64), units.word_first)[row_unit]
    held_weight = found.data & (_NUMBER - 1)
    full = (found.data // _NUMBER) == numbers[entry_row]
    loose, _ = _best(held_weight, found.indptr)
    strict, place_of = _best(np.where(full & ~lacks[entry_row], held_weight + 1, 0), found.indptr)
    _, loose_place = _best(held_weight, found.indptr)
    at = np.where(strict > 0, place_of, loose_place)
    start = (np.cumsum(width) - width)[row_pair]
    where = np.full(row_unit.size, -1, np.int32)
    some = at >= 0
    where[some] = (found.indices[at[some]] - start[some]).astype(np.int32)
    safe = np.maximum(total[row_unit], 1)
    return Cover(first, weight, np.maximum(strict - 1, 0) / safe, loose / safe, where)


def _best(values: NDArray[np.int64], indptr: NDArray[np.int32]) -> tuple[NDArray[np.int64], Positions]:
    """The largest value of each row of a CSR matrix and where it stands first; 0 and -1 for an empty row."""
    best = np.zeros(indptr.size - 1, np.int64)
    place = np.full(indptr.size - 1, -1, np.int64)
    full = np.flatnonzero(np.diff(indptr))
    if full.size:
        start = indptr[full].astype(np.int64)
        best[full] = np.maximum.reduceat(values, start)
        hit = np.flatnonzero(values == np.repeat(best[full], np.diff(indptr)[full]))
        row = np.searchsorted(indptr, hit, "right") - 1
        place[row[::-1]] = hit[::-1]
    return best, place
