"""Take boilerplate out of plain text: ads, link lists, share lines, breadcrumbs, pitches, and whole page furniture.

There is no markup to go by, only lines. Three things decide, the surest first:

1. phrases that give a line away (`phrases/*.toml`, one file a language), and shapes that do (a breadcrumb, a copyright);
2. lines that the corpus has shown to recur across one site (`boilerplate_learned`);
3. a fitted model of a line among its neighbours (`boilerplate_model`), asked only where the document as a whole
   looks like a page dump: well-edited text has no menus, and is left alone.
"""

from __future__ import annotations

from collections.abc import Set

from pipeline.config import Boilerplate
from pipeline.document import Change, Document
from pipeline.stages.boilerplate_learned import anchor_key, candidates, learn_lines, line_keys
from pipeline.stages.boilerplate_phrases import PhraseBook, phrase_book
from pipeline.stages.lines import Line, body_span, split_lines, trails_off

__all__ = ["anchor_key", "learn_lines", "line_keys", "strip_boilerplate"]

STAGE = "boilerplate"
MOST_LINK_WORDS = 20  # a link's text is shorter
MOST_TEASER_LINES = 12  # lines after "Also read" that may be its teasers
MOST_CRUMB_WORDS = 30
_CRUMBS = (" » ", " › ", " > ", " → ", " ➤ ", " ▸ ", " :: ")

Removals = dict[int, str]  # index of a line -> the rule that takes it


def strip_boilerplate(document: Document, settings: Boilerplate, learned: Set[int] = frozenset()) -> Document:
    """`document` without its boilerplate lines; each removed run of lines is one edit.

    `learned` holds the keys (of `line_keys`) that were learned for the document's site.
    The result is a fixed point: stripping it again changes nothing.

    >>> page = "Advertisement\\nThe bridge will close in May for repairs, the council said.\\n\\nShare on Facebook\\n"
    >>> strip_boilerplate(Document("a.txt", page), Boilerplate()).text
    'The bridge will close in May for repairs, the council said.\\n'
    >>> note = Document("b.txt", "Facebook said on Monday that advertisement revenue fell.\\n")
    >>> strip_boilerplate(note, Boilerplate()) is note
    True
    """
    lines = split_lines(document.text)
    kept = list(range(len(lines)))
    gone: Removals = {}
    while kept:
        now = [lines[index] for index in kept]
        found = _decide(now, document, learned if settings.learn else frozenset())
        if not found:
            break
        gone.update({kept[index]: rule for index, rule in found.items()})
        kept = [index for place, index in enumerate(kept) if place not in found]
    return document.edited(STAGE, changes_for(document.text, lines, gone))


def _decide(lines: list[Line], document: Document, learned: Set[int]) -> Removals:
    """The lines to remove, by index, with their rules."""
    book = phrase_book(document.language)
    found = by_phrase(lines, book)
    found.update({at: rule for at, rule in by_shape(lines, found).items() if at not in found})
    if learned:
        at = {id(line): index for index, line in enumerate(lines)}
        for key, line in candidates(lines, document.language):
            if key in learned:
                found.setdefault(at[id(line)], "learned-line")
    return found


def by_phrase(lines: list[Line], book: PhraseBook) -> Removals:
    """The lines that a phrase takes, and the teasers under those that open a list of links."""
    first, after = body_span(lines)
    found: Removals = {}
    for index, line in enumerate(lines):
        if line.guarded or index in found or (phrase := book.find(line)) is None or phrase.where == "sign":
            continue
        if phrase.where == "edge" and (first <= index < after or not after):
            continue
        found[index] = phrase.rule
        if phrase.opens:
            for teaser in _teasers(lines, index, book):
                found.setdefault(teaser, phrase.rule)
    return found


def _teasers(lines: list[Line], opener: int, book: PhraseBook) -> list[int]:
    """The link lines that belong to the opener ("Also read") at index `opener`.

    Above more prose only the block right under it, and lines that trail off in dots: what follows may be a subhead.
    Below the last prose every link-like line that follows, up to `MOST_TEASER_LINES`.
    """
    teasers: list[int] = []
    last = not any(line.is_prose and not trails_off(line.shown) for line in lines[opener + 1 :])
    blocks = 0
    for index in range(opener + 1, min(len(lines), opener + 1 + MOST_TEASER_LINES)):
        line, before = lines[index], lines[index - 1]
        blocks += line.number > before.number + 1
        if line.guarded or line.shown[0] == "#" or not (link_like(line) or trails_off(line.shown)):
            break
        phrase = book.find(line)
        if phrase is not None and phrase.where != "sign":
            if phrase.opens:
                break
            continue  # it goes by its own rule
        tight = before.number == opener_number(lines, opener) or line.number == before.number + 1
        if not (last or trails_off(line.shown) or (blocks <= 1 and tight)):
            break
        teasers.append(index)
    if not last and teasers and teasers[-1] + 1 < len(lines) and len(teasers) > 1:
        return teasers
    return teasers


def opener_number(lines: list[Line], opener: int) -> int:
    """Line number of the opener."""
    return lines[opener].number


def link_like(line: Line) -> bool:
    """Whether a line may be the text of a link: short, and not a sentence.

    >>> link_like(split_lines("Ferry fares to rise in spring")[0])
    True
    >>> link_like(split_lines("Ferry fares will rise in spring, the port said on Friday.")[0])
    False
    """
    return line.size <= MOST_LINK_WORDS and not line.stopped


def by_shape(lines: list[Line], found: Removals) -> Removals:
    """Breadcrumbs, bare copyright lines, and the tag line that stands in one block with a breadcrumb at the top."""
    shaped: Removals = {}
    first, _ = body_span(lines)
    for index, line in enumerate(lines):
        if line.guarded or index in found:
            continue
        if is_breadcrumb(line) and (index <= first or not first):
            shaped[index] = "breadcrumb"
            tag = index + 1
            if tag + 1 < first and lines[tag].number == line.number + 1 and is_tag_line(lines[tag]):
                shaped[tag] = "tag-list"
        elif is_copyright(line):
            shaped[index] = "copyright"
    return shaped


_HOME = frozenset(("home", "homepage", "start", "startseite", "accueil", "inicio", "início", "главная", "voorpagina"))


def is_breadcrumb(line: Line) -> bool:
    """Whether a line is the path to a page, from the home page down.

    >>> is_breadcrumb(split_lines("Home » News » Ferry fares rise")[0])
    True
    >>> is_breadcrumb(split_lines("Settings > Network > Proxy")[0]), is_breadcrumb(split_lines("> Home is far")[0])
    (False, False)
    """
    if line.size > MOST_CRUMB_WORDS or not line.words or line.words[0] not in _HOME:
        return False
    for mark in _CRUMBS:
        if mark in line.shown:
            return line.shown.split(mark, 1)[0].strip().casefold() in _HOME
    return False


def is_tag_line(line: Line) -> bool:
    """Whether a line is a row of tags: two to twelve words, each a name or a number, no punctuation.

    >>> is_tag_line(split_lines("Harbour Ferries Iceland")[0]), is_tag_line(split_lines("Ferries to Iceland")[0])
    (True, False)
    """
    words = line.shown.split()
    return 2 <= len(words) <= 12 and all(word.isalnum() and not word[0].islower() for word in words)


def is_copyright(line: Line) -> bool:
    """Whether a line is a notice of copyright and nothing else.

    >>> is_copyright(split_lines("© 2019 The Pier Post")[0]), is_copyright(split_lines("© is a sign.")[0])
    (True, False)
    """
    shown = line.shown
    if not shown.startswith(("©", "(c) ", "(C) ", "Copyright ©", "Copyright (c)")) or line.size > MOST_LINK_WORDS:
        return False
    return any(word[:4].isdigit() and len(word) >= 4 for word in line.words)


def changes_for(text: str, lines: list[Line], gone: Removals) -> list[Change]:
    """One change for each run of removed lines of one rule, with the blank lines that would be left over.

    Blank lines after a removed run go when blank lines (or nothing) stand before it; at the end of the text those before it go.
    """
    changes: list[Change] = []
    index = 0
    while index < len(lines):
        if index not in gone:
            index += 1
            continue
        stop = index
        while stop < len(lines) and stop in gone:
            stop += 1
        changes += _run_changes(text, lines, gone, index, stop)
        index = stop
    return changes


def _run_changes(text: str, lines: list[Line], gone: Removals, index: int, stop: int) -> list[Change]:
    """The changes for the removed lines `index` to `stop` (not included), cut where the rule changes."""
    before = lines[index - 1] if index else None
    start, end = lines[index].start, lines[stop - 1].end
    if stop == len(lines):
        start, end = (before.end if before else 0), len(text)
        if before and not text.endswith("\n") and text[start - 1 : start] == "\n":
            start -= 1
    elif before is None:
        start, end = 0, lines[stop].start
    elif lines[index].number > before.number + 1:
        end = lines[stop].start
    changes = []
    cut = start
    for place in range(index, stop):
        if place + 1 < stop and gone[place + 1] == gone[place]:
            continue
        until = end if place + 1 == stop else lines[place + 1].start
        changes.append(Change(cut, until, "", gone[place]))
        cut = until
    return changes
