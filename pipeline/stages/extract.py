"""HTML → the text of the page and what the page says of itself.

A page is parsed once. Its blocks (paragraphs, headings, items, rows) are scored by a small fitted model that sees
each block, its neighbours, the boxes it stands in, and the vote of an extractor made for articles; see
`docs/extraction.md`. What the page carries as JSON only (forum threads) is read from there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from lxml.html import HtmlElement
from numpy.typing import NDArray

from pipeline.config import Extract
from pipeline.document import Document, Edit
from pipeline.errors import DocumentRejected
from pipeline.stages.extract_blocks import HINTS, Block, Page, read_blocks
from pipeline.stages.extract_features import features
from pipeline.stages.extract_hidden import hidden_html
from pipeline.stages.extract_metadata import Metadata, read_metadata
from pipeline.stages.extract_model import agree, choose, load_forest
from pipeline.stages.extract_page import parse_page
from pipeline.stages.extract_render import render

STAGE = "extract"
INSIDE = 0.1  # least mean probability of content for a list between kept blocks: recipes lose theirs otherwise
_COMMENTS = 1 << list(HINTS).index("comments")
# What trafilatura would throw out itself, after many a search through it: without it, it takes a fifth less time.
_WEIGHTLESS = (
    "script", "style", "svg", "template", "noscript", "iframe", "link", "head", "nav", "select", "button", "input",
    "canvas", "form", "footer", "aside", "picture", "video", "object",
)  # fmt: skip

# trafilatura tells its log about every page it finds hard; what matters of it is in the document's edits.
for _name in ("trafilatura", "readability", "htmldate"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def extract_html(document: Document, settings: Extract, extractor: str, nesting: int = 2_000) -> Document:
    """A document of kind "html" as Markdown, with the fields it states; any other document as it is.

    `extractor` ("trafilatura" or "resiliparse") has a vote in what is content; `nesting` is the most tags inside
    each other. Fields that the document has already are kept, and the title is not repeated in the text.
    One edit, without the page itself (that stays in RAW), says which method gave the text.
    Raises DocumentRejected when the page has no text, DocumentFailed when it is nested too deeply.
    """
    if document.kind != "html":
        return document
    tree = parse_page(document.text, nesting)
    metadata = read_metadata(tree, document.url)
    title = document.title or metadata.title
    blocks, method = _content(tree, document.text, metadata, settings, extractor, nesting)
    text = render(_without_title(blocks, title))
    if not text:
        raise DocumentRejected("no text in the page")
    return replace(
        document,
        text=text,
        kind="markdown",
        edits=(*document.edits, Edit(STAGE, method, "replaced", 0, "", "", document.steps)),
        **_fields(document, metadata),
    )


def _fields(document: Document, metadata: Metadata) -> dict[str, Any]:
    """What the page says of the fields nobody stated before."""
    names = ("title", "author", "date", "url", "language", "site")
    return {name: getattr(document, name) or getattr(metadata, name) for name in names}


def _content(
    tree: HtmlElement, text: str, metadata: Metadata, settings: Extract, extractor: str, nesting: int
) -> tuple[list[Block], str]:
    """The blocks that are content, and the method that found them."""
    page, method = find_blocks(tree, settings, extractor, nesting)
    if not page.blocks:
        raise DocumentRejected("no text in the page")
    if not method.endswith("-model"):
        return page.blocks, method
    table = features(page, vote_text(tree, text, extractor), metadata.types)
    scores = load_forest(extractor).score(table)
    sizes = np.array([block.words for block in page.blocks], dtype=np.float32)
    keep = choose(scores, sizes, settings.beta)
    if table["is_article"][0]:
        keep = agree(keep, table["vote"], scores, sizes)
    keep = _whole_lists(page.blocks, keep, scores)
    if settings.comments:
        keep |= np.array([_is_comment(page, block) for block in page.blocks])
    if not settings.tables:
        keep &= np.array([block.kind != "tr" for block in page.blocks])
    return [block for block, kept in zip(page.blocks, keep, strict=True) if kept], method


def find_blocks(tree: HtmlElement, settings: Extract, extractor: str, nesting: int) -> tuple[Page, str]:
    """The page's blocks and how they were found: "forum" or "json-ld" (all of them content), or "<extractor>-model"."""
    page, method = read_blocks(tree), f"{extractor}-model"
    return _hidden(tree, page, method, nesting) if _words(page) < settings.thin_words else (page, method)


def vote_text(tree: HtmlElement, text: str, extractor: str) -> str:
    """What the voting extractor takes for the content; it may change the tree."""
    return _trafilatura(tree) if extractor == "trafilatura" else _resiliparse(text)


def _hidden(tree: HtmlElement, page: Page, method: str, nesting: int) -> tuple[Page, str]:
    """What a page that shows next to nothing holds besides, as JSON or in `<noscript>`; the page if that is no more."""
    if found := hidden_html(tree):
        inner = read_blocks(parse_page(found[0], nesting))
        if _words(inner) > _words(page):
            return inner, found[1]
    inner = read_blocks(tree, noscript=True)
    return (inner, method) if _words(inner) > _words(page) else (page, method)


def _words(page: Page) -> float:
    return sum(block.words for block in page.blocks)


def _whole_lists(blocks: Sequence[Block], keep: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """`keep` with the lists and tables that lie between kept blocks, unless the model is sure that they are none."""
    keep, end = keep.copy(), 0
    for kind, run in groupby(range(len(blocks)), key=lambda number: "" if keep[number] else blocks[number].kind):
        start, end = end, end + len(list(run))
        inside = start > 0 and end < len(blocks) and keep[start - 1]
        if inside and kind in ("li", "tr", "dt", "dd") and keep[end] and scores[start:end].mean() > INSIDE:
            keep[start:end] = True
    return keep


def _is_comment(page: Page, block: Block) -> bool:
    """Whether a block is part of a reader's comment: in a box called so, of some length, not links."""
    return bool(page.boxes[block.box].bits & _COMMENTS) and block.words >= 5 and block.linked < block.words / 3


def _without_title(blocks: Sequence[Block], title: str | None) -> Sequence[Block]:
    """`blocks` without the first that is the title: an h1 anywhere, another kind among the first three."""
    wanted = _plain(title or "")
    for number, block in enumerate(blocks):
        if wanted and (number < 3 or block.kind == "h1") and _plain(block.text) == wanted:
            return [*blocks[:number], *blocks[number + 1 :]]
    return blocks


def _plain(text: str) -> str:
    """Words only, in lower case: what two printings of a headline share."""
    return " ".join(re.findall(r"\w+", text.lower()))


@lru_cache(maxsize=1)
def _options() -> Any:
    from trafilatura.settings import Extractor

    return Extractor(fast=True, recall=True, comments=False, formatting=False)


def _trafilatura(tree: HtmlElement) -> str:
    """What trafilatura takes for the text, by its fast mode; it changes the tree.

    Recall mode, because it does not start over when it finds little: 20 % faster, and no worse on articles.
    """
    from trafilatura import extract

    for element in list(tree.iter(*_WEIGHTLESS)):
        if element.getparent() is not None:
            element.drop_tree()
    try:
        return extract(tree, options=_options()) or ""
    except Exception:  # whatever it stumbles over (RecursionError on deep pages): the model does without the vote
        return ""


def _resiliparse(text: str) -> str:
    """What resiliparse takes for the main content: six times faster."""
    from resiliparse.extract.html2text import extract_plain_text

    # Lone surrogates have no UTF-8, which is what it reads.
    return str(extract_plain_text(text.encode("utf-8", "replace").decode("utf-8"), main_content=True))
