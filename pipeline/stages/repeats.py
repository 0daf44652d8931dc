"""Take out what is printed again: headlines, paragraphs, sentences, and teasers that repeat the lead.

The first of its kind stays. Verse, lists, tables, code and quoted lines repeat on purpose and are left alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

import numpy as np

from pipeline.config import Repeats
from pipeline.document import Change, Document
from pipeline.stages.lines import Line, split_lines, trails_off
from pipeline.stages.repeats_headline import find_headline, headlines_again

STAGE = "repeats"
MIN_ADJACENT_WORDS = 5  # printed twice in a row: a caption and its alternative text
MIN_PULLED_WORDS = 8  # a line that is one sentence of another paragraph: a pull quote, a deck, a bullet
MIN_TEASER_WORDS = 6  # a line that breaks off in dots and begins another paragraph
MOST_VERSE_WORDS = 14  # a line of verse is shorter
MIN_VERSE_LINES = 3  # such lines in one block make it verse, a list or an address
MOST_DECK_LINES = 3  # how far above its paragraph a deck or pull quote stands
MOST_PATTERN = 3  # more repeats than this, each at another place: a plan, a form, one question put to many
MOST_BULLETS = 12
MOST_TEASERS = 20
MOST_TOP = 40  # lines that can stand above the lead
MOST_LEAD_WORDS = 200
MIN_RUN = 3  # words in a row that count as "word for word"
BULLETS_COVERED, BULLET_COVERED = 0.85, 0.6  # share of the words of all bullets, of each, that the lead holds

_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]?\s+|[。！？]")
_BULLET = re.compile(r"[•‣◦▪·*+–-]\s")
_EDGES = " \t\"'“”‘’«».!?…•‣◦▪·*+–-_"
_ALL_EDGES = _EDGES + ")]。！？" + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_CLOSERS = "\"'”’»)]"
_HARD_ENDS = "。！？\n"
_ENDS = np.zeros(0x10000, dtype=np.bool_)  # by code point; all ends lie in the first plane
_ENDS[[ord(mark) for mark in ".!?…" + _HARD_ENDS]] = True
MIN_SIEVED_CHARACTERS = 15  # a sentence of eight words has more; so many characters, the blanks at its ends counted,
FEW_SIEVED = 8  # so few are looked for in a line before it is cut into sentences
MIN_SIEVED_BLANKS = 2  # and so many blanks within: bullets and dashes count as words

Removals = dict[int, str]  # index of a line -> the rule that takes it
Place = tuple[int, int, int, bool]  # index of the line, start, end, and whether the sentence is the whole line


def strip_repeats(document: Document, settings: Repeats) -> Document:
    r"""Give `document` with its headline in `title` and nothing said twice.

    A document without a title gets the headline that its text opens with (rule `headline`).

    >>> page = ("Ferry fares will rise in spring\n\nFerry Fares Will Rise in Spring | The Pier Post\n\n"
    ...         "The port of Lindholm raises its ferry fares in April, the board said on Friday after long debate.\n\n"
    ...         "Passengers will pay two crowns more for a crossing, and children travel free as before.")
    >>> done = strip_repeats(Document("a.txt", page), Repeats())
    >>> done.title, done.text.split(" raises")[0]
    ('Ferry fares will rise in spring', 'The port of Lindholm')
    >>> song = Document("b.txt", "Row on, row on\nthe tide is low\n\nRow on, row on\nthe tide is low\n")
    >>> strip_repeats(song, Repeats()) is song
    True
    """
    while True:
        done = _once(document, settings)
        if done is document:
            return document
        document = done


def _once(document: Document, settings: Repeats) -> Document:
    """Look at the whole text once; give the same object when nothing is said twice."""
    lines = split_lines(document.text)
    gone: Removals = {}
    title = document.title
    if title is None and settings.headline and (found := find_headline(lines)) is not None:
        title, place = found
        gone[place] = "headline"
    if title:
        for index in headlines_again(lines, title):
            gone.setdefault(index, "headline-again")
    if len(gone) == len(lines):
        return document  # a headline alone is a text
    cuts = _repeats(document.text, lines, gone, settings)
    changed = document.edited(STAGE, [*line_changes(document.text, lines, gone), *cuts])
    return changed.with_fields(title=title) if title != document.title else changed


def _repeats(text: str, lines: list[Line], gone: Removals, settings: Repeats) -> list[Change]:
    """Add repeated paragraphs and teasers to `gone`; give the changes inside paragraphs that stay."""
    verse = verse_lines(lines)
    columns = [mark for mark in ("\t", " | ") if mark in text]
    left = (at for at in range(len(lines)) if at not in gone and at not in verse)
    live = [at for at in left if not _left_alone(lines[at], columns)]
    gone.update(_paragraphs(lines, live, settings.paragraph_words))
    live = [at for at in live if at not in gone]
    cuts = _sentences(text, lines, live, gone, settings.sentence_words)
    _teasers(lines, live, gone)
    _bullets(lines, gone)
    return [cut for cut in cuts if not any(lines[at].start <= cut.start < lines[at].end for at in gone)]


def _left_alone(line: Line, columns: list[str]) -> bool:
    """Whether a line repeats on purpose: code, tables (with one of `columns`), quoted replies, headings, questions."""
    shown = line.shown
    if line.guarded or line.indented or shown[0] in "#>|$" or shown[-1] in "?{};":
        return True
    return bool(columns) and any(mark in shown for mark in columns)


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
    """What of a sentence or paragraph is compared: no case, no bullet before it, no stop or quote at its ends."""
    return shown.strip(_EDGES).casefold()


def _paragraphs(lines: list[Line], live: list[int], least: int) -> Removals:
    """Whole lines of `least` words printed again; many, scattered among others, are the text's pattern and stay."""
    keys = [lines[at].shown.strip(_EDGES).casefold() for at in live if lines[at].size >= MIN_ADJACENT_WORDS]
    if len(set(keys)) == len(keys):
        return {}
    first: dict[str, int] = {}
    again: list[tuple[int, int]] = []  # place in `live` of the copy and of what it copies
    for place, at in enumerate(live):
        if lines[at].size < MIN_ADJACENT_WORDS:
            continue
        if lines[at].size < least:
            if place and _key(lines[at].shown) == _key(lines[live[place - 1]].shown):
                again.append((place, place - 1))
            continue
        copied = first.setdefault(_key(lines[at].shown), place)
        if copied != place:
            again.append((place, copied))
    runs = sum(
        not (index and place == again[index - 1][0] + 1 and copied in (again[index - 1][1], again[index - 1][1] + 1))
        for index, (place, copied) in enumerate(again)
    )
    if runs > MOST_PATTERN:
        again = [
            (place, copied)
            for place, copied in again
            if _key(lines[live[place - 1]].shown) == _key(lines[live[place]].shown)
        ]
    return {live[place]: "repeated-paragraph" for place, _ in again}


def _twice(text: str) -> set[str]:
    """What may be said again: whatever stands in `text` twice between two ends of sentences or lines, cut to the words.

    Two sentences of one `_key` have one key here, too, since all that may stand at their ends is cut off; so where
    nothing comes twice, and that is nearly everywhere, no sentence is said again.
    """
    keys = [piece.strip(_ALL_EDGES).casefold() for piece in _pieces(text)]
    if len(set(keys)) == len(keys):
        return set()
    return {key for key, count in Counter(keys).items() if count > 1 and key.count(" ") >= MIN_SIEVED_BLANKS}


def _pieces(text: str) -> Iterator[str]:
    """What stands between the ends of sentences and lines, where it is long enough for a sentence.

    The ends are those of `_SENTENCE_END`, found in an array: a pattern needs four times as long to find them.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    start = 0
    for at in _ENDS.take(codes, mode="clip").nonzero()[0].tolist():
        if text[at] not in _HARD_ENDS:
            after = text[at + 1 : at + 3]
            if not (after[:1].isspace() or (after[1:].isspace() and after[0] in _CLOSERS)):
                continue
        if at - start >= MIN_SIEVED_CHARACTERS:
            yield text[start:at]
        start = at + 1
    if len(text) - start >= MIN_SIEVED_CHARACTERS:
        yield text[start:]


def _spans(line: Line, text: str) -> list[tuple[int, int]]:
    """Offsets in the text of the sentences of a line; each takes the blanks after it along."""
    at = text.index(line.shown, line.start)
    end = at + len(line.shown)
    spans = []
    for match in _SENTENCE_END.finditer(text, at, end):
        spans.append((at, match.end()))
        at = match.end()
    if at < end:
        spans.append((at, end))
    return spans


def _sentences(text: str, lines: list[Line], live: list[int], gone: Removals, least: int) -> list[Change]:
    """Sentences said again: those that are a whole line go to `gone`; for those inside paragraphs give the changes."""
    places: dict[str, list[Place]] = {}
    twice: set[str] = set()
    sieved = _twice(text)
    for index in live if sieved else ():
        if lines[index].size < MIN_PULLED_WORDS:
            continue
        if len(sieved) <= FEW_SIEVED:
            folded = lines[index].shown.casefold()
            if not any(key in folded for key in sieved):
                continue
        spans = _spans(lines[index], text)
        for start, end in spans:
            if text[start:end].strip(_ALL_EDGES).casefold() not in sieved:
                continue
            if text.count(" ", start, end) + 1 >= MIN_PULLED_WORDS:
                key = _key(text[start:end])
                if key in places:
                    twice.add(key)
                places.setdefault(key, []).append((index, start, end, len(spans) == 1))
    cuts: list[Change] = []
    for key in sorted(twice):
        if all(place[3] for place in places[key]):
            continue  # whole lines all: judged as paragraphs
        stays = _which_stays(places[key])
        for place in places[key]:
            index, start, end, whole = place
            if place == stays:
                continue
            if whole:
                gone.setdefault(index, "repeated-sentence")
            elif key.count(" ") + 1 >= least and not key.endswith("?"):
                cuts.append(_cut(text, lines[index], start, end))
    if len(cuts) > MOST_PATTERN:
        return []
    return _apart(cuts)


def _which_stays(places: list[Place]) -> Place:
    """The first, but of a line that is one sentence and a paragraph right below that holds it, the paragraph."""
    first = places[0]
    inside = next((place for place in places if not place[3]), first)
    return inside if first[3] and inside[0] - first[0] <= MOST_DECK_LINES else first


def _cut(text: str, line: Line, start: int, end: int) -> Change:
    """Take one sentence out of its paragraph; the last one takes the blanks before it, not those after."""
    if not text[end : line.end].strip():
        while start > line.start and text[start - 1] in " \t":
            start -= 1
    return Change(start, end, "", "repeated-sentence")


def _apart(cuts: list[Change]) -> list[Change]:
    """Cuts in order, each without what the one before it already takes."""
    result: list[Change] = []
    for cut in sorted(cuts, key=lambda cut: cut.start):
        start = max(cut.start, result[-1].end) if result else cut.start
        if start < cut.end:
            result.append(Change(start, cut.end, "", cut.rule))
    return result


def _teasers(lines: list[Line], live: list[int], gone: Removals) -> None:
    """Add lines that break off in dots where another line holds their words in a row ("The mayor is expected to…")."""
    broken = [
        at
        for at in live
        if lines[at].shown[-1] in ".…]"
        and trails_off(lines[at].shown)
        and lines[at].size >= MIN_TEASER_WORDS
        and at not in gone
    ]
    for index in broken[:MOST_TEASERS]:
        part = " ".join(lines[index].words)
        size = lines[index].size
        if any(part in " ".join(lines[at].words) for at in live if at != index and lines[at].size > size):
            gone[index] = "teaser-again"


def _bullets(lines: list[Line], gone: Removals) -> None:
    """Add bullets above the first two paragraphs where these say the same word for word."""
    listed = {i for i, line in enumerate(lines[:MOST_TOP]) if _BULLET.match(line.shown)}
    if not listed:
        return
    prose = [i for i, line in enumerate(lines[:MOST_TOP]) if line.is_prose and i not in listed and i not in gone]
    if not prose:
        return
    bullets = [i for i in range(prose[0]) if i in listed and i not in gone]
    if not 0 < len(bullets) <= MOST_BULLETS:
        return
    lead = [word for index in prose[:2] for word in lines[index].words][:MOST_LEAD_WORDS]
    held = {}
    for index in bullets:
        words = lines[index].words[:MOST_LEAD_WORDS]
        blocks = SequenceMatcher(None, words, lead, autojunk=False).get_matching_blocks()
        held[index] = (sum(block.size for block in blocks if block.size >= MIN_RUN), len(words))
    total = sum(count for _, count in held.values())
    if total < MIN_TEASER_WORDS or sum(hit for hit, _ in held.values()) < BULLETS_COVERED * total:
        return
    if all(hit >= BULLET_COVERED * count for hit, count in held.values()):
        gone.update(dict.fromkeys(bullets, "bullet-again"))


def line_changes(text: str, lines: list[Line], gone: Removals) -> list[Change]:
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
