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
   are taken from the pattern itself (`_ftfy_tables`), so a later ftfy is followed, not copied; where no such pair
   stands there is no match, and where one stands the pattern decides;
4. the segment is not in normal form C.

Where only characters of kind 2 that become one other character stand (curly quotes, fullwidth letters), the mapped
text is checked again: if ftfy would leave that alone, it is what ftfy gives.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

import numpy as np

from pipeline.document import Change, Document
from pipeline.stages._ftfy_tables import (
    ASTRAL,
    FIRST,
    LINEWISE,
    MAPPED,
    NEWLINES,
    NORMAL_FORM,
    QUOTE,
    QUOTES,
    SINGLE,
    Codes,
    Flags,
    Tables,
    tables_of_ftfy,
)

SEGMENT = 1_000_000  # characters: ftfy cuts a longer line here (its `max_decode_length`)
FEW_CHANGES = 16  # so many are recorded one by one; beyond, neighbours are joined: an `Edit` costs more than a fix
JOIN_WITHIN = 80  # characters between two changes that are recorded as one
JOINED_AT_MOST = 1_000  # characters of text in a joined change, so that a person still sees what it is about

_ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\f"})
SHORT = 200  # characters: so short a text is cheaper looked at line by line than as an array
SHORT_LINE = 64  # characters: so short a line is cheaper matched with ftfy's pattern than as an array

Span = tuple[int, int, str, str]  # start, end, what stands there now, the rule ("": to be found out)


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
    text = document.text
    spans = _joined(text, list(_spans(text)))
    changes = [Change(start, end, after, rule or _rule(text[start:end], after)) for start, end, after, rule in spans]
    return document.edited("encoding", changes)


def fix_text(text: str) -> str:
    r"""Give what `ftfy.fix_text(text)` gives.

    >>> fix_text("“So,” heâ€™d say")
    '"So," he\'d say'
    """
    pieces: list[str] = []
    position = 0
    for start, end, after, _ in sorted(_spans(text)):
        pieces += (text[position:start], after)
        position = end
    return "".join(pieces) + text[position:]


def _spans(text: str) -> Iterator[Span]:
    """Say what ftfy changes in `text`; the spans do not overlap and come in no certain order."""
    if text.isascii() and "&" not in text and len(text.encode().translate(None, _ASCII_CONTROLS)) == len(text):
        return
    entities_end = _entities_end(text)
    position = 0
    while position < len(text):  # blocks end where ftfy's segments end, so that what holds of a line holds in its block
        end = min(len(text), position + SEGMENT)
        if end < len(text):
            end = text.rfind("\n", position, end) + 1 or end
        if end - position <= SHORT:
            for line, line_end in _lines_at(text[position:end], list(range(end - position))):
                start = position + line
                yield from _line_spans(text[start : position + line_end], start, start < entities_end)
        else:
            yield from _block_spans(text, position, end, entities_end)
        position = end


def _entities_end(text: str) -> int:
    """Find where ftfy stops to unescape entities: at the start of the first segment that holds a `<`."""
    bracket = text.find("<")
    if bracket < 0:
        return len(text)
    start = text.rfind("\n", 0, bracket) + 1
    return start + (bracket - start) // SEGMENT * SEGMENT


def _block_spans(text: str, start: int, end: int, entities_end: int) -> Iterator[Span]:
    """Say what ftfy changes in `text[start:end]`, which are whole segments of at most a million characters."""
    block = text if end - start == len(text) else text[start:end]
    unescaped = max(0, min(entities_end, end) - start)  # entities are mended before this place in the block
    tables = tables_of_ftfy()
    codes = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    flags = tables.flags.take(codes, mode="clip")
    handled: set[int] = set()
    for line, line_end in _lines_at(block, _suspects(block, codes, flags, unescaped, tables)):
        handled.add(line)
        flags[line:line_end] = 0
        yield from _line_spans(block[line:line_end], start + line, line < unescaped)
    seen = int(np.bitwise_or.reduce(flags))
    if seen & MAPPED or (seen & QUOTE and not tables.quotes_settle):
        places = (flags & (MAPPED | QUOTE)).nonzero()[0]
        mapped = codes.copy()
        mapped[places] = tables.mapped[codes[places]]
        after = mapped.tobytes().decode("utf-32-le", "surrogatepass")
        again = tables.flags.take(mapped, mode="clip")
        for line, line_end in _lines_at(block, _suspects(after, mapped, again, unescaped, tables)):
            if line not in handled:  # ftfy's second pass would change it: it is left to the line's own loop
                handled.add(line)
                flags[line:line_end] = 0
                yield from _line_spans(block[line:line_end], start + line, line < unescaped)
    elif seen & QUOTE:
        after = _straight(block)
    else:
        return
    places = (flags & (MAPPED | QUOTE)).nonzero()[0]
    yield from _mapped_spans(block, after, places.tolist(), sorted(handled), start)


def _straight(block: str) -> str:
    """Make quotes straight; a handful of searches is quicker than `str.translate`."""
    for quote, straight in _STRAIGHT.items():
        if quote in block:
            block = block.replace(quote, straight)
    return block


def _lines_at(block: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """Give start and end of the lines of `block` that hold one of `places`, each once."""
    done = 0
    for at in sorted(places):
        if at >= done:
            line, done = block.rfind("\n", 0, at) + 1, block.find("\n", at) + 1 or len(block)
            yield line, done


def _suspects(block: str, codes: Codes, flags: Flags, unescaped: int, tables: Tables) -> list[int]:
    """Find the places in `block` that ftfy may change otherwise than by mapping single characters."""
    seen = int(np.bitwise_or.reduce(flags))
    places: list[int] = []
    if "&" in block:
        places += [found.start() for found in _ENTITY.finditer(block, 0, unescaped)]
    if seen & NORMAL_FORM and not unicodedata.is_normalized("NFC", block):
        places += np.flatnonzero(flags & NORMAL_FORM).tolist()
    if seen & LINEWISE:
        places += np.flatnonzero(flags & LINEWISE).tolist()
    if seen & (SINGLE | FIRST):
        places += _badness_places(codes, flags, tables)
    return places


def _badness_places(codes: Codes, flags: Flags, tables: Tables) -> list[int]:
    """Find the places where two characters stand side by side as some branch of BADNESS_RE asks."""
    near = np.flatnonzero((flags[:-1] & (flags[1:] >> 1) & FIRST) | (flags[:-1] & SINGLE))
    if len(near) == 0:
        return []
    one, other = np.minimum(codes[near], ASTRAL), np.minimum(codes[near + 1], ASTRAL)
    places: list[int] = near[(tables.first[one] & tables.second[other]) != 0].tolist()
    return places


def _line_spans(line: str, start: int, unescape: bool) -> Iterator[Span]:
    """Say what ftfy changes in one segment that stands at `start`."""
    fixed = _fix_line(line, unescape)
    if fixed != line:
        yield from _difference(line, fixed, start)


def _fix_line(line: str, unescape: bool) -> str:
    """Do what `ftfy.fix_and_explain` does to one segment, asking for its mojibake fixes only where mojibake may be."""
    import ftfy
    from ftfy.chardata import CONTROL_CHARS
    from ftfy.fixes import fix_c1_controls, unescape_html

    translate = tables_of_ftfy().translate
    while True:
        fixed = unescape_html(line) if unescape and "&" in line else line
        if not fixed.isascii():
            if _may_be_bad(fixed):
                fixed = fix_c1_controls(ftfy.fix_encoding(fixed))
            fixed = unicodedata.normalize("NFC", _fix_characters(fixed, translate, CONTROL_CHARS))
        elif len(fixed.encode().translate(None, _ASCII_CONTROLS)) < len(fixed):
            fixed = _fix_characters(fixed, translate, CONTROL_CHARS)
        if fixed == line:
            return line
        line = fixed


def _fix_characters(line: str, translate: Mapping[int, str], controls: Mapping[int, None]) -> str:
    """Do ftfy's character fixes in its order: ligatures, widths, quotes and newlines; surrogates, escapes, controls."""
    from ftfy.fixes import fix_surrogates, remove_terminal_escapes

    fixed = line.replace("\r\n", "\n").translate(translate)
    return remove_terminal_escapes(fix_surrogates(fixed)).translate(controls)


def _may_be_bad(line: str) -> bool:
    """Whether BADNESS_RE may match: exact where the pattern itself is cheap, else by the pairs that it needs."""
    from ftfy.badness import is_bad

    if len(line) > SHORT_LINE:
        tables = tables_of_ftfy()
        codes = np.frombuffer(line.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        flags = tables.flags.take(codes, mode="clip")
        if not _C1.search(line) and not _badness_places(codes, flags, tables):
            return False
    return bool(is_bad(line))


def _mapped_spans(block: str, after: str, places: list[int], handled: list[int], start: int) -> Iterator[Span]:
    """Say which characters became one other character; where there are many, neighbours in one span.

    `handled` are the starts of lines that have spans of their own: no span reaches across them.
    """
    gap = 1 if len(places) <= FEW_CHANGES else JOIN_WITHIN
    first, last = places[0] if places else 0, -1
    border = 0  # the first handled line that starts behind `first`
    for place in places:
        if last >= 0:
            while border < len(handled) and handled[border] <= last:
                border += 1
            apart = place - last > gap or place - first >= JOINED_AT_MOST
            if apart or (border < len(handled) and handled[border] <= place):
                yield start + first, start + last + 1, after[first : last + 1], _mapped_rule(block[first])
                first = place
        last = place
    if last >= 0:
        yield start + first, start + last + 1, after[first : last + 1], _mapped_rule(block[first])


def _mapped_rule(character: str) -> str:
    return "quotes" if character in _STRAIGHT else "width"


def _joined(text: str, spans: list[Span]) -> list[Span]:
    """Join neighbouring spans where there are many: an edit costs more than a fix, and says what its neighbour says."""
    if len(spans) <= FEW_CHANGES:
        return spans
    joined: list[Span] = []
    last_start, last_end, pieces, rule = -1, -JOIN_WITHIN - 1, [""], ""
    for start, end, after, kind in sorted(spans):
        if start - last_end <= JOIN_WITHIN and end - last_start <= JOINED_AT_MOST:
            pieces += (text[last_end:start], after)
        else:
            if last_start >= 0:
                joined.append((last_start, last_end, "".join(pieces), rule))
            last_start, pieces, rule = start, [after], kind
        last_end = end
    joined.append((last_start, last_end, "".join(pieces), rule))
    return joined


def _difference(before: str, after: str, start: int) -> Iterator[Span]:
    """Say how `before`, which stands at `start`, became `after`: a word in each span."""
    old_words, new_words = before.split(" "), after.split(" ")
    if len(old_words) != len(new_words):  # a space was made or taken, which is rare: one span from first to last
        shorter = min(len(before), len(after))
        head = next((at for at in range(shorter) if before[at] != after[at]), shorter)
        tail = next((at for at in range(shorter - head) if before[-1 - at] != after[-1 - at]), shorter - head)
        yield start + head, start + len(before) - tail, after[head : len(after) - tail], ""
        return
    for was, became in zip(old_words, new_words, strict=True):
        if was != became:
            yield start, start + len(was), became, ""
        start += len(was) + 1


_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")  # ftfy's HTML_ENTITY_RE, whose import costs more than most documents
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRAIGHT = {chr(code): '"' if code >= 0x201C else "'" for code in QUOTES}
_C1 = re.compile("[\x80-\x9f]")


def _rule(before: str, after: str) -> str:
    r"""Name the kind of fix that made `after` of `before`.

    >>> _rule("caf&eacute;", "café"), _rule("cafÃ©", "café"), _rule("ﬁrst", "first"), _rule("a\r", "a")
    ('entity', 'mojibake', 'ligature', 'newline')
    """
    from ftfy.chardata import CONTROL_CHARS, LIGATURES
    from ftfy.fixes import remove_terminal_escapes, unescape_html

    if "&" in before and unescape_html(before) != before:
        return "entity"
    if _SURROGATE.search(before):
        return "surrogate"
    if remove_terminal_escapes(before).translate(CONTROL_CHARS) == after:
        return "control"
    if before.replace("\r\n", "\n").translate(tables_of_ftfy().translate) == after or before.rstrip("\r") == after:
        kinds = {ord(character) for character in before}
        if kinds & {ord(character) for character in NEWLINES}:
            return "newline"
        if kinds & set(LIGATURES):
            return "ligature"
        return "quotes" if kinds & QUOTES else "width"
    return "nfc" if unicodedata.normalize("NFC", before) == after else "mojibake"
