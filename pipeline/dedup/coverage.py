"""Sentence coverage: how much of one document stands, in its own or in other words, in another.

A unit (a sentence, or a piece of a long one) is *found* in another document when two neighbouring units of that
document hold enough of its weight: the rarity of its distinct words, summed. Its numbers must stand in those two
units and half of its names in that document; else a template filled in twice would count as the same text. Units that
recur across the corpus weigh nothing. All sums are of whole numbers, so that they are the same in every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.parts import ranges
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
    `place` int32: the unit of y where the counterpart starts, -1 for none; `same` bool: it stands there word for word.
    """

    first: Positions
    weight: NDArray[np.int64]
    share: NDArray[np.float64]
    loose: NDArray[np.float64]
    place: NDArray[np.int32]
    same: NDArray[np.bool_]

    def verbatim(self) -> NDArray[np.float64]:
        """For each pair the share of x's weight in units that stand in y word for word."""
        total = _sums(self.weight, self.first)
        found = _sums(np.where(self.same, self.weight, 0), self.first)
        return np.divide(found, total, out=np.zeros(total.size), where=total > 0)

    def coverage(self, least: float) -> NDArray[np.float64]:
        """For each pair the share of x's weight in units found with at least `least`; 0 where x has no weight."""
        total = _sums(self.weight, self.first)
        found = _sums(np.where(self.share >= least, self.weight, 0), self.first)
        return np.divide(found, total, out=np.zeros(total.size), where=total > 0)


def _sums(values: NDArray[np.int64], first: Positions) -> NDArray[np.int64]:
    """The sum of each run `values[first[i]:first[i + 1]]`."""
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))
    return np.asarray(sums[first[1:]] - sums[first[:-1]])


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
    total = _sums(rarity, units.word_first)[row_unit]
    weight = np.where(counts[row_unit], total, 0)
    width = units.first[y + 1] - units.first[y]
    column_unit = ranges(units.first[y], width)
    column_pair = np.repeat(np.arange(y.size), width)
    opens = np.cumsum(width) - width  # the first column of each pair

    # most sentences of near duplicates stand in the other word for word: only the others are worth a matrix
    verbatim = _find(units.hash[row_unit] ^ salt(row_pair), units.hash[column_unit] ^ salt(column_pair))
    same = verbatim >= 0
    share, loose = same.astype(np.float64), same.astype(np.float64)
    place = np.where(same, verbatim - opens[row_pair], -1)
    rest = np.flatnonzero(~same & (weight > 0))
    if rest.size:
        pairs = np.unique(row_pair[rest])
        used = np.isin(column_pair, pairs)
        columns = np.flatnonzero(used)
        strict, weak, at = _weigh(units, rarity, row_unit[rest], row_pair[rest], column_unit[used], column_pair[used])
        share[rest], loose[rest] = strict / total[rest], weak / total[rest]
        some = at >= 0
        place[rest[some]] = columns[at[some]] - opens[row_pair[rest[some]]]
    return Cover(first, weight, share, loose, place.astype(np.int32), same)


def salt(pair: Positions) -> Hashes:
    """Numbers that tell the same word or sentence of two pairs apart."""
    return mix(pair.astype(np.uint64) + _SALT)


def join_units(every: Sequence[Units]) -> Units:
    """The units of several batches as one."""

    def chain(firsts: Sequence[Positions]) -> Positions:
        shift = np.cumsum([0, *(int(first[-1]) for first in firsts)])
        return np.concatenate([np.zeros(1, np.int64), *(f[1:] + s for f, s in zip(firsts, shift, strict=False))])

    def glue(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in every])

    return Units(
        first=chain([part.first for part in every]),
        hash=glue("hash"),
        start=glue("start"),
        end=glue("end"),
        length=glue("length"),
        word_first=chain([part.word_first for part in every]),
        word=glue("word"),
        number=glue("number"),
        name=glue("name"),
    )


def _find(wanted: Hashes, among: Hashes) -> Positions:
    """Where each of `wanted` stands first in `among`; -1 where it does not."""
    if not among.size:
        return np.full(wanted.size, -1, np.int64)
    order = np.argsort(among, kind="stable")
    place = np.minimum(np.searchsorted(among, wanted, sorter=order), among.size - 1)
    found: Positions = np.where(among[order[place]] == wanted, order[place], -1)
    return found


def _weigh(
    units: Units,
    rarity: NDArray[np.int64],
    row_unit: Positions,
    row_pair: Positions,
    column_unit: Positions,
    column_pair: Positions,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Positions]:
    """The weight of each row unit that the best window of its pair holds: with its numbers and names, and without.

    The third array is the column where that window starts, -1 for none. One product of two sparse matrices for all
    pairs: rows are units of x, columns are windows of y, between them the words, told apart by pair.
    """
    from scipy import sparse  # a third of a second: only where there is something to weigh

    words = np.diff(units.word_first)
    row = np.repeat(np.arange(row_unit.size), words[row_unit])
    row_word = ranges(units.word_first[row_unit], words[row_unit])
    telling = (rarity[row_word] > 0) | units.number[row_word]
    row, row_word = row[telling], row_word[telling]
    keys, index = np.unique(units.word[row_word] ^ salt(row_pair)[row], return_inverse=True)
    column = np.repeat(np.arange(column_unit.size), words[column_unit])
    column_word = ranges(units.word_first[column_unit], words[column_unit])
    column_key = units.word[column_word] ^ salt(column_pair)[column]
    place = np.minimum(np.searchsorted(keys, column_key), keys.size - 1)
    held = keys[place] == column_key
    place, column = place[held], column[held]
    opens = np.ones(column_unit.size, bool)
    opens[1:] = column_pair[1:] != column_pair[:-1]
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

    anywhere = np.zeros(keys.size, bool)
    anywhere[place] = True
    named = units.name[row_word]
    missing = np.bincount(row[named & ~anywhere[index]], minlength=row_unit.size)
    lacks = missing * 2 > np.bincount(row[named], minlength=row_unit.size)
    numbers = np.bincount(row[units.number[row_word]], minlength=row_unit.size)
    value = rarity[row_word] + np.where(units.number[row_word], _NUMBER, 0)
    found = (sparse.csr_matrix((value, (row, index)), shape=(row_unit.size, keys.size)) @ windows).tocsr()
    found.sort_indices()
    entry = np.repeat(np.arange(row_unit.size), np.diff(found.indptr))
    weight = found.data % _NUMBER
    whole = (found.data // _NUMBER == numbers[entry]) & ~lacks[entry]
    weak, weak_at = _best(weight, found.indptr)
    strict, strict_at = _best(np.where(whole, weight, -1), found.indptr)
    at = np.where(strict > 0, strict_at, weak_at)
    return np.maximum(strict, 0), weak, np.where(at >= 0, found.indices[np.maximum(at, 0)], -1) if found.nnz else at


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
        place[row[::-1]] = hit[::-1]  # the first of equals
    return best, place
