"""The blocks of a page: its paragraphs, headings, list items and table rows, each with where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree
from lxml.html import HtmlElement

# Not text for a reader: its subtree is left out.
DROPPED = frozenset(
    {"head", "script", "style", "template", "svg", "noscript", "iframe", "object", "embed", "applet", "canvas", "audio",
     "video", "map", "select", "datalist", "textarea", "input", "math", "progress", "meter", "frameset", "noframes"}
)  # fmt: skip

# Where a line ends on the screen: these tags part blocks. Everything else runs on in the line.
BOXES = frozenset(
    {"address", "article", "aside", "blockquote", "body", "button", "caption", "center", "dd", "details", "dialog",
     "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
     "header", "hgroup", "hr", "html",
     "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "search", "section",
     "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "label", "noscript"}
)  # fmt: skip

# What the names (class, id, role) of a box tell of its content: groups of words, each a feature of the model.
HINTS = {
    "content": r"article|body|content|entry|story|text|main|description|detail|prose|markdown|\bdoc|wysiwyg|rte\b",
    "navigation": r"nav|menu|crumb|pagin|\btoc|tablist|skip",
    "footer": r"foot|copyright|legal|colophon",
    "side": r"side|aside|widget|\brail|secondary|complementary",
    "social": r"share|sharing|social|follow|facebook|twitter|like",
    "related": r"related|recommend|popular|trending|latest|teaser|similar|upsell|cross-?sell|read-?more|see-?also|"
    r"recent",
    "comments": r"comment|disqus|respond|repl(?:y|ies)|discuss",
    "ads": r"\bads?\b|\bad[-_]|advert|sponsor|dfp|taboola|outbrain|promo|banner",
    "signup": r"newsletter|subscri|sign-?up|log-?in|regist|search|form\b|contact",
    "overlay": r"cookie|consent|gdpr|modal|pop-?up|overlay|dialog|lightbox|toast|alert",
    "meta": r"meta|byline|author|date|time|\btags?\b|categor|caption|credit|\bbio\b|avatar|user|profile|signature",
    "product": r"product|price|spec|feature|sku|cart|buy|shipping|stock|variant|swatch|quantity",
    "review": r"review|rating|testimonial|star",
    "thread": r"post|thread|topic|message|question|answer|forum",
    "header": r"header|masthead|top-?bar|hero|banner",
    "card": r"card|tile|grid|item|carousel|slide|gallery|column|\bcol\b",
    "hidden": r"hidden|sr-only|screen-reader|visually|collaps|accordion|tab-pane|offscreen",
}
_HINT = re.compile("|".join(f"({pattern})" for pattern in HINTS.values()))

# Tags that say the same in other words: their bits follow those of HINTS.
PLACES = (
    "nav", "header", "footer", "aside", "form", "main", "article", "section", "table", "li", "figure", "button",
    "blockquote", "dl", "details", "label", "p", "td", "noscript",
)  # fmt: skip
_PLACE_BITS = {tag: 1 << (len(HINTS) + number) for number, tag in enumerate(PLACES)}
INVISIBLE = 1 << (len(HINTS) + len(PLACES))
BITS = len(HINTS) + len(PLACES) + 1

_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CJK = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
MAX_ROW = 1_000  # characters in a row of a table of data; what is longer was a table for the layout
_NO_DATA = frozenset({"table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "form", "article", "section", "pre"})


@dataclass(slots=True)
class Box:
    """A block-level element: what it is called, where it stands, and how much text it holds in all."""

    parent: int
    tag: str
    name: str
    own: int
    bits: int
    depth: int
    words: float = 0.0
    linked: float = 0.0
    blocks: int = 0


@dataclass(slots=True)
class Block:
    """One run of text that a reader sees as a paragraph, a heading, an item or a row.

    `kind` is the tag that says how to print it (`p`, `h1`…`h6`, `li`, `pre`, `blockquote`, `tr`, `dt`, `dd`, `td`);
    `words` counts words (a character of a script without blanks is half a word), `linked` those inside links.
    """

    text: str
    kind: str
    box: int
    words: float
    linked: float
    cells: tuple[str, ...] = ()
    level: int = 0


@dataclass(slots=True)
class Page:
    """The blocks of a page in its order, and the boxes they stand in; box 0 is the page."""

    blocks: list[Block] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)


@lru_cache(maxsize=65_536)
def _hints(name: str) -> int:
    """Which groups of HINTS one word of a box's name speaks of, one bit each.

    >>> [group for number, group in enumerate(HINTS) if _hints("main-nav-search") >> number & 1]
    ['content', 'navigation', 'signup']
    """
    bits = 0
    for match in _HINT.finditer(name):
        bits |= 1 << (match.lastindex or 1) - 1
    return bits


def count_words(text: str) -> float:
    """Words in `text`; where a script writes no blanks, half a word a character.

    >>> count_words("two words"), count_words("東京都")
    (2.0, 1.5)
    """
    words = float(len(text.split()))
    if not text.isascii() and (dense := len(_CJK.findall(text))) > words:
        return dense / 2
    return words


class _Reader:
    """Collects blocks while the tree is walked: the text of the open block, and the open boxes."""

    def __init__(self) -> None:
        self.page = Page()
        self.pieces: list[str] = []
        self.linked: list[str] = []
        self.links = 0
        self.preformatted = 0
        self.lists = 0
        self.box = -1

    def add(self, text: str | None) -> None:
        if text:
            self.pieces.append(text)
            if self.links:
                self.linked.append(text)

    def open(self, element: HtmlElement) -> None:
        self.flush()
        tag = element.tag
        parent = self.page.boxes[self.box] if self.box >= 0 else None
        name, own = "", _PLACE_BITS.get(tag, 0)
        if attributes := dict(element.items()):
            name = f"{attributes.get('class', '')} {attributes.get('id', '')} {attributes.get('role', '')}".lower()
            for word in name.split():
                own |= _hints(word)
            style = attributes.get("style")
            if (
                "hidden" in attributes
                or attributes.get("aria-hidden") == "true"
                or (style and _INVISIBLE.search(style))
            ):
                own |= INVISIBLE
        inherited = parent.bits if parent and tag != "body" else 0
        # Class names of <html> and <body> are about the site, not about what stands in it.
        own = 0 if tag in ("html", "body") else own
        depth = parent.depth + 1 if parent else 0
        self.page.boxes.append(Box(self.box, tag, name, own, own | inherited, depth))
        self.box = len(self.page.boxes) - 1
        self.preformatted += tag == "pre"
        self.lists += tag in ("ul", "ol")

    def close(self, element: HtmlElement) -> None:
        self.flush()
        box = self.page.boxes[self.box]
        if box.parent >= 0:
            parent = self.page.boxes[box.parent]
            parent.words += box.words
            parent.linked += box.linked
            parent.blocks += box.blocks
        self.preformatted -= element.tag == "pre"
        self.lists -= element.tag in ("ul", "ol")
        self.box = box.parent

    def flush(self, cells: tuple[str, ...] = (), kind: str | None = None) -> None:
        """End the open block, if it holds anything."""
        if not self.pieces:
            return
        raw = "".join(self.pieces)
        linked = " ".join(self.linked)
        self.pieces, self.linked = [], []
        text = _fold_lines(raw) if self.preformatted else " ".join(raw.split())
        if not text:
            return
        words, box = count_words(text), self.page.boxes[self.box]
        block = Block(text, kind or self._kind(), self.box, words, min(words, count_words(linked)), cells, self.lists)
        box.words += words
        box.linked += block.linked
        box.blocks += 1
        self.page.blocks.append(block)

    def _kind(self) -> str:
        """How to print a block: by the nearest box that says so."""
        if self.preformatted:
            return "pre"
        boxes, at = self.page.boxes, self.box
        for _ in range(4):
            if at < 0:
                break
            if boxes[at].tag in _KINDS:
                return boxes[at].tag
            if boxes[at].blocks:  # not the first text in there: a paragraph below a heading or in an item
                break
            at = boxes[at].parent
        return "p"


_KINDS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "li", "blockquote", "dt", "dd"})


def _fold_lines(text: str) -> str:
    """Preformatted text without blanks at line ends and empty lines at both ends."""
    return "\n".join(line.rstrip() for line in text.expandtabs(4).splitlines()).strip("\n")


def _cells(row: HtmlElement) -> tuple[str, ...]:
    """The texts of a row's cells if the row is one of a table of data; else nothing."""
    size = 0
    for element in row.iterdescendants():
        if element.tag in _NO_DATA:
            return ()
        size += len(element.text or "") + len(element.tail or "")
        if size > MAX_ROW * 3:
            return ()
    cells = tuple(" ".join(" ".join(_visible(cell)).split()) for cell in row if cell.tag in ("td", "th"))
    filled = sum(map(bool, cells))
    return cells if filled and len(cells) > 1 and sum(map(len, cells)) <= MAX_ROW else ()


def _visible(cell: HtmlElement) -> list[str]:
    """The texts in a cell, scripts and the like left out."""
    texts = [cell.text or ""]
    for element in cell.iterdescendants():
        if element.tag not in DROPPED:
            texts.append(element.text or "")
        texts.append(element.tail or "")
    return texts


def read_blocks(tree: HtmlElement, noscript: bool = False) -> Page:
    """The blocks of the page at `tree`, in its order; what stands in `<noscript>` only if asked for."""
    reader = _Reader()
    dropped = DROPPED - {"noscript"} if noscript else DROPPED
    walk = etree.iterwalk(tree, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if event == "start":
            if tag in dropped:
                walk.skip_subtree()
                continue
            if tag in BOXES:
                reader.open(element)
                if tag == "tr" and (cells := _cells(element)):
                    reader.pieces = [" ".join(cells)]
                    reader.linked = ["".join(link.itertext()) for link in element.iter("a")]
                    reader.flush(cells, "tr")
                    walk.skip_subtree()
                    continue
            elif tag == "a":
                reader.links += 1
            elif tag == "br":
                reader.pieces.append("\n" if reader.preformatted else " ")
                if (element.getprevious() is not None and element.getprevious().tag == "br"
                        and not (element.getprevious().tail or "").strip()):  # fmt: skip
                    reader.flush()
            reader.add(element.text)
        else:
            if tag in BOXES:
                reader.close(element)
            elif tag == "a":
                reader.links -= 1
            if element is not tree:
                reader.add(element.tail)
    return reader.page
