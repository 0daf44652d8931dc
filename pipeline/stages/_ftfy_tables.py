"""What ftfy does with each character, and which pairs of characters its mojibake pattern asks for, as arrays.

Read from ftfy's own tables and from its pattern, so that a later ftfy is followed, not copied.
Used by the encoding stage alone.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# What a character can mean to ftfy.
MAPPED, LINEWISE, NORMAL_FORM, FIRST, SECOND, SINGLE, QUOTE = 1, 2, 4, 8, 16, 32, 64

# Characters above U+02FF that neither compose, decompose nor reorder in normal form C, now or in any later Unicode
# (its stability policy). Others are left to `unicodedata.is_normalized`. Below U+0300 nothing does.
_NORMAL_FORM_SAFE = (
    *((0x0388, 0x0482), (0x048A, 0x052F), (0x05D0, 0x05EA), (0x0620, 0x064A), (0x0671, 0x06D3), (0x0904, 0x0928)),
    *((0x0E01, 0x0E30), (0x0E40, 0x0E46), (0x10D0, 0x10FF), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x202A, 0x205E)),
    *((0x20A0, 0x20BF), (0x212C, 0x2328), (0x232B, 0x2ADB), (0x3000, 0x3029), (0x3030, 0x303F), (0x3041, 0x3096)),
    *((0x309B, 0x30FF), (0x3105, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF01, 0xFFEE)),
    (0xFFFD, 0xFFFD),
)
NEWLINES = frozenset("\r\x85\u2028\u2029")
QUOTES = frozenset({0x2BC, *range(0x2018, 0x2020)})
EVERYTHING = 0.5  # share of the characters above which a class ("no letter follows") narrows nothing
_BMP = 0x10000
ASTRAL = 0xFFFF  # stands for every character beyond the BMP in the tables; itself no character

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tables:
    """What ftfy does with each character of the BMP: shapes (65536,)."""

    flags: Flags  # what the character can mean
    mapped: Codes  # what it becomes, where it is MAPPED
    first: npt.NDArray[np.uint64]  # bit k: can begin the pair that branch k of BADNESS_RE asks for
    second: npt.NDArray[np.uint64]  # bit k: can end it
    translate: dict[int, str]  # what ftfy's character fixers do, in one table for `str.translate`
    quotes_settle: bool  # a straight quote makes no pair that the curly one did not make: no second look is needed


@functools.cache
def tables_of_ftfy() -> Tables:
    """Build, once a process, what ftfy does with each character, from ftfy's own tables and pattern."""
    from ftfy.chardata import CONTROL_CHARS, LIGATURES, WIDTH_MAP
    from ftfy.fixes import fix_character_width, fix_latin_ligatures, uncurl_quotes

    flags = np.zeros(_BMP, dtype=np.uint8)
    flags[0x300:] = NORMAL_FORM
    for low, high in _NORMAL_FORM_SAFE:
        flags[low : high + 1] = 0
    flags[0xD800:0xE000] = LINEWISE
    mapped = np.zeros(_BMP, dtype=np.uint32)
    translate = {ord(newline): "\n" for newline in NEWLINES}
    for code in {*LIGATURES, *WIDTH_MAP, *QUOTES}:
        becomes = uncurl_quotes(fix_character_width(fix_latin_ligatures(chr(code))))
        translate[code] = becomes
        if len(becomes) == 1 and becomes != chr(code):
            flags[code] |= QUOTE if code in QUOTES else MAPPED
            mapped[code] = ord(becomes)
        elif becomes != chr(code):
            flags[code] |= LINEWISE
    for code in {*CONTROL_CHARS, *(ord(newline) for newline in NEWLINES), *range(0x80, 0xA0)}:
        flags[code] |= LINEWISE
    first, second = np.zeros(_BMP, dtype=np.uint64), np.zeros(_BMP, dtype=np.uint64)
    for bit, (one, other) in enumerate(_badness_pairs()):
        first[one] |= np.uint64(1 << bit)
        second[other] |= np.uint64(1 << bit)
        if other.mean() > EVERYTHING:
            flags[one] |= SINGLE
        else:
            flags[one] |= FIRST
            flags[other] |= SECOND
    quotes_settle = all(
        mapped[code] in (0x22, 0x27) and not pairs[mapped[code]] & ~pairs[code]
        for code in QUOTES
        for pairs in (first, second)
    )
    return Tables(flags, mapped, first, second, translate, quotes_settle)


def _badness_pairs() -> list[tuple[Mask, Mask]]:
    """Read from BADNESS_RE, for each branch, the two rarest classes of characters that must stand side by side.

    Each class is a mask over the BMP, shape (65536,). A pattern that cannot be read so (a later ftfy)
    gives one pair, any non-ASCII character and anything: slow, and right.
    """
    from re import _parser  # type: ignore[attr-defined]  # as `sre_parse` before Python 3.11; checked by the tests

    from ftfy.badness import BADNESS_RE

    everything = np.ones(_BMP, dtype=np.bool_)
    unread = [(np.arange(_BMP) >= 0x80, everything)]
    tree = _parser.parse(BADNESS_RE.pattern, BADNESS_RE.flags & (re.VERBOSE | re.IGNORECASE))
    if len(tree) != 1 or str(tree[0][0]) != "BRANCH" or BADNESS_RE.flags & re.IGNORECASE:
        return unread
    pairs = []
    for branch in tree[0][1][1]:
        classes = [_members(operator, argument) for operator, argument in branch]
        if len(classes) == 1 and classes[0] is not None and not classes[0][:0x80].any() | classes[0][0xA0:].any():
            continue  # the C1 controls, which are LINEWISE
        beside = [(one, other) for one, other in itertools.pairwise(classes) if one is not None and other is not None]
        if not beside:
            return unread
        pairs.append(min(beside, key=lambda pair: _everyday(pair[0]) * _everyday(pair[1])))
    return pairs if len(pairs) <= 64 else unread


def _everyday(members: Mask) -> float:
    """Guess how often characters of a class occur: ASCII counts fifty-fold."""
    return float(members.sum() + 50 * members[:0x80].sum())


def _members(operator: Any, argument: Any) -> Mask | None:
    """Give the characters that one item of a parsed pattern matches; None where it is not exactly one character."""
    members = np.zeros(_BMP, dtype=np.bool_)
    match str(operator):
        case "LITERAL":
            members[min(argument, ASTRAL)] = True
        case "ANY":
            members[:] = True
        case "IN":
            negate = False
            for kind, value in argument:
                match str(kind):
                    case "NEGATE":
                        negate = True
                    case "LITERAL":
                        members[min(value, ASTRAL)] = True
                    case "RANGE":
                        members[min(value[0], ASTRAL) : min(value[1], ASTRAL) + 1] = True
                    case _:  # \w, \s: taken for every character, which finds more than there is, not less
                        return np.ones(_BMP, dtype=np.bool_)
            members ^= negate
        case _:
            return None
    return members
