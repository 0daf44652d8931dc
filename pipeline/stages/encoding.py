"""Mend mojibake, entities, control characters, widths, quotes and normal form: exactly `ftfy.fix_text`, but faster.

ftfy looks at every line with an alternation of 37 branches, twice, and most lines come out as they went in.
This stage proves for most of a text that ftfy would leave it alone, or only map characters one to one, and
calls ftfy for the lines that are left. The result equals `ftfy.fix_text(text)` on every input.

The proof. ftfy changes a segment (a line) only where one of these holds, and each is looked for in an array
of code points, by table:

1. an HTML entity that it knows stands there, and no `<` in this segment or an earlier one;
2. a character that one of its fixers maps or deletes: ligatures, fullwidth and halfwidth forms, curly quotes,
   line breaks, surrogates, control characters;
3. `BADNESS_RE` matches. Each of its branches asks for two certain classes of characters side by side. The classes
   are taken from the pattern itself (`_badness_pairs`), so a later ftfy is followed, not copied; where no such pair
   stands there is no match, and where one stands the pattern decides;
4. the segment is not in normal form C.

Where only characters of kind 2 that become one other character stand (curly quotes, fullwidth letters), the mapped
text is checked again: if ftfy would leave that alone, it is what ftfy gives.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.document import Change, Document

SEGMENT = 1_000_000  # characters: ftfy cuts a longer line here (its `max_decode_length`)
FEW_CHANGES = 16  # so many are recorded one by one; beyond, neighbours are joined: an `Edit` costs more than a fix
JOIN_WITHIN = 80  # characters between two changes that are recorded as one
JOINED_AT_MOST = 1_000  # characters of text in a joined change, so that a person still sees what it is about
DIFF_TOKENS = 400  # a mended stretch of more words is recorded whole: difflib is quadratic

# What a character can mean to ftfy.
MAPPED, LINEWISE, NORMAL_FORM, FIRST, SECOND, SINGLE = 1, 2, 4, 8, 16, 32
_SUSPECT = LINEWISE | NORMAL_FORM

# Characters above U+02FF that neither compose, decompose nor reorder in normal form C, now or in any later Unicode
# (its stability policy). Others are left to `unicodedata.is_normalized`. Below U+0300 nothing does.
_NORMAL_FORM_SAFE = (
    *((0x0388, 0x0482), (0x048A, 0x052F), (0x05D0, 0x05EA), (0x0620, 0x064A), (0x0671, 0x06D3), (0x0904, 0x0928)),
    *((0x0E01, 0x0E30), (0x0E40, 0x0E46), (0x10D0, 0x10FF), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x202A, 0x205E)),
    *((0x20A0, 0x20BF), (0x212C, 0x2328), (0x232B, 0x2ADB), (0x3000, 0x3029), (0x3030, 0x303F), (0x3041, 0x3096)),
    *((0x309B, 0x30FF), (0x3105, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF01, 0xFFEE)),
    (0xFFFD, 0xFFFD),
)
_ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\f"})
_BMP = 0x10000
_ASTRAL = 0xFFFF  # stands for every character beyond the BMP in the tables; itself no character

Codes = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Tables:
    """What ftfy does with each character of the BMP: shapes (65536,)."""

    flags: Flags  # what the character can mean
    mapped: Codes  # what it becomes, where it is MAPPED
    first: npt.NDArray[np.uint64]  # bit k: can begin the pair that branch k of BADNESS_RE asks for
    second: npt.NDArray[np.uint64]  # bit k: can end it
    translate: dict[int, str | None]  # what ftfy's character fixers do, in one table for `str.translate`


def fix_encoding(document: Document) -> Document:
    r"""Mend the text as `ftfy.fix_text` would, and the title and the author with it.

    >>> fix_encoding(Document("a.txt", "The cafÃ© wasnâ€™t open &amp; “the ﬁrst” left.")).text
    'The café wasn\'t open & "the first" left.'
    >>> fix_encoding(Document("a.txt", "a < b &amp; c, naïve café, Übermaß")).text
    'a < b &amp; c, naïve café, Übermaß'
    """
    fields = {
        name: fixed
        for name, value in (("title", document.title), ("author", document.author))
        if value is not None and (fixed := fix_text(value)) != value
    }
    if fields:
        document = document.with_fields(**fields)
    return document.edited("encoding", _joined(document.text, list(_changes(document.text))))


def fix_text(text: str) -> str:
    r"""Give what `ftfy.fix_text(text)` gives.

    >>> fix_text("“So,” heâ€™d say")
    '"So," he\'d say'
    """
    return Document("", text).edited("encoding", _changes(text)).text


def _changes(text: str) -> Iterator[Change]:
    """Say what ftfy changes in `text`, as changes that do not overlap, in order within each block."""
    if text.isascii() and "&" not in text and len(text.encode().translate(None, _ASCII_CONTROLS)) == len(text):
        return
    entities_end = _entities_end(text)
    position = 0
    while position < len(text):  # blocks end where ftfy's segments end, so that what holds of a line holds in its block
        end = min(len(text), position + SEGMENT)
        if end < len(text):
            end = text.rfind("\n", position, end) + 1 or end
        yield from _block_changes(text, position, end, entities_end)
        position = end


def _entities_end(text: str) -> int:
    """Find where ftfy stops to unescape entities: at the start of the first segment that holds a `<`."""
    bracket = text.find("<")
    if bracket < 0:
        return len(text)
    start = text.rfind("\n", 0, bracket) + 1
    return start + (bracket - start) // SEGMENT * SEGMENT


def _block_changes(text: str, start: int, end: int, entities_end: int) -> Iterator[Change]:
    """Say what ftfy changes in `text[start:end]`, which are whole segments of at most a million characters."""
    block = text if end - start == len(text) else text[start:end]
    unescaped = max(0, min(entities_end, end) - start)  # entities are mended before this place in the block
    tables = _tables()
    codes = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    flags = tables.flags.take(codes, mode="clip")
    handled: set[int] = set()
    for line, line_end in _lines_at(block, _suspects(block, codes, flags, unescaped, tables)):
        handled.add(line)
        flags[line:line_end] = 0
        yield from _line_changes(block[line:line_end], start + line, line < unescaped)
    places = np.flatnonzero(flags & MAPPED)
    if len(places) == 0:
        return
    mapped = codes.copy()
    mapped[places] = tables.mapped[codes[places]]
    after = mapped.tobytes().decode("utf-32-le", "surrogatepass")
    again = tables.flags.take(mapped, mode="clip")
    for line, line_end in _lines_at(block, _suspects(after, mapped, again, unescaped, tables)):
        if line not in handled:  # ftfy's second pass would change it: it is left to the line's own loop
            flags[line:line_end] = 0
            yield from _line_changes(block[line:line_end], start + line, line < unescaped)
    yield from _mapped_changes(after, codes, np.flatnonzero(flags & MAPPED), start)


def _lines_at(block: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """Give start and end of the lines of `block` that hold one of `places`, each once."""
    done = 0
    for at in sorted(places):
        if at >= done:
            line, done = block.rfind("\n", 0, at) + 1, block.find("\n", at) + 1 or len(block)
            yield line, done


def _suspects(block: str, codes: Codes, flags: Flags, unescaped: int, tables: _Tables) -> list[int]:
    """Find the places in `block` that ftfy may change otherwise than by mapping single characters."""
    seen = int(np.bitwise_or.reduce(flags))
    places: list[int] = []
    if "&" in block:
        places += [found.start() for found in _ENTITY.finditer(block, 0, unescaped)]
    if seen & NORMAL_FORM and not unicodedata.is_normalized("NFC", block):
        places += np.flatnonzero(flags & NORMAL_FORM).tolist()
    if seen & LINEWISE:
        places += np.flatnonzero(flags & LINEWISE).tolist()
    if seen & (SINGLE | SECOND):
        beside = flags[:-1] & (flags[1:] >> 1) & FIRST
        if seen & SINGLE:
            beside |= flags[:-1] & SINGLE
        near = np.flatnonzero(beside)
        if len(near):
            one, other = np.minimum(codes[near], _ASTRAL), np.minimum(codes[near + 1], _ASTRAL)
            places += near[(tables.first[one] & tables.second[other]) != 0].tolist()
    return places


def _line_changes(line: str, start: int, unescape: bool) -> Iterator[Change]:
    """Say what ftfy changes in one segment that stands at `start`."""
    fixed = _fix_line(line, unescape)
    if fixed != line:
        yield from _difference(line, fixed, start)


def _fix_line(line: str, unescape: bool) -> str:
    """Do what `ftfy.fix_and_explain` does to one segment, calling it only for what looks like mojibake."""
    import ftfy
    from ftfy.badness import is_bad
    from ftfy.chardata import CONTROL_CHARS
    from ftfy.fixes import fix_surrogates, remove_terminal_escapes, unescape_html

    translate = _tables().translate
    while True:
        fixed = unescape_html(line) if unescape and "&" in line else line
        if not fixed.isascii() and is_bad(fixed):
            return str(ftfy.fix_and_explain(line, ftfy.TextFixerConfig(unescape_html=unescape, explain=False)).text)
        # ftfy's order; fix_c1_controls, its first, finds none in a line that is not bad.
        fixed = fixed.replace("\r\n", "\n").translate(translate)
        fixed = remove_terminal_escapes(fix_surrogates(fixed)).translate(CONTROL_CHARS)
        fixed = unicodedata.normalize("NFC", fixed)
        if fixed == line:
            return line
        line = fixed


def _mapped_changes(after: str, codes: Codes, places: npt.NDArray[np.int64], start: int) -> Iterator[Change]:
    """Record characters that became one other character; where there are many, neighbours in one change."""
    if len(places) == 0:
        return
    gap = 1 if len(places) <= FEW_CHANGES else JOIN_WITHIN
    borders = np.concatenate(([True], np.diff(places) > gap))
    # A joined change is cut where it gets too long: count from its first place.
    first = places[borders][np.cumsum(borders) - 1]
    part = (places - first) // JOINED_AT_MOST
    borders[1:] |= np.diff(part) != 0
    begins = np.flatnonzero(borders)
    ends = np.concatenate((begins[1:], [len(places)])) - 1
    quotes = np.isin(codes[places[begins]], _QUOTES)
    for begin, end, quoted in zip(places[begins].tolist(), places[ends].tolist(), quotes.tolist(), strict=True):
        yield Change(start + begin, start + end + 1, after[begin : end + 1], "quotes" if quoted else "width")


def _joined(text: str, changes: list[Change]) -> list[Change]:
    """Join neighbouring changes where there are many: an edit costs more than a fix and says what its neighbour says."""
    if len(changes) <= FEW_CHANGES:
        return changes
    joined: list[Change] = []
    for change in sorted(changes, key=lambda change: change.start):
        last = joined[-1] if joined else None
        if last and change.start - last.end <= JOIN_WITHIN and change.end - last.start <= JOINED_AT_MOST:
            between = text[last.end : change.start]
            joined[-1] = Change(last.start, change.end, last.after + between + change.after, last.rule)
        else:
            joined.append(change)
    return joined


def _difference(before: str, after: str, start: int) -> Iterator[Change]:
    """Record how `before`, which stands at `start`, became `after`: about a word in each change."""
    shorter = min(len(before), len(after))
    head = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    tail = next((at for at in range(shorter - head) if before[-1 - at] != after[-1 - at]), shorter - head)
    head = max(before.rfind(" ", 0, head) + 1, before.rfind("\n", 0, head) + 1) if tail else head
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    old_words, new_words = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(old_words), len(new_words)) > DIFF_TOKENS:
        yield Change(start + head, start + head + len(old), new, _rule(old, new))
        return
    offsets = [0]
    for word in old_words:
        offsets.append(offsets[-1] + len(word))
    matcher = SequenceMatcher(None, old_words, new_words, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            was, became = "".join(old_words[i:j]), "".join(new_words[k:m])
            yield Change(start + head + offsets[i], start + head + offsets[j], became, _rule(was, became))


_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")  # ftfy's HTML_ENTITY_RE, whose import costs more than most documents
_WORDS = re.compile(r"\s|[^\s]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINES = frozenset("\r\x85\u2028\u2029")
_QUOTES = np.array([0x2BC, *range(0x2018, 0x2020)], dtype=np.uint32)


def _rule(before: str, after: str) -> str:
    r"""Name the kind of fix that made `after` of `before`.

    >>> _rule("caf&eacute;", "café"), _rule("cafÃ©", "café"), _rule("ﬁrst", "first"), _rule("a\r", "a")
    ('entity', 'mojibake', 'ligature', 'newline')
    """
    from ftfy.chardata import CONTROL_CHARS, LIGATURES
    from ftfy.fixes import remove_terminal_escapes, unescape_html

    if _ENTITY.search(before) and unescape_html(before) != before:
        return "entity"
    if _SURROGATE.search(before):
        return "surrogate"
    if remove_terminal_escapes(before).translate(CONTROL_CHARS) == after:
        return "control"
    if before.replace("\r\n", "\n").translate(_tables().translate) == after or before.rstrip("\r") == after:
        kinds = {ord(character) for character in before}
        if kinds & {ord(character) for character in _NEWLINES}:
            return "newline"
        if kinds & set(LIGATURES):
            return "ligature"
        return "quotes" if kinds & set(_QUOTES.tolist()) else "width"
    return "nfc" if unicodedata.normalize("NFC", before) == after else "mojibake"


@functools.cache
def _tables() -> _Tables:
    """Build, once a process, what ftfy does with each character, from ftfy's own tables and pattern."""
    from ftfy.chardata import CONTROL_CHARS, LIGATURES, WIDTH_MAP
    from ftfy.fixes import fix_character_width, fix_latin_ligatures, uncurl_quotes

    flags = np.zeros(_BMP, dtype=np.uint8)
    flags[0x300:] = NORMAL_FORM
    for low, high in _NORMAL_FORM_SAFE:
        flags[low : high + 1] = 0
    flags[0xD800:0xE000] = LINEWISE
    mapped = np.zeros(_BMP, dtype=np.uint32)
    translate: dict[int, str | None] = {ord(newline): "\n" for newline in _NEWLINES}
    for code in {*LIGATURES, *WIDTH_MAP, *_QUOTES.tolist()}:
        becomes = uncurl_quotes(fix_character_width(fix_latin_ligatures(chr(code))))
        translate[code] = becomes
        if len(becomes) == 1 and becomes != chr(code):
            flags[code] |= MAPPED
            mapped[code] = ord(becomes)
        elif becomes != chr(code):
            flags[code] |= LINEWISE
    for code in {*CONTROL_CHARS, *(ord(newline) for newline in _NEWLINES), *range(0x80, 0xA0)}:
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
    return _Tables(flags, mapped, first, second, translate)


EVERYTHING = 0.5  # share of the characters above which a class ("no letter follows") narrows nothing


def _badness_pairs() -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
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


def _everyday(members: npt.NDArray[np.bool_]) -> float:
    """Guess how often characters of a class occur: ASCII counts fifty-fold."""
    return float(members.sum() + 50 * members[:0x80].sum())


def _members(operator: Any, argument: Any) -> npt.NDArray[np.bool_] | None:
    """Give the characters that one item of a parsed pattern matches; None where it is not exactly one character."""
    members = np.zeros(_BMP, dtype=np.bool_)
    match str(operator):
        case "LITERAL":
            members[min(argument, _ASTRAL)] = True
        case "ANY":
            members[:] = True
        case "IN":
            negate = False
            for kind, value in argument:
                match str(kind):
                    case "NEGATE":
                        negate = True
                    case "LITERAL":
                        members[min(value, _ASTRAL)] = True
                    case "RANGE":
                        members[min(value[0], _ASTRAL) : min(value[1], _ASTRAL) + 1] = True
                    case _:  # \w, \s: taken for every character, which finds more than there is, not less
                        return np.ones(_BMP, dtype=np.bool_)
            members ^= negate
        case _:
            return None
    return members
