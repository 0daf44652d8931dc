"""Lines of a plain text, and the first things one sees of each: how long, how it ends, whether it is prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

SENTENCEWORDS = 8  # a line that ends in a stop and has this many words is a sentence, not a link with a full stop
PROSEWORDS = 25  # a line this long is prose however it ends
BODY_CHARACTERS = 80  # scripts without spaces: a line this long is prose

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_STOPS = ".!?。！？؟।…"
_CLOSERS = "\"'”’»)]*_`"
_FENCE = ("```", "~~~")


@dataclass(frozen=True)
class Line:
    """A line that holds something. `text[start:end]` is the line with its newline; `shown` is it without the blanks around."""

    number: int
    start: int
    end: int
    shown: str
    guarded: bool
    indented: bool = False

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in lower case, without punctuation, bullets and decoration; apostrophes straight."""
        return tuple(WORD.findall(self.shown.replace("’", "'").casefold()))

    @cached_property
    def size(self) -> int:
        """How many words, counted by the blanks between them."""
        return self.shown.count(" ") + 1

    @cached_property
    def stopped(self) -> bool:
        """Whether it ends as a sentence ends, quotes and brackets after the stop allowed; an ellipsis is no end."""
        bare = self.shown.rstrip(_CLOSERS)
        return bare.endswith(tuple(_STOPS)) and not trails_off(bare)

    @cached_property
    def is_prose(self) -> bool:
        """Whether it is a sentence or more: what the body of an article is made of."""
        if self.size >= PROSEWORDS or (self.size >= SENTENCEWORDS and self.stopped):
            return True
        return len(self.shown) >= BODY_CHARACTERS and self.size * 12 < len(self.shown)


def trails_off(shown: str) -> bool:
    """Whether a line breaks off in dots, as a teaser does.

    >>> trails_off("The mayor is expected to visit the..."), trails_off("The mayor came.")
    (True, False)
    """
    return shown.endswith(("...", "…", "[…]", "[...]"))


def split_lines(text: str) -> list[Line]:
    """The lines of `text` that are not blank, in order. Lines end at a newline and nowhere else.

    Code between fences, Markdown tables and front matter are `guarded`: no rule touches them.

    >>> [(line.number, line.shown) for line in split_lines("One\\n\\n  two ")]
    [(0, 'One'), (2, 'two')]
    """
    lines, start, fence = [], 0, ""
    for number, raw in enumerate(text.split("\n")):
        end = min(start + len(raw) + 1, len(text))
        shown = raw.strip()
        if shown:
            guarded = bool(fence) or shown[0] == "|"
            if shown.startswith(_FENCE):
                guarded = True
                if not fence:
                    fence = shown[:3]
                elif shown.startswith(fence):
                    fence = ""
            lines.append(Line(number, start, end, shown, guarded, raw[:1] == "\t" or raw.startswith("    ")))
        start = end
    return lines


def body_span(lines: list[Line]) -> tuple[int, int]:
    """Index of the first line of prose and of the line after the last; `(0, 0)` where there is none."""
    prose = [index for index, line in enumerate(lines) if line.is_prose]
    return (prose[0], prose[-1] + 1) if prose else (0, 0)
