"""Take out what is printed again: headlines, paragraphs, sentences, and teasers that repeat the lead.

The first of its kind stays. Verse, lists, tables, code and quoted lines repeat on purpose and are left alone.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from pipeline.config import Repeats
from pipeline.document import Change, Document
from pipeline.stages.lines import WORD, Line, split_lines, trails_off
from pipeline.stages.repeats_headline import find_headline, is_headline_again, title_forms

STAGE = "repeats"
MIN_PARAGRAPH_WORDS = 10  # a shorter line may be said twice: an answer, a formula of minutes, a label
MIN_SENTENCE_WORDS = 12  # inside paragraphs; formulas such as "the motion was carried unanimously" are shorter
MIN_PULLED_WORDS = 8  # a line that is one sentence of another paragraph: a pull quote, a deck, a bullet
MIN_TEASER_WORDS = 6  # a line that breaks off in dots and begins another paragraph
MOST_VERSE_WORDS = 14  # a line of verse is shorter
MIN_VERSE_LINES = 3  # such lines in one block make it verse, a list or an address
MOST_BULLETS = 12
MIN_RUN = 3  # words in a row that count as "word for word"
BULLETS_COVERED, BULLET_COVERED = 0.85, 0.6  # share of the words of all bullets, of each, that the lead holds

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]?\s+|(?<=[。！？])")
_BULLET = re.compile(r"[•‣◦▪·*+–-]\s")


def strip_repeats(document: Document, settings: Repeats) -> Document:
    """`document` with its headline in `title` and nothing said twice.

    A document without a title gets the headline that its text opens with (rule `headline`).

    >>> page = ("Ferry fares will rise in spring\\n\\nFerry Fares Will Rise in Spring | The Pier Post\\n\\n"
    ...         "The port of Lindholm raises its ferry fares in April, the board said on Friday after a long debate.\\n\\n"
    ...         "Passengers will pay two crowns more for a crossing, and children travel free as before.")
    >>> done = strip_repeats(Document("a.txt", page), Repeats())
    >>> done.title, done.text.split(" raises")[0]
    ('Ferry fares will rise in spring', 'The port of Lindholm')
    >>> song = Document("b.txt", "Row on, row on\\nthe tide is low\\n\\nRow on, row on\\nthe tide is low\\n")
    >>> strip_repeats(song, Repeats()) is song
    True
    """
    while True:
        done = _once(document)
        if done is document:
            return document
        document = done


def _once(document: Document) -> Document:
    """One look at the whole text; the same object when nothing is said twice."""
    lines = split_lines(document.text)
    gone: dict[int, str] = {}
    title = document.title
    if title is None and (found := find_headline(lines)) is not None:
        title, place = found
        gone[place] = "headline"
    if title:
        forms = title_forms(title)
        for index, line in enumerate(lines):
            if index not in gone and is_headline_again(lines, index, forms):
                gone[index] = "headline-again"
    if len(gone) == len(lines):
        return document  # a headline alone is a text
    cuts = _repeats(document.text, lines, gone)
    changed = document.edited(STAGE, [*line_changes(document.text, lines, gone), *cuts])
    return changed.with_fields(title=title) if title != document.title else changed


def _repeats(text: str, lines: list[Line], gone: dict[int, str]) -> list[Change]:
    """Fills `gone` with repeated paragraphs and teasers; gives the changes inside paragraphs that stay."""
    verse = verse_lines(lines)
    live = [
        index for index, line in enumerate(lines) if index not in gone and index not in verse and not _left_alone(line)
    ]
    seen: dict[str, int] = {}
    for index in live:
        line = lines[index]
        if line.size >= MIN_PARAGRAPH_WORDS:
            key = _key(line.shown)
            if key in seen:
                gone[index] = "repeated-paragraph"
            seen.setdefault(key, index)
    live = [index for index in live if index not in gone]
    cuts = _sentences(text, lines, live, gone)
    _teasers(lines, live, gone)
    _bullets(lines, gone)
    return [cut for cut in cuts if not any(lines[at].start <= cut.start < lines[at].end for at in gone)] if cuts else []


def _left_alone(line: Line) -> bool:
    """Whether a line repeats on purpose: code, tables, quoted replies, headings."""
    return line.guarded or line.indented or line.shown[0] in "#>|" or "\t" in line.shown or line.shown.count("|") > 1


def verse_lines(lines: list[Line]) -> set[int]:
    """Indexes of lines in blocks of short lines: verse, lists, addresses. Bullets are not verse."""
    verse: set[int] = set()
    start = 0
    for index in range(1, len(lines) + 1):
        if index < len(lines) and lines[index].number == lines[index - 1].number + 1:
            continue
        block = range(start, index)
        if len(block) >= MIN_VERSE_LINES and all(
            lines[at].size <= MOST_VERSE_WORDS and not _BULLET.match(lines[at].shown) for at in block
        ):
            verse.update(block)
        start = index
    return verse


def _key(shown: str) -> str:
    """What of a sentence or paragraph is compared: its words, without case, marks and bullets."""
    return " ".join(WORD.findall(shown.replace("’", "'").casefold()))


def _split(line: Line, text: str) -> list[tuple[int, int]]:
    """Offsets of the sentences of a line in the text; each takes the blanks after it along."""
    start = text.index(line.shown, line.start)
    end = start + len(line.shown)
    spans, at = [], start
    for match in _SENTENCE_END.finditer(text, start, end):
        spans.append((at, match.end()))
        at = match.end()
    if at < end:
        spans.append((at, end))
    return spans


def _sentences(text: str, lines: list[Line], live: list[int], gone: dict[int, str]) -> list[Change]:
    """Repeated sentences: whole lines go to `gone`, sentences inside paragraphs are given as changes."""
    where: dict[str, list[tuple[int, int, int, bool]]] = {}
    for index in live:
        if lines[index].size < MIN_PULLED_WORDS:
            continue
        spans = _split(lines[index], text)
        for start, end in spans:
            if text.count(" ", start, end) + 1 >= MIN_PULLED_WORDS:
                key = text[start:end].strip().casefold()
                where.setdefault(_key(key) if len(spans) == 1 else key, []).append((index, start, end, len(spans) == 1))
    return _second_ones(text, lines, where, gone)


def _second_ones(
    text: str, lines: list[Line], where: dict[str, list[tuple[int, int, int, bool]]], gone: dict[int, str]
) -> list[Change]:
    """Of each sentence that stands in several places: which lines go, and which cuts are made."""
    same: dict[str, list[tuple[int, int, int, bool]]] = {}
    for key, places in where.items():
        same.setdefault(_key(key), []).extend(places)
    cuts = []
    for key, places in same.items():
        if len(places) < 2:
            continue
        places.sort()
        inside = [place for place in places if not place[3]]
        if inside and len(inside) < len(places):
            for index, _, _, whole in places:
                if whole:
                    gone.setdefault(index, "repeated-sentence")
        if key.count(" ") + 1 < MIN_SENTENCE_WORDS:
            continue
        for index, start, end, _ in inside[1:]:
            line_end = text.index(lines[index].shown, lines[index].start) + len(lines[index].shown)
            if end == line_end:  # the last sentence takes the blanks before it, not after
                while start > lines[index].start and text[start - 1] in " \t":
                    start -= 1
            cuts.append(Change(start, end, "", "repeated-sentence"))
    return _apart(cuts)


def _apart(cuts: list[Change]) -> list[Change]:
    """The cuts in order, each without what the one before it already takes."""
    result: list[Change] = []
    for cut in sorted(cuts, key=lambda cut: cut.start):
        start = max(cut.start, result[-1].end) if result else cut.start
        if start < cut.end:
            result.append(Change(start, cut.end, "", cut.rule))
    return result


def _teasers(lines: list[Line], live: list[int], gone: dict[int, str]) -> None:
    """A line that breaks off in dots goes where another line holds its words in a row ("The mayor is expected to…")."""
    for index in live:
        line = lines[index]
        if index in gone or not trails_off(line.shown) or len(line.words) < MIN_TEASER_WORDS:
            continue
        part = " ".join(line.words)
        if any(part in " ".join(lines[at].words) for at in live if at != index and lines[at].size > line.size):
            gone[index] = "teaser-again"


def _bullets(lines: list[Line], gone: dict[int, str]) -> None:
    """Bullets above the first two paragraphs that say the same word for word go."""
    prose = [i for i, line in enumerate(lines) if line.is_prose and not _BULLET.match(line.shown) and i not in gone][:2]
    if not prose:
        return
    bullets = [i for i in range(prose[0]) if _BULLET.match(lines[i].shown) and i not in gone]
    if not 0 < len(bullets) <= MOST_BULLETS:
        return
    lead = [word for index in prose for word in lines[index].words][:400]
    held = {}
    for index in bullets:
        words = list(lines[index].words)[:100]
        blocks = SequenceMatcher(None, words, lead, autojunk=False).get_matching_blocks()
        held[index] = (sum(block.size for block in blocks if block.size >= MIN_RUN), len(words))
    total = sum(count for _, count in held.values())
    if total < MIN_TEASER_WORDS or sum(hit for hit, _ in held.values()) < BULLETS_COVERED * total:
        return
    if all(hit >= BULLET_COVERED * count for hit, count in held.values()):
        gone.update(dict.fromkeys(bullets, "bullet-again"))


def line_changes(text: str, lines: list[Line], gone: dict[int, str]) -> list[Change]:
    """One change a removed line, with its newline; blank lines left double by it go too."""
    changes = []
    for index in sorted(gone):
        line = lines[index]
        before = lines[index - 1] if index else None
        start, end = line.start, line.end
        if index + 1 == len(lines):
            end = len(text)
            if index - 1 not in gone:
                start = before.end if before else 0
                if before and not text.endswith("\n") and text[start - 1] == "\n":
                    start -= 1
        elif before is None or index - 1 in gone or line.number > before.number + 1:
            end = lines[index + 1].start
            start = 0 if before is None else start
        changes.append(Change(start, end, "", gone[index]))
    return changes
