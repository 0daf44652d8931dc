"""WARC and WET: each captured page, and each extracted text, as one document."""

from __future__ import annotations

import contextlib
import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.config import Config
from pipeline.document import Kind
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.sources.charset import decode
from pipeline.sources.formats import page_begins
from pipeline.sources.records import RawDocument, SourceFile
from pipeline.sources.warc_records import Record, warc_records
from pipeline.sources.window import Window

# What a crawler captured. Requests, revisits, metadata and warcinfo are about documents and are none: no row.
DOCUMENTS = frozenset(("response", "resource", "conversion"))
_KINDS: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
    "text/markdown": "markdown",
}
_BARE_ID = re.compile(r"<?(?:urn:uuid:)?([^>]*)>?")
_UNFIT = re.compile(r"[\x00-\x20\x7f]")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}[ \t]*(?:;[^\r\n]*)?\r?\n")
MAX_ID = 200  # characters of a record id in `source`


def read_warc(
    file: SourceFile, stream: BinaryIO, gzipped: bool, config: Config, window: Window
) -> Iterator[RawDocument]:
    """The documents of a WARC file that stand in `window`, in order; broken records as rows, and on after them."""
    seen: set[str] = set()
    records = warc_records(stream, gzipped, DOCUMENTS, config.limits.document_bytes)
    number = index = 0
    while True:
        try:
            record = next(records, None)
        except DocumentError as error:
            if not window.elsewhere():
                yield _row(_source(file, {}, f"record-{number + 1}", seen), index, error)
            return
        if record is None or window.passed():
            return
        number += 1
        if record.fault is None and not _is_document(record):
            continue
        source = _source(file, record.headers, f"record-{number}", seen)
        if not window.meet():
            yield _read_record(record, source, index, config)
        index += 1


def _is_document(record: Record) -> bool:
    """Whether a whole record is a document; wget keeps its own log as a `resource` at `metadata://`."""
    return record.type in DOCUMENTS and not _url(record).startswith("metadata:")


def _url(record: Record) -> str:
    """The address a record was captured from; some writers put it in angle brackets."""
    return record.headers.get("warc-target-uri", "").strip().removeprefix("<").removesuffix(">")


def _source(file: SourceFile, headers: object, number: str, seen: set[str]) -> str:
    """The record's name: the file's, and the WARC-Record-ID without its wrapping; `~2` where it came before."""
    given = headers.get("warc-record-id", "") if isinstance(headers, dict) else ""
    found = _BARE_ID.fullmatch(given.strip())
    bare = _UNFIT.sub("", found[1] if found else given)[:MAX_ID] or number
    name, again = bare, 2
    while name in seen:
        name, again = f"{bare}~{again}", again + 1
    seen.add(name)
    return f"{file.path}#{name}"


def _row(source: str, index: int, error: DocumentError) -> RawDocument:
    """A record that is no document."""
    return RawDocument(source, index, "warc", b"", "text", error=error)


def _read_record(record: Record, source: str, index: int, config: Config) -> RawDocument:
    """A document out of a record, or the row that says why not."""
    fields = {"url": _url(record), "date": record.headers.get("warc-date", "")}
    fields = {name: value for name, value in fields.items() if value}
    try:
        if record.fault is not None:
            raise DocumentFailed(f"broken WARC record: {record.fault}")
        if record.headers.get("warc-segment-number", "1") != "1" or "warc-segment-total-length" in record.headers:
            raise DocumentRejected("one segment of a record in several: segments are not joined")
        payload, content_type = _payload(record, config.limits.document_bytes)
        if len(payload) > config.limits.document_bytes:
            raise DocumentFailed(f"larger than {config.limits.document_bytes:,} bytes. Raise [limits] document_bytes.")
        kind = _kind(content_type, payload)
    except DocumentError as error:
        return RawDocument(source, index, "warc", b"", "text", None, fields, error=error)
    sha256 = hashlib.sha256(payload).hexdigest()
    return RawDocument(source, index, "warc", payload, kind, content_type or None, fields, sha256)


def _kind(content_type: str, payload: bytes) -> Kind:
    """What a payload is, by its Content-Type, and by content where it has none. Raises DocumentRejected."""
    if not payload:
        raise DocumentRejected("empty: the response has no body")
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type:
        return "html" if page_begins(payload) else "text"
    if media_type not in _KINDS:
        raise DocumentRejected(f"{media_type[:100]}: only HTML, plain text and Markdown are read from WARC")
    return _KINDS[media_type]


def _payload(record: Record, limit: int) -> tuple[bytes, str]:
    """The body of a record, decoded to at most `limit` + 1 bytes, and its Content-Type.

    Raises DocumentRejected for a response that is no success, DocumentFailed where the body cannot be decoded.
    """
    block = record.block or b""
    content_type = record.headers.get("content-type", "")
    if not content_type.lower().startswith("application/http"):
        return block, content_type
    from fastwarc.warc import WarcRecord  # 20 ms that other formats need not pay

    problem = ""
    for decoding in ("all", "transfer", "none"):
        http = WarcRecord()
        http.set_bytes_content(block)
        http.is_http = True
        try:
            http.parse_http(auto_decode=decoding, quirks_mode=True)
            headers = http.http_headers
            _check_status(headers.status_code)
            body = http.reader.read(limit + 1)
        except OSError as error:
            problem = problem or str(error)
            continue
        content_type = headers.get("Content-Type") or record.headers.get("warc-identified-payload-type", "")
        encoding = (headers.get("Content-Encoding") or "").strip().lower()
        if decoding == "all" and encoding and not body:
            problem = f"its {encoding[:20]} data is cut short"
        elif decoding == "all":
            return body, content_type
        else:
            chunked = decoding == "none" and "chunked" in (headers.get("Transfer-Encoding") or "").lower()
            return _undeclared(body, encoding, chunked, problem, limit), content_type
    raise DocumentFailed(f"its body cannot be decoded: {problem[:200]}")


def _check_status(status: int | None) -> None:
    """Raises DocumentError for a response that holds no page."""
    if status is None:
        raise DocumentFailed("broken WARC record: no HTTP status line")
    if not 200 <= status < 300 or status in (204, 205, 206):
        raise DocumentRejected(f"HTTP status {status}: not a page")


def _undeclared(body: bytes, encoding: str, chunked: bool, problem: str, limit: int) -> bytes:
    """A body that is not encoded as its header says: often the crawler decoded it and left the header.

    Raises DocumentFailed where it is not plain text either, or is in chunks and the last are missing.
    """
    if encoding == "deflate":
        with contextlib.suppress(zlib.error):  # deflate without its zlib wrapping, as some servers send it
            return zlib.decompressobj(wbits=-15).decompress(body, limit + 1)
    if not (chunked and _CHUNK_SIZE.match(body)):
        with contextlib.suppress(DocumentRejected):
            decode(body)
            return body
    raise DocumentFailed(f"its body cannot be decoded: {problem[:200]}")
