"""Lines of a plain text, and the first things one sees of each: how long, how it ends, whether it is prose."""

from __future__ import annotations

import re

SENTENCE_WORDS = 8  # a line that ends in a stop and has this many words is a sentence, not a link with a full stop
PROSE_WORDS = 25  # a line this long is prose however it ends
BODY_CHARACTERS = 80  # scripts without spaces: a line this long is prose
CHARACTERS_A_WORD = 12  # more than this on average: a script without spaces, or no text at all
REMEMBERED_CHARACTERS = 1_000_000  # the lines of a longer text are not held on to

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
CLOSERS = "\"'”’»)]*_`"
_STOPS = (".", "!", "?", "。", "！", "？", "؟", "।", "…")
_DOTS = ("...", "…", "[…]", "[...]")
_FENCES = ("```", "~~~")


class Line:
    """A line that holds something: `text[start:end]` with its newline, `shown` without the blanks around it.

    `size` counts words by the blanks between them. No rule touches `guarded` lines: code between fences, a script
    with its `#!` line, Markdown tables.
    """

    __slots__ = ("_prose", "_words", "end", "guarded", "indented", "number", "shown", "size", "start")

    def __init__(self, number: int, start: int, end: int, shown: str, guarded: bool, indented: bool) -> None:
        self.number = number
        self.start = start
        self.end = end
        self.shown = shown
        self.guarded = guarded
        self.indented = indented
        self.size = shown.count(" ") + 1
        self._words: tuple[str, ...] | None = None
        self._prose: bool | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Its words in lower case, without punctuation, bullets and decoration; apostrophes straight."""
        if self._words is None:
            self._words = words_of(self.shown)
        return self._words

    @property
    def stopped(self) -> bool:
        """Whether it ends as a sentence ends, quotes and brackets after the stop allowed; breaking off is no end."""
        bare = self.shown.rstrip(CLOSERS)
        return bare.endswith(_STOPS) and not bare.endswith(_DOTS)

    @property
    def is_prose(self) -> bool:
        """Whether it is a sentence or more: what the body of an article is made of."""
        if self._prose is None:
            size = self.size
            if size >= PROSE_WORDS or (size >= SENTENCE_WORDS and self.stopped):
                self._prose = True
            else:
                long = len(self.shown)
                self._prose = long >= BODY_CHARACTERS and size * CHARACTERS_A_WORD < long and "://" not in self.shown
        return self._prose


_last: tuple[str, list[Line]] = ("", [])


def words_of(shown: str) -> tuple[str, ...]:
    """Words in lower case; quotes, dashes and marks do not count.

    >>> words_of("* Don’t — “stop”!")
    ("don't", 'stop')
    """
    return tuple(WORD.findall(shown.replace("’", "'").replace("‘", "'").casefold()))


def trails_off(shown: str) -> bool:
    """Whether a line breaks off in dots, as a teaser does.

    >>> trails_off("The mayor is expected to visit the..."), trails_off("The mayor came.")
    (True, False)
    """
    return shown.endswith(_DOTS)


def split_lines(text: str) -> list[Line]:
    r"""Lines of `text` that are not blank, in order. A line ends at a newline and nowhere else.

    The lines of the last text are remembered, for the next stage mostly asks for them again: do not change the list.

    >>> [(line.number, line.shown) for line in split_lines("One\n\n  two ")]
    [(0, 'One'), (2, 'two')]
    """
    global _last
    known, lines = _last
    if known is text:
        return lines
    lines = _split(text)
    if len(text) <= REMEMBERED_CHARACTERS:
        _last = text, lines
    return lines


def _split(text: str) -> list[Line]:
    lines, start, fence = [], 0, ""
    fenced, script = any(fence in text for fence in _FENCES), text.startswith("#!")
    for number, raw in enumerate(text.split("\n")):
        after = start + len(raw) + 1
        if shown := raw.strip():
            guarded = shown[0] == "|"
            if fenced or script:
                guarded = guarded or script or bool(fence)
                if shown.startswith(_FENCES):
                    guarded = True
                    fence = "" if fence == shown[:3] else fence or shown[:3]
            indented = raw[0] == "\t" or raw.startswith("    ")
            lines.append(Line(number, start, after, shown, guarded, indented))
        start = after
    if lines:
        lines[-1].end = min(lines[-1].end, len(text))
    return lines


def body_span(lines: list[Line]) -> tuple[int, int]:
    """Index of the first line of prose and of the line after the last; `(0, 0)` where there is none."""
    first = next((index for index, line in enumerate(lines) if line.is_prose), None)
    if first is None:
        return 0, 0
    return first, next(index for index in range(len(lines) - 1, -1, -1) if lines[index].is_prose) + 1
