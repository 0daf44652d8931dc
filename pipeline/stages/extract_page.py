"""HTML text → one lxml tree, safely: no network, no entities, no text lost to the parser's depth limit."""

from __future__ import annotations

import re

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from pipeline.errors import DocumentFailed, DocumentRejected

# What XML forbids and lxml refuses in a text: NUL, control characters, surrogates, two non-characters.
# A form feed or a vertical tab parts words, so each becomes a blank.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# A declared encoding in the page is about its bytes; ours are UTF-8 whatever it says (the parser is told so).
# An XML declaration makes libxml2 believe it all the same: it goes.
_XML_DECLARATION = re.compile(r"(?<!\s)\s*<\?xml[^>]{0,300}\?>", re.IGNORECASE)

# `<html … />` would end the document before it began (libxml2 takes the slash at its word).
_EMPTY_ROOT = re.compile(r"(<html\b[^<>]{0,2000}?)\s*/>", re.IGNORECASE)

# libxml2 drops, without a word, all that stands deeper than this, even for huge trees: a page that
# reaches it has lost text, whatever the limit in the settings says.
PARSER_DEPTH = 2_040


def parse_page(text: str, nesting: int) -> HtmlElement:
    """The tree of a page, comments and processing instructions left out.

    Raises DocumentRejected when there is no markup or text at all, DocumentFailed when the tags are
    nested deeper than `nesting` (libxml2 itself stops at about 2,040).
    """
    text = _XML_DECLARATION.sub("", text, count=1) if text.lstrip("\ufeff \t\r\n")[:5].lower() == "<?xml" else text
    text = _FORBIDDEN.sub(" ", text.lstrip("\ufeff"))
    text = _EMPTY_ROOT.sub(r"\1>", text[:4_096], count=1) + text[4_096:]
    if not text.strip():
        raise DocumentRejected("no text in the page")
    # One parser a page: it holds no dictionary of names that earlier pages left behind.
    parser = HTMLParser(
        encoding="utf-8",
        collect_ids=False,
        default_doctype=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=True,  # else everything below depth 255 is dropped silently
        no_network=True,
    )
    try:
        tree = document_fromstring(text.encode("utf-8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise DocumentRejected(f"no text in the page ({error})") from None
    depth = _depth(tree)
    if depth > min(nesting, PARSER_DEPTH):
        raise DocumentFailed(f"nested {depth} tags deep (limit {min(nesting, PARSER_DEPTH)}: raise limits.nesting)")
    return tree


def _depth(tree: HtmlElement) -> int:
    """How deep the tags are nested, the root being 1. In the order of the document, without recursion."""
    deepest = depth = 1
    node = tree
    while True:
        if len(node):
            node, depth = node[0], depth + 1
            deepest = max(deepest, depth)
            continue
        while node is not tree and (following := node.getnext()) is None:
            node, depth = node.getparent(), depth - 1
        if node is tree:
            return deepest
        node = following
