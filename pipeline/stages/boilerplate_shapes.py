"""Lines that their shape gives away: links, breadcrumbs, rows of tags, notices of copyright."""

from __future__ import annotations

from pipeline.stages.lines import Line

MOST_LINK_WORDS = 20  # a link's text is shorter
MOST_CRUMB_WORDS = 30
MOST_TAGS = 12
_CRUMBS = (" » ", " › ", " > ", " → ", " ➤ ", " ▸ ", " :: ")
_HOME = frozenset(
    ("home", "homepage", "startseite", "accueil", "inicio", "início", "главная", "voorpagina", "strona główna", "hjem")
)
_HOME_HEADS = frozenset(home[:4] for home in _HOME)
_COPYRIGHT = ("©", "(c) ", "(C) ", "Copyright ©", "Copyright (c)", "Copyright (C)")


def link_like(line: Line) -> bool:
    """Whether a line may be the text of a link: short, and not a sentence.

    >>> first = lambda text: Line(0, 0, len(text), text, False, False)
    >>> link_like(first("Ferry fares to rise in spring"))
    True
    >>> link_like(first("Ferry fares will rise in spring, the port said on Friday."))
    False
    """
    return line.size <= MOST_LINK_WORDS and not line.stopped


def is_breadcrumb(line: Line) -> bool:
    """Whether a line is the path to a page, from the home page down.

    >>> first = lambda text: Line(0, 0, len(text), text, False, False)
    >>> is_breadcrumb(first("Home » News » Ferry fares rise"))
    True
    >>> is_breadcrumb(first("Settings > Network > Proxy")), is_breadcrumb(first("> Home is far"))
    (False, False)
    """
    if line.shown[:4].casefold() not in _HOME_HEADS or line.size > MOST_CRUMB_WORDS:
        return False
    for mark in _CRUMBS:
        if mark in line.shown:
            return line.shown.split(mark, 1)[0].strip().casefold() in _HOME
    return False


def is_tag_line(line: Line) -> bool:
    """Whether a line is a row of tags: two to twelve words, each a name or a number, no punctuation.

    >>> first = lambda text: Line(0, 0, len(text), text, False, False)
    >>> is_tag_line(first("Harbour Ferries Iceland")), is_tag_line(first("Ferries to Iceland"))
    (True, False)
    """
    words = line.shown.split()
    return 2 <= len(words) <= MOST_TAGS and all(word.isalnum() and not word[0].islower() for word in words)


def is_copyright(line: Line) -> bool:
    """Whether a line is a notice of copyright and nothing else.

    >>> first = lambda text: Line(0, 0, len(text), text, False, False)
    >>> is_copyright(first("© 2019 The Pier Post")), is_copyright(first("© is a sign from 1802, he said."))
    (True, False)
    """
    if not line.shown.startswith(_COPYRIGHT) or line.size > MOST_LINK_WORDS or line.stopped:
        return False
    return any(word[:4].isdigit() and len(word) >= 4 for word in line.words)
