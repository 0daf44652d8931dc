r"""The words and sentences of a whole batch of texts at once, as arrays.

A word is what `\w+` matches in the lower-cased NFC text (a run of letters, digits and underscores). Scripts that
are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) have no such borders: there each character is a
word of its own. Nothing here loops over words: a batch is one array of code points, a table says what each code
point is, and a word's 64-bit hash is a difference of two prefix sums of a polynomial hash, mixed at the end.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.lookup import is_in

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]
Codes = NDArray[np.uint8] | NDArray[np.uint32]

CHUNK = 1 << 19  # code points handled at a time: the arrays of one chunk stay in the cache of one core
STEM = 5  # letters that words of one family share ("supply", "supplies", "supplying"), in most written languages
UNIT_WORDS = 40  # a sentence longer than this is cut into equal pieces, so that text without punctuation has units too

WORD, UNSPACED, SPACE, NEWLINE, STOP, CLOSER, CAPITAL, DIGIT = (1 << bit for bit in range(8))
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2**64
_STOPS = ".!?…。！？｡։؟।۔"
_FULL_STOPS = "。！？｡"  # these end a sentence without a space behind them
_CLOSERS = "\"'”’»)]}*_"
_BULLETS = "-*•#>|·–"
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)
_TITLES = "mr mrs ms dr prof st sr jr gen sen rep gov lt col capt vs etc sept no fig al inc ltd co corp bzw ca vgl"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch of `n` texts, `w` in all, in order.

    `hash` uint64[w]; `start`, `end` int64[w] count code points in `text`, the normalised texts one after the other;
    `offset` int64[n]: where each text starts there;
    `first` int64[n + 1]: text `i` has the words `first[i]:first[i + 1]`; `opens` bool[w]: a sentence starts here;
    `stem` uint64[w] is the hash of a word's first `STEM` letters (of all of it, if it holds a digit);
    `capital`, `digit` bool[w]: the word starts with a capital, holds a digit.
    """

    text: str
    offset: Positions
    hash: Hashes
    start: Positions
    end: Positions
    first: Positions
    stem: Hashes
    opens: NDArray[np.bool_]
    capital: NDArray[np.bool_]
    digit: NDArray[np.bool_]


def mix(values: Hashes) -> Hashes:
    """The 64-bit finaliser of MurmurHash3 (Austin Appleby, public domain): a bijection that spreads every bit."""
    mixed = values ^ (values >> np.uint64(33))
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    return mixed


class _Table:
    """What each code point is (`kind`, bits) and the hash of its lower case (`letter`); filled as scripts turn up."""

    def __init__(self) -> None:
        self.kind = np.zeros(0x110000, np.uint8)
        self.lower = np.zeros(0x110000, bool)
        self.letter = np.zeros(0x110000, np.uint64)
        self.filled = np.zeros(0x110000 >> 8, bool)
        self.fill([0])

    def fill(self, pages: Sequence[int] | range | NDArray[np.int64]) -> None:
        """Learn these pages of 256 code points."""
        for page in pages:
            span = range(int(page) << 8, (int(page) + 1) << 8)
            characters = [chr(code) for code in span]
            lowered = [character.lower() for character in characters]
            part = slice(span.start, span.stop)
            self.kind[part] = [_kind(a, b) for a, b in zip(characters, lowered, strict=True)]
            self.lower[part] = [character.islower() for character in characters]
            codes = [ord(b if len(b) == 1 else a) for a, b in zip(characters, lowered, strict=True)]
            self.letter[part] = mix(np.array(codes, np.uint64) + np.uint64(1))
            self.filled[page] = True

    def learn(self, codes: NDArray[np.uint32]) -> None:
        """Make sure that every code point of `codes` is known."""
        seen = np.zeros_like(self.filled)
        seen[codes >> np.uint32(8)] = True
        self.fill(np.flatnonzero(seen & ~self.filled))


def _kind(character: str, lowered: str) -> int:
    """The bits of one character."""
    code = ord(character)
    unspaced = any(low <= code <= high for low, high in _UNSPACED_BLOCKS)
    word = character.isalnum() or character == "_" or (unspaced and unicodedata.category(character)[0] == "M")
    bits = (WORD if word else 0) | (UNSPACED if word and unspaced else 0)
    bits |= (SPACE if character.isspace() else 0) | (NEWLINE if character in "\n\u2028\u2029" else 0)
    bits |= (STOP if character in _STOPS else 0) | (CLOSER if character in _CLOSERS else 0)
    return bits | (CAPITAL if lowered != character and word else 0) | (DIGIT if character.isdigit() else 0)


@cache
def _table() -> _Table:
    return _Table()


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """`_BASE**i` and `_BASE**-i` modulo 2**64 for every position in a chunk."""
    inverse = pow(int(_BASE), -1, 1 << 64)
    both = []
    for base in (_BASE, np.uint64(inverse)):
        factors = np.full(CHUNK, base, np.uint64)
        factors[0] = 1
        both.append(np.multiply.accumulate(factors))
    return both[0], both[1]


@cache
def _title_hashes() -> Hashes:
    """The hashes of abbreviations that a full stop follows without ending the sentence."""
    codes = _code_points(_TITLES)
    return np.unique(_word_hashes(codes, *_borders(_table().kind[codes]), stems=False)[0])


def normalise(text: str) -> str:
    """NFC, with the two letters whose lower case depends on more than themselves put in a form that does not.

    `İ` (lower case: two characters) is taken apart; a capital sigma that ends its word becomes the final small one.
    After this, lower-casing changes no length and can be done character by character.
    """
    text = unicodedata.normalize("NFC", text)
    if not text.isascii():
        if "\u0130" in text:
            text = text.replace("\u0130", "I\u0307")
        if "Σ" in text:
            text = "".join("ς" if b == "ς" else a for a, b in zip(text, text.lower(), strict=True))
    return text


def _word_hashes(codes: Codes, start: Positions, end: Positions, stems: bool) -> tuple[Hashes, Hashes]:
    """The hash of each word `codes[start:end]` and of its first letters (if `stems`), of at most `CHUNK` codes."""
    power, inverse = _powers()
    prefix = np.zeros(codes.size + 1, np.uint64)
    terms = _table().letter[codes]
    terms *= power[: codes.size]
    np.cumsum(terms, out=prefix[1:])
    unshift, base = inverse[start], prefix[start]
    whole = mix((prefix[end] - base) * unshift)
    return whole, mix((prefix[np.minimum(end, start + STEM)] - base) * unshift) if stems else whole


def _borders(kind: NDArray[np.uint8]) -> tuple[Positions, Positions]:
    """Where words start and end."""
    word = (kind & WORD) != 0
    joined = (kind & (WORD | UNSPACED)) == WORD  # a letter that joins with its neighbours
    joint = joined[1:] & joined[:-1]
    starts, ends = word.copy(), word.copy()
    starts[1:] &= ~joint  # no border between these two code points
    ends[:-1] &= ~joint
    return np.flatnonzero(starts), np.flatnonzero(ends) + 1


def _opens(codes: Codes, kind: NDArray[np.uint8], start: Positions, end: Positions, hashes: Hashes) -> Positions:
    """The words (their numbers, not sorted, perhaps more than once) before which a sentence ends.

    A sentence ends at a stop that a space follows (closing quotes may stand between), unless a small letter comes
    next or the stop belongs to an initial, a title ("Mr.") or a number or letter in front of its line ("1.", "  b.");
    at an empty line; before a line that starts with a bullet and behind a Markdown heading.
    """
    last = kind.size - 1
    stops = np.flatnonzero((kind & STOP) != 0)
    behind = np.minimum(stops + 1, last)
    for _ in range(2):
        behind = np.where(kind[behind] & CLOSER, np.minimum(behind + 1, last), behind)
    free = np.isin(codes[stops], np.array([ord(c) for c in _FULL_STOPS], np.uint32))
    ends = free | ((kind[behind] & SPACE) != 0)
    stops, free = stops[ends], free[ends]
    after = np.searchsorted(start, stops)
    inside = (after > 0) & (after < start.size)
    stops, after, free = stops[inside], after[inside], free[inside]
    dot = codes[stops] == ord(".")
    small = _table().lower[codes[start[after]]]
    before = after - 1
    title = dot & is_in(hashes[before], _title_hashes())
    initial = (end[before] - start[before] == 1) & (kind[start[before]] & CAPITAL).astype(bool)
    lines = np.flatnonzero((kind & NEWLINE) != 0)
    gaps = np.searchsorted(start, lines)  # the first word of each line
    opens_line = np.zeros(start.size + 1, bool)
    opens_line[0] = opens_line[gaps] = True
    label = (end[before] - start[before] <= 3) & opens_line[before]
    found = [after[~((small & ~free) | (dot & (initial | title | label) & (end[before] == stops)))]]
    found.append(gaps[1:][gaps[1:] == gaps[:-1]])
    bullet = np.isin(codes[np.minimum(lines + 1, last)], np.array([ord(c) for c in _BULLETS], np.uint32))
    heading = codes[np.concatenate(([0], lines[:-1] + 1))] == ord("#") if lines.size else bullet
    found += [gaps[bullet], gaps[heading]]
    every = np.concatenate(found)
    return every[every < start.size]


def _windows(codes: Codes, kind: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Cut one chunk (a single document may be longer than `CHUNK`) where no word is cut, if that can be."""
    at = 0
    while codes.size - at > CHUNK:
        gaps = np.flatnonzero((kind[at : at + CHUNK] & WORD) == 0)
        cut = at + int(gaps[-1]) + 1 if gaps.size else at + CHUNK
        yield at, cut
        at = cut
    yield at, codes.size


def _code_points(text: str) -> Codes:
    """The text as numbers: one byte each where it is plain ASCII, which is faster, else four."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    _table().learn(codes)
    return codes


def _split_chunk(texts: Sequence[str], stems: bool = True) -> Words:
    """`split` for texts that together make about one chunk."""
    text = "\n\n".join([*texts, ""])  # so that the last one, too, ends as if another followed
    codes = _code_points(text)
    kind = _table().kind[codes]
    starts, ends, hashes, first_letters = [], [], [], []
    for low, high in _windows(codes, kind):
        start, end = _borders(kind[low:high])
        whole, stem = _word_hashes(codes[low:high], start, end, stems)
        hashes.append(whole)
        first_letters.append(stem)
        starts.append(start + low)
        ends.append(end + low)
    start, end = np.concatenate(starts), np.concatenate(ends)
    found, stem = np.concatenate(hashes), np.concatenate(first_letters)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 2
    offset = np.concatenate(([0], np.cumsum(lengths)))
    first = np.searchsorted(start, offset)
    opens = np.zeros(start.size, bool)
    if start.size:
        opens[_opens(codes, kind, start, end, found)] = True
        opens[first[:-1][first[:-1] < start.size]] = True
    capital = (kind[start] & CAPITAL) != 0
    digit = np.zeros(start.size, bool)
    digit[np.searchsorted(start, np.flatnonzero((kind & DIGIT) != 0), "right") - 1] = True
    if stems:
        stem = np.where(digit, found, stem)
    return Words(text, offset[:-1], found, start, end, first, stem, opens, capital, digit)


def chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut a batch into runs of texts that make about one chunk each; a text longer than a chunk is alone."""
    at = size = 0
    for i, text in enumerate(texts):
        if i > at and size + len(text) + 2 > CHUNK:
            yield at, i
            at, size = i, 0
        size += len(text) + 2
    if at < len(texts):
        yield at, len(texts)


def split(texts: Sequence[str]) -> Words:
    """The words of `texts`. Any string will do, lone surrogates too.

    >>> words = split(["The cat sat. It slept.", "", "the CAT"])
    >>> words.first.tolist(), words.opens.nonzero()[0].tolist()
    ([0, 5, 5, 7], [0, 3, 5])
    >>> (words.hash[5:] == words.hash[:2]).all()
    np.True_
    """
    normal = [normalise(text) for text in texts]
    parts = [_split_chunk(normal[low:high]) for low, high in chunks(normal)]
    return parts[0] if len(parts) == 1 else _join(parts)


def split_chunks(texts: Sequence[str], stems: bool = False) -> Iterator[tuple[list[str], Words]]:
    """`split`, one chunk at a time, with the normalised texts: each is worked up before the next is read."""
    normal = [normalise(text) for text in texts]
    for low, high in chunks(normal):
        yield normal[low:high], _split_chunk(normal[low:high], stems)


def _join(parts: Sequence[Words]) -> Words:
    """Several chunks as one."""
    if not parts:
        none = np.zeros(0, np.int64)
        nothing = np.zeros(0, bool)
        empty = np.zeros(0, np.uint64)
        return Words("", none, empty, none, none, np.zeros(1, np.int64), empty, nothing, nothing, nothing)
    shift = np.concatenate(([0], np.cumsum([len(part.text) + 2 for part in parts])))
    count = np.concatenate(([0], np.cumsum([part.hash.size for part in parts])))
    return Words(
        "\n\n".join(part.text for part in parts),
        np.concatenate([part.offset + shift[i] for i, part in enumerate(parts)]),
        np.concatenate([part.hash for part in parts]),
        np.concatenate([part.start + shift[i] for i, part in enumerate(parts)]),
        np.concatenate([part.end + shift[i] for i, part in enumerate(parts)]),
        np.concatenate([*(part.first[:-1] + count[i] for i, part in enumerate(parts)), count[-1:]]),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("stem", "opens", "capital", "digit")),
    )


def sentence_starts(words: Words) -> Positions:
    """The first word of each sentence unit: a sentence, or an equal piece of one that has over `UNIT_WORDS` words."""
    opens = np.flatnonzero(words.opens)
    if not opens.size:
        return opens
    length = np.diff(opens, append=words.hash.size)
    pieces = -(-length // UNIT_WORDS)
    number = np.arange(int(pieces.sum())) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts: Positions = np.repeat(opens, pieces) + number * np.repeat(length, pieces) // np.repeat(pieces, pieces)
    return starts


def sentence_hashes(words: Words, starts: Positions) -> Hashes:
    """The hash of each sentence unit's words in their order."""
    if not starts.size:
        return np.zeros(0, np.uint64)
    place = np.arange(words.hash.size) - np.repeat(starts, np.diff(starts, append=words.hash.size))
    return mix(np.add.reduceat(words.hash * _powers()[0][place], starts))
