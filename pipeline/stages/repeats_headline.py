"""The headline of a plain text: find it where the text opens with one, and know it again.

A headline taken for text costs nothing; a line of a poem, a greeting or a list taken for a headline costs a line of the
text. So a line is a headline only above prose, alone or printed again, and worded like one.
"""

from __future__ import annotations

import re

from pipeline.stages.lines import Line, words_of

TOP_LINES = 8  # how far down a headline may stand that is printed again
MIN_WORDS = 3  # shorter headings say little alone ("Summary"); they count when printed again at the top
MOST_WORDS = 30
MIN_PROSE_WORDS = 20  # the first paragraph below a lone headline
MOST_SITE_WORDS = 5  # words of a site's name behind the headline
_SITE_MARK = re.compile(r"(?<!\s)\s+[|–—»«·•:-]{1,2}\s+")
_GREETING = frozenset(
    [
        "dear",
        "hi",
        "hello",
        "hey",
        "sehr",
        "liebe",
        "lieber",
        "cher",
        "chère",
        "bonjour",
        "hola",
        "estimado",
        "estimada",
        "querido",
        "olá",
    ]
)
_BYLINE = frozenset(
    [
        "by",
        "von",
        "par",
        "por",
        "di",
        "da",
        "door",
        "от",
        "posted",
        "published",
        "updated",
        "written",
        "photo",
        "image",
        "source",
    ]
)
_LIST_MARK = re.compile(r"[•‣◦▪·*+>|–—-]\s|(?<!\d)\d+[.)]\s|\[|\(")
_SPEAKER = re.compile(r"[^\W\d_][\w .]{0,30}:\s")


def title_forms(title: str) -> frozenset[tuple[str, ...]]:
    """Word sequences that are this title: as it stands, and without a site's name at either end.

    >>> sorted(title_forms("Ferry fares rise again | The Pier Post"), key=len)[0]
    ('ferry', 'fares', 'rise', 'again')
    """
    forms = {words_of(title)}
    parts = _SITE_MARK.split(title)
    if len(parts) > 1:
        for whole, site in ((title[: title.rindex(parts[-1])], parts[-1]), (title[len(parts[0]) :], parts[0])):
            if MIN_WORDS <= len(words_of(whole)) > len(words_of(site)) <= MOST_SITE_WORDS:
                forms.add(words_of(whole))
    return frozenset(form for form in forms if form)


def plain(shown: str) -> str:
    """A headline without Markdown's marks around it."""
    return shown.lstrip("#").strip().strip("*_").strip() if shown[0] in "#*_" else shown


def headlines_again(lines: list[Line], title: str) -> list[int]:
    """Indexes of the lines that are the title once more, alone or with a site's name.

    A title of one or two words may be the name of anything: it goes only above the first prose.
    """
    forms = title_forms(title)
    heads = {form[0] for form in forms}
    longest = max(map(len, forms), default=0) + MOST_SITE_WORDS + 4
    found, above = [], True
    for index, line in enumerate(lines):
        if line.size <= longest and not line.guarded and line.shown[0] not in ">|":
            lower = line.shown.replace("’", "'").casefold()
            if any(head in lower for head in heads) and _is_title(line, forms, above):
                found.append(index)
        above = above and not line.is_prose
    return found


def _is_title(line: Line, forms: frozenset[tuple[str, ...]], above: bool) -> bool:
    """Whether the words of the line are one of the forms, as they stand or without a site's name."""
    if line.words in forms:
        return above or len(line.words) >= MIN_WORDS
    shown = plain(line.shown)
    return bool(shown) and any(form in forms and len(form) >= MIN_WORDS for form in title_forms(shown))


def find_headline(lines: list[Line]) -> tuple[str, int] | None:
    """The headline that the text opens with and the index of its line; None where it opens with something else."""
    prose = next(
        (index for index, line in enumerate(lines) if line.is_prose and not _LIST_MARK.match(line.shown)), None
    )
    if prose is None or not lines:
        return None
    if (heading := _markdown_heading(lines)) is not None:
        return heading, 0
    top = range(min(prose, TOP_LINES))
    forms = {index: words_of(lines[index].shown) for index in top}
    for index in top:
        if not _worded_like_one(lines[index]) or len(forms[index]) < 2:
            continue
        again = [
            other
            for other in top
            if other != index and (forms[other] == forms[index] or forms[index] in title_forms(lines[other].shown))
        ]
        if again:
            return plain(lines[index].shown), index
    return _lone_headline(lines, prose)


def _markdown_heading(lines: list[Line]) -> str | None:
    """The text of a first line `# Heading`, unless the lines below it are such too (comments in a script)."""
    first = lines[0]
    if first.guarded or not first.shown.startswith("# ") or not plain(first.shown):
        return None
    if len(lines) > 1 and lines[1].number == first.number + 1 and lines[1].shown.startswith("# "):
        return None
    return plain(first.shown)


def _worded_like_one(line: Line) -> bool:
    """Whether the words could be a headline: no list item, greeting, byline, speaker or sentence."""
    shown = plain(line.shown)
    if not shown or line.guarded or line.indented or line.size > MOST_WORDS or _LIST_MARK.match(shown):
        return False
    if line.shown.startswith("##") or shown[0].islower() or shown[-1] in ".,:;…" or not line.words:
        return False
    if line.words[0] in _GREETING or line.words[0] in _BYLINE or not any(word.isalpha() for word in line.words):
        return False
    return sum(word.isdigit() for word in line.words) * 2 < len(line.words)


def _lone_headline(lines: list[Line], prose: int) -> tuple[str, int] | None:
    """The first line, where it stands alone above a paragraph, or above a byline or deck and then a paragraph."""
    first = lines[0]
    if prose == 0 or prose > 4 or not _worded_like_one(first) or len(words_of(first.shown)) < MIN_WORDS:
        return None
    speakers = sum(bool(_SPEAKER.match(line.shown)) for line in lines[:12])
    if _SPEAKER.match(first.shown) and speakers > 1:
        return None
    alone = len(lines) > 1 and lines[1].number > first.number + 1
    longest = max(line.size for line in lines[prose : prose + 4])  # the first prose may be a deck
    if longest < MIN_PROSE_WORDS or longest < 1.5 * first.size:
        return None
    if not alone and prose != 1:
        return None
    return plain(first.shown), 0
