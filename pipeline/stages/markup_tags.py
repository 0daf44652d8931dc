"""What is not Markdown in a text: stray HTML tags, comments and timestamp anchors, and the space they leave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.document import Change

TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]{0,11}+)((?:\s[^<>]{0,2000}+)?|/)>")
ATTRIBUTES = re.compile(r"(?>\s++[\w:.@-]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'<>]++))?+)*+\s*+/?")
CLOSING_TAG = re.compile(r"</([a-zA-Z][a-zA-Z0-9:]{0,11}+)\s?>")
# `<a class="yt-timestamp" …>[00:06:04]</a>`, and any other anchor whose words are nothing but a time.
TIMESTAMP_ANCHOR = re.compile(
    r"<a\s[^<>]{0,500}+>\s{0,9}+[\[(]?\d{1,3}(?::\d\d){1,2}(?:[.,]\d{1,3})?[\])]?\s{0,9}+</a\s?>", re.IGNORECASE
)
CODE_ELEMENT = re.compile(r"<(script|style)\b[^<>]{0,500}+>", re.IGNORECASE)

WIDE_NAMES = "p h1 h2 h3 h4 h5 h6 blockquote table ul ol dl pre"
BLOCK_NAMES = (
    "br hr div section article header footer main aside nav figure figcaption center li dt dd tr thead tbody tfoot "
    "caption details summary address fieldset form"
)
INLINE_NAMES = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i iframe img ins kbd label mark picture rp rt ruby s "
    "samp small source span strike strong sub sup time tt u var video audio embed wbr button input noscript object "
    "param col colgroup o:p"
)
WIDE = frozenset(WIDE_NAMES.split())
BLOCK = WIDE | frozenset(BLOCK_NAMES.split())
CELL = frozenset({"td", "th"})
INLINE = frozenset(INLINE_NAMES.split())
TAGS = BLOCK | CELL | INLINE
BARE = frozenset({"br", "hr", "wbr", "p"})  # as a rule written without attributes and without a closing partner

NO_SPACE_BEFORE = frozenset(".,;:!?)]}»”’%…。，、；：！？）」』")


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of markup at text[start:end]: its rule, what parts the words around it, what it leaves behind."""

    start: int
    end: int
    rule: str
    gap: str = ""  # "": nothing, " ": a space, "\n": a line end, "\n\n": a paragraph end
    leaves: str = ""


def find_mark(text: str, at: int, closed: frozenset[str]) -> Mark | None:
    """Find the timestamp anchor or tag that begins at `at`; None for what only looks like a tag.

    `closed` are the names of the tags that the text closes somewhere. `<T>`, `<name>`, `a <b and c> d`, `List<A>`
    and addresses in angle brackets are not tags.
    """
    anchor = TIMESTAMP_ANCHOR.match(text, at)
    if anchor is not None:
        return Mark(at, anchor.end(), "timestamp", " ")
    found = TAG.match(text, at)
    if found is None:
        return None
    closing, name, rest = found[1] == "/", found[2].lower(), found[3]
    if name not in TAGS or not ATTRIBUTES.fullmatch(rest):
        return None
    after_word = at > 0 and text[at - 1].isalnum()
    bare = not closing and "=" not in rest and not rest.endswith("/") and name not in BARE
    if bare and (rest.strip() or name not in closed or (found[2].isupper() and after_word)):
        return None
    if name == "p" and not rest and at and (text[at - 1].isalnum() or text[at - 1] in "_<,"):
        return None  # Optional<p>
    gap = "\n\n" if name in WIDE else "\n" if name in BLOCK else " " if name in CELL else ""
    leaves = "- " if name == "li" and not closing else ""
    if name == "sup" and not closing and text[at - 1 : at].isdigit() and text[found.end() : found.end() + 1].isdigit():
        leaves = "^"  # 10<sup>6</sup> is not 106
    return Mark(at, found.end(), "tag", gap, leaves)


def closed_tags(text: str) -> frozenset[str]:
    """List the names of all tags that are closed in `text`."""
    return frozenset(name.lower() for name in CLOSING_TAG.findall(text)) if "</" in text else frozenset()


def runs(text: str, marks: Iterable[Mark]) -> Iterator[list[Mark]]:
    """Group the marks that only blanks part: `</b> <br/>`."""
    group: list[Mark] = []
    for mark in marks:
        if group and text[group[-1].end : mark.start].strip(" \t"):
            yield group
            group = []
        group.append(mark)
    if group:
        yield group


def take_out(text: str, group: Sequence[Mark]) -> Change:
    r"""Give the change that takes a run of marks out and leaves the words around it properly parted.

    >>> def after(text, *marks):
    ...     change = take_out(text, marks)
    ...     return text[: change.start] + change.after + text[change.end :]
    >>> after("It rose <i>.", Mark(8, 11, "timestamp", " "))
    'It rose.'
    >>> after("It rose <i> again", Mark(8, 11, "timestamp", " "))
    'It rose again'
    >>> after("rose</p>fell", Mark(4, 8, "tag", "\n\n"))
    'rose\n\nfell'
    """
    start, end = group[0].start, group[-1].end
    left, right = start, end
    while left and text[left - 1] in " \t":
        left -= 1
    while right < len(text) and text[right] in " \t":
        right += 1
    rule = max(group, key=lambda mark: mark.rule != "tag").rule
    gap = max((mark.gap for mark in group), key=len)
    leaves = group[-1].leaves
    at_line_start, at_line_end = left == 0 or text[left - 1] == "\n", right == len(text) or text[right] in "\r\n"
    if at_line_end:
        return Change(left, right, "", rule)
    if at_line_start:  # the indent stays, it may be a list's
        return Change(start, right if gap else end, leaves, rule)
    if "\n" in gap:
        return Change(left, right, (" " if in_table(text, left) else gap) + leaves, rule)
    blank = left < start or right > end or any(a.end < b.start for a, b in pairwise(group))
    if gap and text[right] in NO_SPACE_BEFORE:
        return Change(left, right, "", rule)
    parted = blank or (gap and text[left - 1].isalnum() and text[right].isalnum())
    return Change(left, right, (" " if parted else "") + leaves, rule)


def in_table(text: str, at: int) -> bool:
    """Whether the line that `at` stands in is a row of a Markdown table (of at most 2,000 characters)."""
    line = text.rfind("\n", max(0, at - 2000), at) + 1
    return text[line : line + 1] == "|"
