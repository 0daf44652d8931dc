"""Boilerplate learned from the corpus: lines that recur across the documents of one site.

A line alone may recur for good reasons ("Ingredients", "References"), so a line is a candidate only where it stands:
in the run of lines above the first prose or below the last, together with the lines around it. The key of a candidate
is a hash of the line and its neighbours; a line whose wording already speaks (a copyright, a pitch) is its own key.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.document import Document
from pipeline.stages.boilerplate_phrases import phrase_book
from pipeline.stages.lines import Line, body_span, split_lines

MIN_DOCUMENTS = 5  # distinct articles of one site that hold the line; absolute, so that a new document never un-learns
MOST_WORDS = 60  # a longer line is a paragraph
WRAP_CHARACTERS = 50  # a line this long with a neighbour that goes on in lower case is wrapped prose
INTRODUCTION_WORDS = 10  # a line this long that ends in a colon says what follows it
EDGE, SIGNED = "\x02", "\x03"  # stand in a key for the end of the text, and for a line that needs no neighbour

LEARNED = pa.schema(
    [
        ("site", pa.string()),
        ("key", pa.uint64()),
        ("line", pa.string()),
        ("documents", pa.int64()),
        ("example_source", pa.string()),
    ]
)


def _hash(*parts: str) -> int:
    return xxhash.xxh3_64_intdigest("\x01".join(parts).encode("utf-8", "surrogatepass"))


def _norm(line: Line) -> str:
    """What of a line is compared: its words; where it has none, the characters."""
    return " ".join(line.words) or line.shown


def candidates(lines: list[Line], language: str | None) -> list[tuple[int, Line]]:
    """Key and line of every line of a document that could be learned, in order."""
    first, after = body_span(lines)
    if not after:
        return []  # no prose: a list, a poem or a menu; what recurs there may be all there is
    book = phrase_book(language)
    found = []
    for index, line in enumerate(lines):
        if line.guarded or line.size > MOST_WORDS or line.shown[0] == "#" or not line.words:
            continue
        if first <= index < after:
            continue
        if book.find(line) is not None:
            found.append((_hash(_norm(line), SIGNED), line))
            continue
        if line.is_prose or _wrapped(lines, index):
            continue
        below = _norm(lines[index + 1]) if index + 1 < len(lines) else EDGE
        above = _norm(lines[index - 1]) if index else EDGE
        # Above the text the last line of the run may be the headline or its first heading, so both neighbours must
        # recur with it; below the text what follows is enough.
        key = _hash(above, _norm(line), below) if index < first else _hash(_norm(line), below)
        found.append((key, line))
    return found


def _wrapped(lines: list[Line], index: int) -> bool:
    """Whether the line is part of a paragraph broken into lines of one width (a licence, an old e-mail).

    Marks in front of every line (`* `, `// `, `> `) do not count; what is set in capitals goes on in capitals.
    """
    line, shown = lines[index], _bare(lines[index])
    if shown[:1].islower() or (line.size >= INTRODUCTION_WORDS and shown.endswith((":", "："))):
        return True
    before = lines[index - 1] if index else None
    if before and before.number == line.number - 1 and len(before.shown) >= WRAP_CHARACTERS and not before.stopped:
        return True
    behind = lines[index + 1] if index + 1 < len(lines) else None
    if not behind or behind.number != line.number + 1 or len(line.shown) < WRAP_CHARACTERS or line.stopped:
        return False
    more = _bare(behind)
    return more[:1].islower() or len(behind.shown) >= WRAP_CHARACTERS or (shown.isupper() and more.isupper())


def _bare(line: Line) -> str:
    """The line without the marks of a comment or a quotation in front of it."""
    return line.shown.lstrip("*/#;>|- \t")


def line_keys(document: Document) -> list[tuple[int, str]]:
    """64-bit key and text of every line of `document` that would be boilerplate if it recurred; each key once."""
    found = candidates(split_lines(document.text), document.language)
    return list({key: (key, line.shown) for key, line in found}.values())


def anchor_key(document: Document) -> int:
    """64-bit key of the document's longest paragraph (of equals the first): copies of one article have one anchor."""
    longest = max(document.text.split("\n"), key=len)
    return _hash(" ".join(longest.split()).casefold())


def learn_lines(counts: pa.Table) -> pa.Table:
    """The learned lines of each site.

    `counts` has one row for a candidate line of a document: site (string), key (uint64 or int64), line (string),
    anchor (uint64 or int64), source (string). Gives `LEARNED`: one row for each site and key that stand in at least
    `MIN_DOCUMENTS` documents with distinct anchors; line and source are those of the least source; sorted by site, key.
    Adding rows never removes one: the count only grows.
    """
    if counts.num_rows == 0:
        return LEARNED.empty_table()
    grouped = counts.group_by(["site", "key"]).aggregate([("anchor", "count_distinct")])
    enough = grouped.filter(pc.greater_equal(grouped["anchor_count_distinct"], MIN_DOCUMENTS))
    if enough.num_rows == 0:
        return LEARNED.empty_table()
    rows = counts.join(enough, keys=["site", "key"], join_type="inner").sort_by(
        [("site", "ascending"), ("key", "ascending"), ("source", "ascending"), ("line", "ascending")]
    )
    firsts: dict[tuple[str, int], tuple[str, int, str]] = {}
    for site, key, line, documents, source in zip(
        *(rows[name].to_pylist() for name in ("site", "key", "line", "anchor_count_distinct", "source")), strict=True
    ):
        firsts.setdefault((site, key), (line, documents, source))
    return pa.Table.from_pylist(
        [
            {"site": site, "key": key % 2**64, "line": line, "documents": documents, "example_source": source}
            for (site, key), (line, documents, source) in firsts.items()
        ],
        schema=LEARNED,
    )
