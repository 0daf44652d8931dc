"""HTML → the text of the page and what the page says of itself."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lxml.html import HtmlElement

from pipeline.config import Extract
from pipeline.document import Document, Edit
from pipeline.errors import DocumentRejected
from pipeline.stages.extract_metadata import Metadata, read_metadata
from pipeline.stages.extract_page import parse_page

STAGE = "extract"

# trafilatura tells its log about every page it finds hard; what matters of it is in the document's edits.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
logging.getLogger("readability").setLevel(logging.CRITICAL)


def extract_html(document: Document, settings: Extract, extractor: str, nesting: int = 2_000) -> Document:
    """A document of kind "html" as Markdown, with the fields it states; any other document as it is.

    `extractor` is "trafilatura" or "resiliparse"; `nesting` the most tags inside each other.
    Fields that the document has already are kept. The title is not repeated in the text. One edit, without the
    page (which stays in RAW), says which method gave the text. Raises DocumentRejected when the page
    has no text, DocumentFailed when it is nested too deeply.
    """
    if document.kind != "html":
        return document
    tree = parse_page(document.text, nesting)
    metadata = read_metadata(tree, document.url)
    title = document.title or metadata.title
    text, method = _trafilatura(tree, settings) if extractor == "trafilatura" else _resiliparse(tree, settings)
    text = without_title(text, title)
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


def without_title(text: str, title: str | None) -> str:
    """`text` without its first paragraph where that is the title, printed as a headline or not.

    >>> without_title("# Rain in May\\n\\nIt rained.", "Rain in May")
    'It rained.'
    >>> without_title("Rain in May was heavy.\\n\\nIt rained.", "Rain in May")
    'Rain in May was heavy.\\n\\nIt rained.'
    """
    first, _, rest = text.partition("\n\n")
    same = title and _words(first) == _words(title)
    return rest.lstrip("\n") if same else text


def _words(text: str) -> str:
    """Words only, in lower case: what two printings of a headline share."""
    return " ".join(re.findall(r"\w+", text.lower()))


@lru_cache(maxsize=8)
def _options(fast: bool, comments: bool, tables: bool) -> Any:
    from trafilatura.settings import Extractor

    return Extractor(output_format="markdown", fast=fast, comments=comments, tables=tables, formatting=True)


def _trafilatura(tree: HtmlElement, settings: Extract) -> tuple[str, str]:
    """Trafilatura's text, by its fast mode, and by the full one where that gives little."""
    from trafilatura import extract

    text = extract(tree, options=_options(True, settings.comments, settings.tables)) or ""
    if len(text.split()) >= settings.thin_words:
        return text, "trafilatura-fast"
    full = extract(tree, options=_options(False, settings.comments, settings.tables)) or ""
    return (full, "trafilatura") if len(full) > len(text) else (text, "trafilatura-fast")


def _resiliparse(tree: HtmlElement, settings: Extract) -> tuple[str, str]:
    """Resiliparse's main content: several times faster, for articles somewhat worse."""
    from lxml.html import tostring
    from resiliparse.extract.html2text import extract_plain_text

    page = tostring(tree, encoding="unicode")
    return extract_plain_text(page, main_content=True, comments=settings.comments, list_bullets=True), "resiliparse"
