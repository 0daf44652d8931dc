"""Markup out of text and Markdown: front matter to fields, wikilinks to words, stray HTML away; Markdown itself stays.

Which rules there are, what each leaves alone and why: docs/markup.md. Every rule works on the places that one
scan for `<` and `[[` finds, so a document without them costs two substring searches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from pipeline.document import Change, Document, Kind
from pipeline.stages.markup_fields import BLANK, front_matter, read_fields
from pipeline.stages.markup_tags import CODE_ELEMENT, Mark, closed_tags, find_mark, runs, take_out

STAGE = "markup"
# Taking one layer away can lay the next one open: `[[a | <b>b</b>]]`. Real text has two layers at most; what is still
# changing after eight is an attack or a test file, and stays as it was.
MAX_LAYERS = 8

PLACE = re.compile(r"<(?=[a-zA-Z/!])|\[\[")
WIKILINK = re.compile(r"\[\[([^\[\]\n|]{1,300}+)(?:\|([^\[\]\n]{0,500}+))?\]\]")
# Shell tests, arrays and R's output have double brackets too: these do not stand in the name of a note.
NOT_A_NOTE = re.compile(
    r"[$\"=<>&;{}]|^\s*[-:]|^[\s\d.,+-]*$|^\s*(?:File|Image|Category|Datei|Fichier):", re.IGNORECASE
)
SLUG = re.compile(r"(?<!\S)[^\s_]+(?:_[^\s_]+)+")  # from where a word starts: searching takes linear time, too
EMBEDDED = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|bmp|avif|pdf|mp3|mp4|webm)\s*$", re.IGNORECASE)
SCAFFOLD = re.compile(
    r"(?P<label>[^\W\d_][\w ]{0,24}):{1,2}[ \t]*+"
    r"(?P<links>\[\[[^\[\]\n]{1,500}\]\](?:[ \t]*+,?[ \t]*+\[\[[^\[\]\n]{1,500}\]\])*+)"
    r"[ \t]*+(?:<br[ \t]*/?>)?[ \t]*+(?:\r?\n|\Z)"
)
# A text that shows how pages are written shows these; there a tag is the content.
ABOUT_HTML = re.compile(
    r"<(?:!doctype|html|head|body|template|\?php|\?xml)\b|</(?:html|body)>|<[a-z][^<>{]{0,300}+(?<==)\{", re.IGNORECASE
)
FENCE = re.compile(r"^ {0,3}(`{3,}+|~{3,}+)([^\n]*+)$", re.MULTILINE)
TICKS = re.compile(r"`++")
PARAGRAPH_END = re.compile(r"\n[ \t]*+\r?\n")


def strip_markup(document: Document) -> Document:
    r"""Take markup that is not Markdown out of `document`, its front matter into fields; HTML is left to `extract`.

    >>> strip_markup(Document("a.md", "---\ntitle: Tides\n---\nThe [[sea_level | sea]] rose<br/>")).text
    'The sea rose'
    >>> strip_markup(Document("a.md", "if a < b: List<T> in `<br>`, x[[1]]")).text
    'if a < b: List<T> in `<br>`, x[[1]]'
    """
    if document.kind == "html":
        return document
    done = document
    for _ in range(MAX_LAYERS):
        before = done
        done = take_layer(before)
        if done is before:
            return flag_broken(done)
    if take_layer(done) is not done:
        return flag(document, min(len(document.text), 80), "too-many-layers")
    return flag_broken(done)


def take_layer(document: Document) -> Document:
    """Take out front matter, scaffolding and one layer of markup; the same object where there is none."""
    done = take_front_matter(document) if document.text.startswith("---") else document
    if "<" not in done.text and "[[" not in done.text:
        return done
    done = take_scaffold(done)
    return done.edited(STAGE, markup_changes(done.text, done.kind))


def flag_broken(document: Document) -> Document:
    """Flag front matter that is left because it could not be read."""
    found = front_matter(document.text) if document.text.startswith("---") else None
    return document if found is None else flag(document, found[0], "broken-front-matter")


def flag(document: Document, end: int, rule: str) -> Document:
    """Flag the beginning of the text, once."""
    if any(edit.stage == STAGE and edit.rule == rule for edit in document.edits):
        return document
    return document.edited(STAGE, [Change(0, end, "", rule, flag=True)])


def take_front_matter(document: Document) -> Document:
    """Move the YAML block between two `---` at the top into fields and metadata; a broken one stays.

    Fields that the document already has win; what the front matter says of them goes to metadata.
    """
    end, values = front_matter(document.text) or (0, None)
    if values is None:
        return document
    fields, metadata = read_fields(values)
    for name in [name for name in fields if getattr(document, name) is not None]:
        value = fields.pop(name)
        if value != getattr(document, name):
            metadata[name] = value
    done = document.edited(STAGE, [Change(0, end, "", "front-matter")])
    return done.with_fields(**fields, metadata={**metadata, **document.metadata})


def take_scaffold(document: Document) -> Document:
    r"""Move lines such as `From: [[channel]] <br/>` above the first line of text into metadata.

    >>> done = take_scaffold(Document("a.md", "From: [[night_school]] <br/>\n\nTides rise."))
    >>> done.text, dict(done.metadata)
    ('Tides rise.', {'from': 'night school'})
    >>> take_scaffold(Document("a.md", "From: Ann\nSee [[tides]].")).text
    'From: Ann\nSee [[tides]].'
    """
    text, metadata, changes = document.text, dict(document.metadata), []
    position = after_blank(text, 0)
    while found := SCAFFOLD.match(text, position):
        shown = [display(link) for link in WIKILINK.finditer(found["links"])]
        if not shown or None in shown:
            break
        metadata.setdefault(found["label"].strip().lower(), ", ".join(name for name in shown if name))
        end = after_blank(text, found.end())
        changes.append(Change(position, end, "", "scaffold"))
        position = end
    return document.edited(STAGE, changes).with_fields(metadata=metadata) if changes else document


def after_blank(text: str, position: int) -> int:
    """Where the first line that is not blank begins, from a line's start at `position`."""
    found = BLANK.match(text, position)
    return found.end() if found else position


def markup_changes(text: str, kind: Kind) -> list[Change]:
    """Give the changes that take one layer of wikilinks, comments, timestamp anchors and tags out of the text."""
    links: list[Change] = []
    marks = list(find_marks(text, not ABOUT_HTML.search(text), kind == "markdown", links))
    return [*links, *(take_out(text, group) for group in runs(text, marks))]


def find_marks(text: str, tags: bool, scripts: bool, links: list[Change]) -> Iterator[Mark]:
    """Find the marks outside code, in order; wikilinks are appended to `links`. Linear in the text.

    Without `tags` only timestamp anchors and embeds are found; with `scripts` also script and style elements.
    """
    kept = code_spans(text) if "`" in text or "~~~" in text else []
    starts = [start for start, _ in kept]
    closed = closed_tags(text) if tags else frozenset()
    searched: dict[str, bool] = {}
    position = 0
    for place in PLACE.finditer(text):
        at = place.start()
        index = bisect_right(starts, at) - 1
        if at < position or (index >= 0 and at < kept[index][1]):
            continue
        mark = None
        if text[at] == "[":
            found = wikilink(text, at)
            if isinstance(found, Change):
                links.append(found)
                position = found.end
            else:
                mark = found
        elif not tags:
            mark = find_mark(text, at, closed)
            mark = mark if mark and mark.rule == "timestamp" else None
        else:
            mark = element(text, at, scripts, searched) or find_mark(text, at, closed)
        if mark is not None:
            position = mark.end
            yield mark


def element(text: str, at: int, scripts: bool, searched: dict[str, bool]) -> Mark | None:
    """Find the comment, or with `scripts` the script or style element, that begins at `at`, to its end.

    `searched` remembers which ends do not come any more, so that a text full of beginnings is searched once.
    """
    if text.startswith("<!--", at):
        name, ending, begin = "comment", "-->", at + 4
    elif scripts and (opened := CODE_ELEMENT.match(text, at)):
        name, ending, begin = opened[1].lower(), f"</{opened[1]}>", opened.end()
    else:
        return None
    if searched.get(ending):
        return None
    end = text.find(ending, begin)
    searched[ending] = end < 0
    return Mark(at, end + len(ending), name) if end >= 0 else None


def code_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of fenced blocks and inline code, as CommonMark has them, in order. Linear in the text.

    >>> [("a `b` ~~~"[start:end]) for start, end in code_spans("a `b` ~~~")]
    ['`b`']
    """
    spans: list[tuple[int, int]] = []
    opened: tuple[int, str] | None = None
    for fence in FENCE.finditer(text):
        marks, rest = fence[1], fence[2]
        if opened is None:
            if marks[0] == "~" or "`" not in rest:
                opened = (fence.start(), marks)
        elif marks[0] == opened[1][0] and len(marks) >= len(opened[1]) and not rest.strip():
            spans.append((opened[0], fence.end()))
            opened = None
    if opened is not None:
        spans.append((opened[0], len(text)))
    position = 0
    inline: list[tuple[int, int]] = []
    for start, end in [*spans, (len(text), len(text))]:
        inline.extend(inline_code(text, position, start))
        position = end
    return sorted([*spans, *inline])


def inline_code(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans between two equally long runs of backticks in text[start:end], within one paragraph."""
    while start < end:
        paragraph = PARAGRAPH_END.search(text, start, end)
        stop = paragraph.end() if paragraph else end
        ticks = list(TICKS.finditer(text, start, stop))
        later: dict[int, list[int]] = {}
        for number in range(len(ticks) - 1, -1, -1):  # from the last to the first, so that the end of a list is nearest
            later.setdefault(len(ticks[number][0]), []).append(number)
        number = 0
        while number < len(ticks):
            same = later[len(ticks[number][0])]
            while same and same[-1] <= number:
                same.pop()
            if same:
                yield ticks[number].start(), ticks[same[-1]].end()
                number = same[-1]
            number += 1
        start = stop


def display(link: re.Match[str]) -> str | None:
    """Say what a reader sees of a wikilink; None for brackets that are no link.

    >>> [display(WIKILINK.fullmatch(link)) for link in ("[[a | b]]", "[[night_school]]", "[[Tides#Neap]]", "[[1]]")]
    ['b', 'night school', 'Tides > Neap', None]
    """
    target, shown = link[1], link[2]
    if NOT_A_NOTE.search(target):
        return None
    if shown is not None and shown.strip():
        return shown.strip()
    target = target.strip().rstrip("\\").strip().lstrip("#^")
    return " > ".join(part.replace("_", " ") if SLUG.fullmatch(part) else part for part in re.split("#+", target))


def wikilink(text: str, at: int) -> Change | Mark | None:
    """`[[target | words]]` to its words, an embedded file to nothing; indexing such as `x[[1]]` stays."""
    found = WIKILINK.match(text, at)
    if found is None:
        return None
    before = text[at - 1] if at else " "
    if before == "!" and EMBEDDED.search(found[1]):
        return Mark(at - 1, found.end(), "embed", " ")
    if before.isalnum() or before in "_])[":
        return None
    shown = display(found)
    return None if shown is None else Change(at - (before == "!"), found.end(), shown, "wikilink")
