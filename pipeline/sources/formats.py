"""What a file is: by its name, and by its first bytes where they know better."""

from __future__ import annotations

import re

from pipeline.config import Reading
from pipeline.document import Kind
from pipeline.errors import DocumentRejected
from pipeline.sources.compression import without_suffix
from pipeline.sources.records import Came

HEAD_BYTES = 65_536  # what is looked at to tell what a file is

_BY_SUFFIX: dict[str, Came] = {
    **dict.fromkeys(("html", "htm", "xhtml"), "html"),
    **dict.fromkeys(("txt", "text"), "text"),
    **dict.fromkeys(("md", "markdown"), "markdown"),
    **dict.fromkeys(("jsonl", "ndjson"), "jsonl"),
    **dict.fromkeys(("warc", "wet", "wat"), "warc"),
    "json": "json",
    "parquet": "parquet",
}
_TABLES = {"csv": "CSV", "tsv": "TSV"}
_BLANK = b" \t\r\n\f"
# The start of a page, after what may stand before it: a byte order mark, an XML declaration, comments.
_BEFORE = r"\A\ufeff?\s*(?:<\?xml[^>]{0,500}\?>\s*)?(?:<!--(?:(?!-->).){0,4000}-->\s*)*"
_PAGE = re.compile(_BEFORE + r"(?:<!doctype\s+html\b|<html\b)", re.IGNORECASE | re.DOTALL)
# https://mimesniff.spec.whatwg.org/#rules-for-identifying-an-unknown-mime-type, less <!-- and the shortest tags
_FRAGMENT = re.compile(
    _BEFORE + r"<(?:head|script|iframe|h1|div|table|style|title|body|p|article|section|main)(?=[\s>])[^<]*",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<[A-Za-z!/?]")
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b")


def suffix_of(path: str) -> str:
    """The lower-case suffix of a path without its dot, less `.gz` or `.zst`.

    >>> suffix_of("a.b/Feed.JSONL.gz"), suffix_of("a.b/README")
    ('jsonl', '')
    """
    name = without_suffix(path.rpartition("/")[2])
    stem, dot, suffix = name.rpartition(".")
    return suffix.lower() if dot and stem else ""


def identify(path: str, head: bytes, reading: Reading) -> Came:
    r"""The format of a file, given its path and its first bytes (decompressed, up to `HEAD_BYTES`).

    What a name promises is believed unless the bytes rule it out; without a known name the bytes decide.
    Raises DocumentRejected for what is known and not read (CSV, tar, XML that is no page).

    >>> identify("notes", b"<!DOCTYPE html><html>", Reading()), identify("a.log", b"two\nlines", Reading())
    ('html', 'text')
    >>> identify("crawl.txt", b"WARC/1.1\r\n", Reading()), identify("a.txt", b'{"text": "x"}', Reading())
    ('warc', 'text')
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    if re.match(rb"WARC/\d", head):
        return "warc"
    if head.startswith(b"filedesc://"):
        raise DocumentRejected("an ARC file, the format before WARC: convert it to WARC.")
    if head[257:262] == b"ustar":
        raise DocumentRejected("binary: a tar archive. Unpack it into RAW.")
    suffix = suffix_of(path)
    if suffix in _TABLES:
        raise DocumentRejected(
            f"{_TABLES[suffix]} is not read: convert it to JSONL or Parquet, with one column named text or html."
        )
    came = _BY_SUFFIX.get(suffix)
    if came == "json" and _has_json_lines(head, 2):
        return "jsonl"
    return came or _by_content(head, reading)


def _by_content(head: bytes, reading: Reading) -> Came:
    """The format of a file whose name says nothing."""
    text = head.decode("utf-8", "replace")
    if _PAGE.match(text):
        return "html"
    if _XML.match(head):
        raise DocumentRejected("XML that is no web page: convert it to HTML, text or JSONL.")
    if _FRAGMENT.match(text):
        return "html"
    if _has_json_lines(head, 1):
        from pipeline.sources.jsonl import parse_line

        first = parse_line(head.lstrip(_BLANK).split(b"\n", 1)[0])
        if isinstance(first, dict) and (reading.text_field in first or reading.html_field in first):
            return "jsonl"
    return "text"


def page_begins(head: bytes) -> bool:
    """Whether bytes begin like an HTML page, or like a piece of one."""
    text = head[:HEAD_BYTES].decode("utf-8", "replace")
    return bool(_PAGE.match(text) or _FRAGMENT.match(text))


def _has_json_lines(head: bytes, least: int) -> bool:
    """Whether the first `least` lines each look like a JSON object."""
    lines = [line for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", least + 5) if line.strip()][:least]
    return len(lines) == least and all(
        line.lstrip().startswith(b"{") and (line.rstrip().endswith(b"}") or len(head) >= HEAD_BYTES) for line in lines
    )


def kind_of(text: str, named: Kind) -> Kind:
    r"""What a text is, by content as much as by name.

    A whole page is HTML whatever its name; a page without a single tag is text.

    >>> kind_of("<!doctype html><p>Hello", "text"), kind_of("Just words, 3 < 4.", "html")
    ('html', 'text')
    >>> kind_of("<p>Hello", "html"), kind_of("Use <html> as the root.", "text"), kind_of("<div>\n# Notes", "markdown")
    ('html', 'text', 'markdown')
    """
    if named == "html":
        return "html" if _TAG.search(text) else "text"
    return "html" if _PAGE.match(text, 0, HEAD_BYTES) else named
