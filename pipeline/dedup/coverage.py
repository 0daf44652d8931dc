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

from pipeline.dedup.lookup import is_in, opens_run, places
from pipeline.dedup.parts import even_cuts, ranges
from pipeline.dedup.words import UNIT_WORDS, Hashes, Positions, Words, mix, sentence_hashes, sentence_starts

RETOLD_SHARE = 0.5  # of a unit's weight: a sentence told in other words keeps its rare ones
CONTAINED_SHARE = 0.8  # of a unit's weight: a sentence taken over, perhaps touched up
CELLS = 4_000_000  # of the product worked on at a time: 32 MB each of a few arrays
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
    document = np.repeat(np.arange(words.first.size - 1), np.diff(words.first))
    inner = words.capital & ~words.opens & ~words.digit
    keys = words.stem ^ mix(document.astype(np.uint64))
    name = words.capital & ~words.digit & is_in(keys, keys[inner])
    order, groups = _by_stem(unit, starts, words.stem)
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


def _by_stem(unit: Positions, starts: Positions, stem: Hashes) -> tuple[Positions, Positions]:
    """The words in the order of their units and in each by stem; where in that order each distinct stem begins.

    One sort of one number: unit, first bits of the stem (more than 30, which tell `UNIT_WORDS` apart), place in unit.
    """
    place_bits = np.uint64(UNIT_WORDS.bit_length())
    stem_bits = np.uint64(64 - max(1, starts.size.bit_length())) - place_bits
    key = (unit.astype(np.uint64) << stem_bits) | (stem >> (np.uint64(64) - stem_bits))
    key = (key << place_bits) | (np.arange(unit.size) - starts[unit]).astype(np.uint64)
    key.sort()
    place = (key & ((np.uint64(1) << place_bits) - np.uint64(1))).astype(np.int64)
    return starts[unit] + place, np.flatnonzero(opens_run(key >> place_bits))


def cover(
    units: Units,
    x: Positions,
    y: Positions,
    rarity: NDArray[np.int64],
    counts: NDArray[np.bool_],
    least: float = 0.0,
) -> Cover:
    """For each unit of the documents `x`, how much of it stands in the documents `y` (numbers of documents).

    `rarity` int64[w]: what each word of `units` weighs, in whole 64ths (see `rarity`); `counts` bool[u]: False for
    units that recur across the corpus. A counterpart is two neighbouring units, because a retelling joins and
    splits sentences. A unit of which less than `least` stands anywhere in `y` is not looked for: its share is 0.
    """
    rows, columns = _lay_out(units, x), _lay_out(units, y)
    total = _sums(rarity, units.word_first)[rows.unit]
    weight = np.where(counts[rows.unit], total, 0)
    # most sentences of near duplicates stand in the other word for word: only the others are worth a matrix
    verbatim = _find(units.hash[rows.unit] ^ salt(rows.pair), units.hash[columns.unit] ^ salt(columns.pair))
    same = verbatim >= 0
    share, loose = same.astype(np.float64), same.astype(np.float64)
    place = np.where(same, verbatim - columns.first[rows.pair], -1)
    rest = np.flatnonzero(~same & (weight > 0))
    if rest.size:
        used = np.flatnonzero(_marks(rows.pair[rest], x.size)[columns.pair])
        strict, weak, at = _weigh(units, rarity, least, rows.at(rest), columns.at(used))
        share[rest], loose[rest] = strict / total[rest], weak / total[rest]
        some = at >= 0
        place[rest[some]] = used[at[some]] - columns.first[rows.pair[rest[some]]]
    return Cover(rows.first, weight, share, loose, place.astype(np.int32), same)


def verbatim_shares(
    units: Units, x: Positions, y: Positions, rarity: NDArray[np.int64], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """`cover(…).verbatim()` alone: no matrix is needed for it."""
    rows, columns = _lay_out(units, x), _lay_out(units, y)
    total = np.where(counts, _sums(rarity, units.word_first), 0)[rows.unit]
    same = is_in(units.hash[rows.unit] ^ salt(rows.pair), units.hash[columns.unit] ^ salt(columns.pair))
    found, whole = _sums(np.where(same, total, 0), rows.first), _sums(total, rows.first)
    return np.divide(found, whole, out=np.zeros(x.size), where=whole > 0)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The units of many documents, one document (of a pair) after the other: `unit`, its `pair`, where pairs begin."""

    unit: Positions
    pair: Positions
    first: Positions

    def at(self, which: Positions) -> _Layout:
        """Some of the rows; `first` stays that of all."""
        return _Layout(self.unit[which], self.pair[which], self.first)


def _lay_out(units: Units, documents: Positions) -> _Layout:
    size = units.first[documents + 1] - units.first[documents]
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
    return _Layout(ranges(units.first[documents], size), np.repeat(np.arange(documents.size), size), first)


def _marks(numbers: Positions, size: int) -> NDArray[np.bool_]:
    """bool[size], True at `numbers`."""
    marks = np.zeros(size, bool)
    marks[numbers] = True
    return marks


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
    order = np.lexsort((np.arange(among.size), among))
    first = order[opens_run(among[order])]
    place = places(wanted, among[first])
    return np.where(place >= 0, first[place], -1) if first.size else place


def _weigh(
    units: Units, rarity: NDArray[np.int64], least: float, rows: _Layout, columns: _Layout
) -> tuple[NDArray[np.int64], NDArray[np.int64], Positions]:
    """The weight of each row unit that the best window of its pair holds: with its numbers and names, and without.

    The third array is the column where that window starts, -1 for none. Rows of which less than `least` stands
    anywhere in y, or which lack a number or most names there, cannot count: they are left at 0 and -1.
    """
    row, word, there = _look_up(units, rarity, rows, columns)
    count = rows.unit.size
    total = np.bincount(row, rarity[word], count)
    hopeful = np.bincount(row[there], rarity[word[there]], count) >= least * total
    named, number = units.name[word], units.number[word]
    lacks = np.bincount(row[named & ~there], minlength=count) * 2 > np.bincount(row[named], minlength=count)
    if least > 0:
        hopeful &= ~lacks & (np.bincount(row[number & ~there], minlength=count) == 0)
    strict, weak = np.zeros(count, np.int64), np.zeros(count, np.int64)
    at = np.full(count, -1, np.int64)
    kept = np.flatnonzero(hopeful)
    mine = there & hopeful[row]
    if mine.any():  # else no word of any unit stands on the other side
        renumber = np.cumsum(hopeful) - 1
        used = np.flatnonzero(_marks(rows.pair[kept], int(rows.pair.max()) + 1)[columns.pair])
        numbers = np.bincount(row[number], minlength=count)[kept]
        best = _multiply(
            units, rarity, renumber[row[mine]], word[mine], rows.at(kept), columns.at(used), numbers, lacks[kept]
        )
        strict[kept], weak[kept] = best[0], best[1]
        some = best[2] >= 0
        at[kept[some]] = used[best[2][some]]
    return strict, weak, at


def _look_up(
    units: Units, rarity: NDArray[np.int64], rows: _Layout, columns: _Layout
) -> tuple[Positions, Positions, NDArray[np.bool_]]:
    """The words of the rows that say something: row, word, and whether it stands anywhere in the pair's columns."""
    words = np.diff(units.word_first)
    row = np.repeat(np.arange(rows.unit.size), words[rows.unit])
    word = ranges(units.word_first[rows.unit], words[rows.unit])
    telling = (rarity[word] > 0) | units.number[word]
    row, word = row[telling], word[telling]
    theirs = ranges(units.word_first[columns.unit], words[columns.unit])
    key = units.word[theirs] ^ np.repeat(salt(columns.pair), words[columns.unit])
    return row, word, is_in(units.word[word] ^ salt(rows.pair)[row], key)


def _multiply(
    units: Units,
    rarity: NDArray[np.int64],
    row: Positions,
    row_word: Positions,
    rows: _Layout,
    columns: _Layout,
    numbers: Positions,
    lacks: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], Positions]:
    """`_weigh` by one product of two sparse matrices for all pairs.

    Rows are units of x, columns are windows of y, between them the words, told apart by pair. The product is dense
    only within pairs: one cell for each row and each window of its pair, filled by counting.
    """
    keys, index = np.unique(units.word[row_word] ^ salt(rows.pair)[row], return_inverse=True)
    key_first, window = _windows(units, columns, keys)
    opens = np.searchsorted(columns.pair, rows.pair)
    width = np.searchsorted(columns.pair, rows.pair, "right") - opens
    value = (rarity[row_word] + np.where(units.number[row_word], _NUMBER, 0)).astype(np.float64)  # whole, below 2**53
    times = key_first[index + 1] - key_first[index]
    strict, weak = np.zeros(width.size, np.int64), np.zeros(width.size, np.int64)
    at = np.full(width.size, -1, np.int64)
    for low, high in even_cuts(width + np.bincount(row, times, width.size).astype(np.int64), CELLS):
        mine = slice(*np.searchsorted(row, (low, high)))
        base = np.cumsum(width[low:high]) - width[low:high]
        cell = np.repeat((base - opens[low:high])[row[mine] - low], times[mine])
        cell += window[ranges(key_first[index[mine]], times[mine])]
        held = np.bincount(cell, np.repeat(value[mine], times[mine]), int(width[low:high].sum())).astype(np.int64)
        whole = held // _NUMBER == np.repeat(np.where(lacks[low:high], -1, numbers[low:high]), width[low:high])
        held %= _NUMBER
        weak[low:high], loose_at = _best(held, width[low:high])
        strict[low:high], strict_at = _best(np.where(whole, held, 0), width[low:high])
        place = np.where(strict[low:high] > 0, strict_at, np.where(weak[low:high] > 0, loose_at, -1))
        at[low:high] = np.where(place >= 0, place + opens[low:high], -1)
    return strict, weak, at


def _windows(units: Units, columns: _Layout, keys: Hashes) -> tuple[Positions, Positions]:
    """In which windows (two neighbouring columns of one pair, named by the first) each of the sorted `keys` stands.

    Key `i` stands in `windows[first[i]:first[i + 1]]`, once in each.
    """
    words = np.diff(units.word_first)
    column = np.repeat(np.arange(columns.unit.size), words[columns.unit])
    theirs = ranges(units.word_first[columns.unit], words[columns.unit])
    column_key = units.word[theirs] ^ salt(columns.pair)[column]
    place = places(column_key, keys)
    held = place >= 0
    place, column = place[held], column[held]
    opens = np.ones(columns.unit.size, bool)
    opens[1:] = columns.pair[1:] != columns.pair[:-1]
    back = ~opens[column]  # unit j stands in the window that starts at j and in the one that starts at j - 1
    entries = (np.append(place, place[back]) << 32) | np.append(column, column[back] - 1)
    entries.sort()
    entries = entries[opens_run(entries)]
    return np.searchsorted(entries, np.arange(keys.size + 1) << 32), entries & 0xFFFFFFFF


def _best(values: NDArray[np.int64], width: Positions) -> tuple[NDArray[np.int64], Positions]:
    """The largest of each row's `width` values and where it stands first in the row; 0 and -1 for an empty row."""
    best = np.zeros(width.size, np.int64)
    place = np.full(width.size, -1, np.int64)
    full = np.flatnonzero(width)
    if full.size:
        start = np.cumsum(width) - width
        best[full] = np.maximum.reduceat(values, start[full])
        hit = np.flatnonzero(values == np.repeat(best, width))
        row = np.repeat(np.arange(width.size), width)[hit]
        place[row[::-1]] = (hit - start[row])[::-1]  # the first of equals
    return best, place
