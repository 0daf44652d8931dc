"""Where in a text a rule for garbled sentences has to look, found for all rules together.

Nearly every text is clean nearly everywhere, so most of the cost would be searches that find nothing. Each rule
begins at two characters side by side that are rare in good text: a space before a comma, a full stop before a capital.
One table says for every such pair which rules must look there; the text goes through it once, as an array, and the
rule's own pattern decides at the places that are left. What a pattern finds is the same as if it had searched the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import NDArray

# Classes of characters: a to z are 0 to 25.
CAPITAL, SPACE, TAB, NEWLINE, STOP, COMMA, ASKED, CLOSER, BRACKET, SEMICOLON, APOSTROPHE, MARK, CYRILLIC, OTHER = range(
    26, 40
)
CLASS_BITS = 6
CLASSES = 1 << CLASS_BITS
CODES = 0x2600  # code points below this have a class of their own, the rest are OTHER
_MEMBERS: dict[int, Iterable[str]] = {
    CAPITAL: ascii_uppercase,
    SPACE: " ",
    TAB: "\t",
    NEWLINE: "\n",
    STOP: ".",
    COMMA: ",",
    ASKED: "!?",
    CLOSER: ')”"',
    BRACKET: "(",
    SEMICOLON: ";",
    APOSTROPHE: "'’",
    MARK: "~^|¦¬■`´",
    CYRILLIC: map(chr, range(0x400, 0x500)),
}
_LOWER = range(26)

# Pairs of characters, a bit each; a place is where the first of the two stands.
SPACED_MARK = 1 << 0  # " ,"
TWO_STOPS = 1 << 1  # ".."
COMMA_MARK = 1 << 2  # ",," and ",."
SMALL_LINE = 1 << 3  # a newline and a small letter
POSSESSIVE = 1 << 4  # "'s"
OPEN_BRACKET = 1 << 5  # a bracket and a blank, comma or semicolon
NOISE = 1 << 6  # a mark that running text has no use for, and anything
KEYS = 1 << 7  # neighbours on the keyboard that no English word has, or few
GLUED_STOP = 1 << 8  # ".A"
GLUED_COMMA = 1 << 9  # ",a"
SPACE_CAPITAL = 1 << 10  # " A"
SPACE_SMALL = 1 << 11  # " a"
STOP_SPACE = 1 << 12  # a stop, a bracket or quote closed, or a space; and a space
CYRILLIC_PAIR = 1 << 13
RARE = SPACED_MARK | TWO_STOPS | COMMA_MARK | SMALL_LINE | OPEN_BRACKET | NOISE | KEYS | GLUED_STOP | GLUED_COMMA
KEY_PAIRS = ("df", "hj", "kj", "fd", "zx", "qw")  # each of the Latin runs in `garbled_marks.KEY_RUNS` holds one

WORD_LETTERS = 5  # of a word are looked up at once
_HASH_BITS = 18  # 800 beginnings of words, those shorter than five letters with all that may follow: 2 % are taken
_HASH = np.uint32(0x9E3779B1)  # Knuth's multiplicative hash

Bytes = NDArray[np.uint8]
Pairs = NDArray[np.uint16]
Places = NDArray[np.intp]


def _classes() -> Bytes:
    """The class of each code point."""
    table = np.full(CODES, OTHER, dtype=np.uint8)
    for number, letter in enumerate(ascii_lowercase):
        table[ord(letter)] = number
    for kind, members in _MEMBERS.items():
        for character in members:
            table[ord(character)] = kind
    return table


def _pairs() -> Pairs:
    """The bits of each pair of classes, at `first * CLASSES + second`."""
    table = np.zeros((CLASSES, CLASSES), dtype=np.uint16)

    def mark(bit: int, first: Iterable[int], second: Iterable[int]) -> None:
        table[np.ix_(list(first), list(second))] |= bit

    mark(SPACED_MARK, (SPACE, TAB), (STOP, COMMA))
    mark(TWO_STOPS, (STOP,), (STOP,))
    mark(COMMA_MARK, (COMMA,), (STOP, COMMA))
    mark(SMALL_LINE, (NEWLINE,), _LOWER)
    mark(POSSESSIVE, (APOSTROPHE,), (ord("s") - ord("a"),))
    mark(OPEN_BRACKET, (BRACKET,), (SPACE, COMMA, SEMICOLON))
    mark(NOISE, (MARK,), range(CLASSES))
    for keys in KEY_PAIRS:
        mark(KEYS, (ord(keys[0]) - ord("a"),), (ord(keys[1]) - ord("a"),))
    mark(GLUED_STOP, (STOP,), (CAPITAL,))
    mark(GLUED_COMMA, (COMMA,), _LOWER)
    mark(SPACE_CAPITAL, (SPACE,), (CAPITAL,))
    mark(SPACE_SMALL, (SPACE,), _LOWER)
    mark(CYRILLIC_PAIR, (CYRILLIC,), (CYRILLIC,))
    mark(STOP_SPACE, (STOP, ASKED, CLOSER, SPACE), (SPACE,))
    return table.ravel()


CLASS_OF, PAIRS = _classes(), _pairs()
_ASCII_CLASSES = CLASS_OF[:256].tobytes()
CONSONANT = np.array([chr(97 + kind) in "bcdfghjklmnpqrstvwxz" for kind in range(CLASSES)])
CONSONANTS = (CONSONANT[:, None] & CONSONANT).ravel()  # pairs of them


def _hashed(head: Pairs, middle: Pairs, last: Bytes) -> NDArray[np.uint32]:
    """One number of `_HASH_BITS` bits for two pairs of classes and a class."""
    key = head.astype(np.uint32)
    key <<= 2 * CLASS_BITS
    key |= middle
    key <<= CLASS_BITS
    key |= last
    key *= _HASH
    key >>= 32 - _HASH_BITS
    return key


class WordTable:
    """Says which places in a text are followed by a word, or two, of a list, or by what begins alike.

    A piece that ends in a letter or stop is a whole word; one that ends in a space goes on.
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self.heads = np.zeros(CLASSES * CLASSES, dtype=np.bool_)
        self.table = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
        after_word = np.arange(CAPITAL + 1, OTHER + 1, dtype=np.uint16)  # what may follow a whole word
        anything = np.arange(OTHER + 1, dtype=np.uint16)
        for piece in pieces:
            known = [np.array([CLASS_OF[ord(character)]], dtype=np.uint16) for character in piece[:WORD_LETTERS]]
            wild = [anything if piece[-1] == " " else after_word, *[anything] * WORD_LETTERS]
            axes = [*known, *wild[: WORD_LETTERS - len(known)]]
            one, two, three, four, five = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
            head = one << CLASS_BITS | two
            self.heads[head] = True
            self.table[_hashed(head, three << CLASS_BITS | four, five.astype(np.uint8))] = True

    def after_spaces(self, text: SuspiciousPlaces) -> Places:
        """Where the spaces stand behind which such a word may begin."""
        places = text.spaces[self.heads.take(text.heads)]
        keys = _hashed(text.pairs[1:].take(places), text.pairs[3:].take(places), text.classes[5:].take(places))
        return places[self.table.take(keys)]


class SuspiciousPlaces:
    """A text as classes of characters (`OTHER` behind its end), and the pairs in it that some rule must look at."""

    def __init__(self, text: str) -> None:
        if text.isascii():
            classes = np.frombuffer(text.encode("ascii").translate(_ASCII_CLASSES), dtype=np.uint8)
        else:
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            classes = CLASS_OF.take(np.minimum(codes, CODES - 1))
        self.classes = np.full(len(text) + WORD_LETTERS + 1, OTHER, dtype=np.uint8)
        self.classes[: len(text)] = classes
        self.pairs: Pairs = self.classes[:-1].astype(np.uint16)
        self.pairs <<= CLASS_BITS
        self.pairs |= self.classes[1:]
        self.bits = PAIRS.take(self.pairs[: len(text)])
        self.seen = int(np.bitwise_or.reduce(self.bits)) if len(text) else 0

    @cached_property
    def rare(self) -> tuple[Places, Pairs]:
        """Where the pairs of the rare kinds stand, and their bits."""
        places = (self.bits & RARE).nonzero()[0]
        return places, self.bits.take(places)

    def of(self, kind: int) -> list[int]:
        """Where the pairs of this rare kind stand, in order."""
        if not self.seen & kind:
            return []
        rare, bits = self.rare
        places: list[int] = rare[(bits & kind) != 0].tolist()
        return places

    @cached_property
    def spaces(self) -> Places:
        """Where the spaces stand."""
        places: Places = (self.classes == SPACE).nonzero()[0]
        return places

    @cached_property
    def heads(self) -> Pairs:
        """The two characters behind each space, as a pair of classes."""
        return self.pairs[1:].take(self.spaces)

    def small_after_stop(self) -> list[int]:
        """Spaces before a small letter that follow a stop, perhaps with a closing mark or more spaces between."""
        if not (self.seen & SPACE_SMALL and self.seen & STOP_SPACE):
            return []
        stopped = self.bits[:-1] & STOP_SPACE
        stopped &= self.bits[1:] << 1  # SPACE_SMALL is the bit below STOP_SPACE
        places: list[int] = (stopped.nonzero()[0] + 1).tolist()
        return places

    def capital_after_possessive(self) -> list[int]:
        """Apostrophes of "'s A"."""
        if not self.seen & POSSESSIVE:
            return []
        cut = self.bits[2:] >> 6  # SPACE_CAPITAL to POSSESSIVE
        cut &= self.bits[:-2]
        places: list[int] = (cut & POSSESSIVE).nonzero()[0].tolist()
        return places

    def not_after_end(self, places: Places) -> Places:
        """Those of the spaces at `places` that a small word follows, or a capital within a sentence."""
        before = self.classes.take(places - 1)
        within = (before < CAPITAL) | (before == COMMA) | (before >= CYRILLIC)  # and OTHER: may be a small letter
        kept: Places = places[within | (self.classes.take(places + 1) != CAPITAL)]
        return kept

    def before_letters(self, least: int) -> list[int]:
        """Spaces that `least` or more characters follow before the next."""
        spaces = self.spaces
        if not len(spaces):
            return []
        places: list[int] = spaces[:-1][spaces[1:] - spaces[:-1] > least].tolist()
        return [*places, int(spaces[-1])]

    def before_consonants(self, least: int) -> list[int]:
        """Spaces that `least` or more consonants follow, small and without y; `least` is 3 or more."""
        places = self.spaces[CONSONANTS.take(self.heads)]
        for offset in range(3, least + 1):  # at each step few are left
            places = places[CONSONANT.take(self.classes.take(places + offset, mode="clip"))]
        found: list[int] = places.tolist()
        return found
