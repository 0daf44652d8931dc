"""Take boilerplate out of plain text: ads, link lists, share lines, breadcrumbs, pitches, and whole page furniture.

There is no markup to go by, only lines. Three things decide, the surest first:

1. phrases that give a line away (`phrases/*.toml`, one file a language), and shapes that do (a breadcrumb);
2. a fitted model of a line among its neighbours (`boilerplate_model`), asked only where the document as a whole
   looks like a page dump: well-edited text has no menus, and is left alone;
3. lines that the corpus has shown to recur across one site (`boilerplate_learned`).
"""

from __future__ import annotations

from collections.abc import Set

from pipeline.config import Boilerplate
from pipeline.document import Change, Document
from pipeline.stages.boilerplate_features import Floats
from pipeline.stages.boilerplate_learned import anchor_key, candidates, learn_lines, line_keys
from pipeline.stages.boilerplate_model import content_odds
from pipeline.stages.boilerplate_phrases import Phrase, phrase_book
from pipeline.stages.boilerplate_shapes import is_breadcrumb, is_copyright, is_tag_line, link_like
from pipeline.stages.lines import Line, body_span, split_lines, trails_off

__all__ = ["anchor_key", "learn_lines", "line_keys", "strip_boilerplate"]

STAGE = "boilerplate"
MOST_TEASER_LINES = 12  # lines after "Also read" that may be its teasers
MOST_MENU_WORDS = 4  # a longer link is the headline of something else
SIGNS_FEW, SIGNS_MANY = 2, 4  # different phrases of navigation; docs/boilerplate.md counts them
LINES_A_SIGN, MOST_SIGNS = 60, 12  # long documents must show more signs to be taken for a page, but no more than 12
FEW_LINES = 120  # with few signs only a short document is looked at
UNLIKE, UNLIKE_LINES = -2.0, 0.4  # log-odds, and the share of lines below it, that make a page of fewer signs
PROSE_LEFT = 0.9  # share of the words left that is prose in such a page: lists and catalogues have less
CUT_FEW = -2.5  # log-odds below which a line goes where signs are few; where they are many, `settings.cut`
MIN_FURNITURE_LINES = 6  # fewer link-like lines are no page dump, whatever they say
MOST_HEADLINE_LINES = 10  # how far above the first prose a headline stands: byline, date, caption lie between
MIN_HEADLINE_WORDS = 4
LEAST_HEADLINE_ODDS = -2.0
PASSES = 8  # two do nearly always: one that removes, one that finds nothing more
MIN_TAIL_LINES = 3
MIN_LEFT_WORDS = 25  # the model may not leave less than this

Removals = dict[int, str]  # index of a line -> the rule that takes it
Phrases = list[Phrase | None]  # for each line the phrase that it is


def strip_boilerplate(document: Document, settings: Boilerplate, learned: Set[int] = frozenset()) -> Document:
    r"""Give `document` without its boilerplate lines; each run of lines removed by one rule is one edit.

    `learned` holds the keys (of `line_keys`) that were learned for the document's site.
    The result is a fixed point: stripping it again changes nothing.

    >>> page = "Advertisement\nThe bridge will close in May for repairs, the council said.\n\nShare on Facebook\n"
    >>> strip_boilerplate(Document("a.txt", page), Boilerplate()).text
    'The bridge will close in May for repairs, the council said.\n'
    >>> note = Document("b.txt", "Facebook said on Monday that advertisement revenue fell.\n")
    >>> strip_boilerplate(note, Boilerplate()) is note
    True
    """
    for _ in range(PASSES):
        stripped = _strip(document, settings, learned)
        if stripped is document:
            break
        document = stripped
    return document


def _strip(document: Document, settings: Boilerplate, learned: Set[int]) -> Document:
    """One pass over the lines of the text as it stands; what goes may change what the lines around it are seen as."""
    lines = split_lines(document.text)
    book = phrase_book(document.language)
    phrases: Phrases = [None if line.guarded else book.find(line) for line in lines]
    keys = learned if settings.learn else frozenset()
    kept, gone = list(range(len(lines))), Removals()
    while kept:
        found = _decide([lines[at] for at in kept], [phrases[at] for at in kept], settings)
        if keys:
            place = {lines[at].number: here for here, at in enumerate(kept)}
            for key, line in candidates([lines[at] for at in kept], document.language):
                if key in keys:
                    found.setdefault(place[line.number], "learned-line")
        if not found:
            break
        gone.update({kept[place]: rule for place, rule in found.items()})
        kept = [at for place, at in enumerate(kept) if place not in found]
    return document.edited(STAGE, changes_for(document.text, lines, gone))


def _decide(lines: list[Line], phrases: Phrases, settings: Boilerplate) -> Removals:
    """Look once at the lines that are left: which go, by which rule; the surest rule names the line."""
    found = by_phrase(lines, phrases)
    supposed = by_model(lines, phrases, settings.cut) if settings.model else {}
    for index, rule in {**supposed, **by_shape(lines)}.items():
        found.setdefault(index, rule)
    return found


def by_phrase(lines: list[Line], phrases: Phrases) -> Removals:
    """Lines that a phrase takes, and the teasers under those that open a list of links."""
    found: Removals = {}
    if not any(phrases):
        return found
    first, after = body_span(lines)
    for index, phrase in enumerate(phrases):
        if phrase is None or phrase.where == "sign" or index in found:
            continue
        if phrase.where == "edge" and (first <= index < after or not after):
            continue
        found[index] = phrase.rule
        if phrase.opens:
            for teaser in teasers_below(lines, phrases, index):
                found.setdefault(teaser, phrase.rule)
    return found


def teasers_below(lines: list[Line], phrases: Phrases, opener: int) -> list[int]:
    """Link lines that belong to the opener ("Also read") at index `opener`.

    Above more prose: only the block right under it, and lines that trail off in dots; a subhead may follow.
    Below the last prose: every link-like line that follows, up to `MOST_TEASER_LINES`.
    """
    teasers: list[int] = []
    last = not any(line.is_prose and not trails_off(line.shown) for line in lines[opener + 1 :])
    blocks = right_under = 0
    for index in range(opener + 1, min(len(lines), opener + 1 + MOST_TEASER_LINES)):
        line = lines[index]
        blocks += line.number > lines[index - 1].number + 1
        dots = trails_off(line.shown)
        if line.guarded or line.shown[0] == "#" or not (link_like(line) or dots):
            break
        if (phrase := phrases[index]) is not None and phrase.where != "sign":
            if phrase.opens:
                break
            continue  # it goes by its own rule
        right_under = right_under if teasers else blocks
        if not (last or dots or blocks <= min(right_under, 1)):
            break
        teasers.append(index)
    return teasers


def by_shape(lines: list[Line]) -> Removals:
    """Breadcrumbs, bare copyright lines, and the tag line that stands in one block with a breadcrumb at the top."""
    found: Removals = {}
    for index, line in enumerate(lines):
        if line.guarded:
            continue
        if is_breadcrumb(line):
            first, _ = body_span(lines)
            if first and index > first:
                continue
            found[index] = "breadcrumb"
            tag = index + 1
            # A line between it and the prose must be left, else the tags may be the headline.
            if tag + 1 < first and lines[tag].number == line.number + 1 and is_tag_line(lines[tag]):
                found[tag] = "tag-list"
        elif is_copyright(line):
            found[index] = "copyright"
    return found


def by_model(lines: list[Line], phrases: Phrases, cut: float) -> Removals:
    """Lines that the fitted model takes, in a document that shows signs of being a whole page."""
    signs = len({phrase.words for phrase in phrases if phrase is not None and phrase.where != "anywhere"})
    many = signs >= max(SIGNS_MANY, min(len(lines) // LINES_A_SIGN, MOST_SIGNS))
    if signs < SIGNS_FEW or sum(link_like(line) for line in lines) < MIN_FURNITURE_LINES:
        return {}
    odds = content_odds(lines, phrases)
    if not many and not _article_among_furniture(lines, odds, cut):
        if len(lines) > FEW_LINES:
            return {}
        cut = min(cut, CUT_FEW)
    gone = {
        index: _telling(lines[index], phrases[index])
        for index in (odds < cut).nonzero()[0].tolist()
        if not lines[index].guarded
    }
    if (headline := _headline(lines, phrases, odds.tolist(), gone)) is not None:
        gone.pop(headline, None)
    for index in _tail(lines, gone):
        gone[index] = _telling(lines[index], phrases[index])
    left = sum(line.size for index, line in enumerate(lines) if index not in gone)
    return gone if left >= MIN_LEFT_WORDS else {}


def _article_among_furniture(lines: list[Line], odds: Floats, cut: float) -> bool:
    """Whether much of a document is surely furniture and what the model would leave is prose: one article's page."""
    if (odds < UNLIKE).mean() <= UNLIKE_LINES:
        return False
    left = [line for line, odd in zip(lines, odds.tolist(), strict=True) if odd >= cut]
    return sum(line.size for line in left if line.is_prose) > PROSE_LEFT * sum(line.size for line in left)


def _tail(lines: list[Line], gone: Removals) -> list[int]:
    """Lines left below the last prose that is left: three or more are the headlines of something else."""
    kept = [at for at in range(len(lines)) if at not in gone]
    last = next((place for place in range(len(kept) - 1, -1, -1) if lines[kept[place]].is_prose), len(kept))
    tail = [at for at in kept[last + 1 :] if not lines[at].guarded]
    return tail if len(tail) >= MIN_TAIL_LINES else []


def _headline(lines: list[Line], phrases: Phrases, odds: list[float], gone: Removals) -> int | None:
    """Index of the line above the first prose that is left which is most like a headline; None where nothing is.

    The model sees few words in a headline and may take it for a link. The likeliest has the most words in common with
    the first line, which in a page dump is often the page's title; then the best odds, more words counting for it.
    """
    prose = next((at for at, line in enumerate(lines) if at not in gone and line.is_prose), 0)
    top = [
        at
        for at in range(max(0, prose - MOST_HEADLINE_LINES), prose)
        if lines[at].size >= MIN_HEADLINE_WORDS and phrases[at] is None and link_like(lines[at])
    ]
    if not top:
        return None
    title = set(lines[0].words)
    shared = {at: len(title & set(lines[at].words)) * 2 > len(lines[at].words) for at in top}
    best = max(top, key=lambda at: (shared[at], odds[at] + min(lines[at].size, 12) / 10, at))
    return best if shared[best] or odds[best] > LEAST_HEADLINE_ODDS else None


def _telling(line: Line, phrase: Phrase | None) -> str:
    """Name the rule for a line that the model took: what a person would see first."""
    if phrase is not None:
        return phrase.rule
    if not link_like(line):
        return "page-furniture"
    return "navigation" if line.size <= MOST_MENU_WORDS else "related-links"


def changes_for(text: str, lines: list[Line], gone: Removals) -> list[Change]:
    """One change for each run of removed lines of one rule, with the blank lines that would be left over.

    Blank lines after a run go when blank lines or nothing stand before it; at the end of the text those before it go.
    """
    changes: list[Change] = []
    index = 0 if gone else len(lines)
    while index < len(lines):
        stop = index
        while stop in gone:
            stop += 1
        if stop > index:
            changes += _run_changes(text, lines, gone, index, stop)
        index = stop + 1
    return changes


def _run_changes(text: str, lines: list[Line], gone: Removals, index: int, stop: int) -> list[Change]:
    """Changes for the removed lines from `index` up to `stop`, cut where the rule changes."""
    before = lines[index - 1] if index else None
    start, end = lines[index].start, lines[stop - 1].end
    if stop == len(lines):
        start, end = (before.end if before else 0), len(text)
        if before and not text.endswith("\n") and text[start - 1] == "\n":
            start -= 1
    elif before is None:
        start, end = 0, lines[stop].start
    elif lines[index].number > before.number + 1:
        end = lines[stop].start
    changes = []
    for place in range(index, stop):
        if place + 1 < stop and gone[place + 1] == gone[place]:
            continue
        until = end if place + 1 == stop else lines[place + 1].start
        changes.append(Change(start, until, "", gone[place]))
        start = until
    return changes
