"""Reading: from a file to slices, from a slice to raw documents, from a raw document to a `Document`."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import xxhash

from pipeline.config import Config
from pipeline.document import Document, Kind
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.sources.charset import decode
from pipeline.sources.compression import compression_of, decompressed
from pipeline.sources.formats import HEAD_BYTES, identify, kind_of
from pipeline.sources.records import Came, RawDocument, Scan, Slice, SourceFile
from pipeline.sources.storage import open_binary, unreadable
from pipeline.sources.window import Window, windows

CHUNK = 1 << 20  # bytes hashed and searched for line ends at a time
_SINGLE: dict[Came, Kind] = {"html": "html", "text": "text", "markdown": "markdown"}


def scan(file: SourceFile, config: Config) -> Scan:
    """One pass over the bytes of a file: the slices that workers read, and a digest of each.

    Plain JSONL is cut at line ends into slices of about `reading.batch_bytes`, each with a digest of its own, so that
    lines appended to a feed cost only its last slice; Parquet is cut into row groups, a large file of compressed JSONL
    or WARC into windows; everything else is one slice.
    The digest is XXH3-128 (https://xxhash.com): it tells changed bytes, ten times as fast as SHA-256, and guards
    nothing. Never raises for a bad file: its one slice, read, gives the row that says what is wrong.
    """
    whole: tuple[Slice, ...] = (Slice(file),)
    try:
        with open_binary(file) as stream:
            head = stream.read(HEAD_BYTES)
            came = _container(file, head, config)
            if came == "jsonl":
                return _scan_lines(file, stream, head, config.reading.batch_bytes)
            content = xxhash.xxh3_128(head)
            _digest_rest(stream, content)
            cut = windows(file)
            slices = cut if len(cut) > 1 and _read_from_start(file, head, stream, config) else whole
            if came == "parquet":
                from pipeline.sources.parquet import row_group_slices

                slices = row_group_slices(file, stream, config)
            return Scan(slices, (content.hexdigest(),) * len(slices))
    except Exception:
        return Scan(whole, ("",))


def _container(file: SourceFile, head: bytes, config: Config) -> Came | None:
    """`jsonl` or `parquet` where the file can be cut; None where it is read whole."""
    from pipeline.sources.jsonl import wide_codec

    if compression_of(head) is not None:
        return None
    try:
        came = identify(file.path, head, config.reading)
    except DocumentRejected:
        return None
    return came if came == "parquet" or (came == "jsonl" and wide_codec(head) is None) else None


def _read_from_start(file: SourceFile, head: bytes, stream: BinaryIO, config: Config) -> bool:
    """Whether the file holds many records and nothing but its start is a place to begin to read."""
    compression = compression_of(head)
    try:
        if compression is not None:
            stream.seek(0)
            head = cast("io.BufferedReader", decompressed(stream, compression)).peek(HEAD_BYTES)[:HEAD_BYTES]
        came = identify(file.path, head, config.reading)
    except DocumentError:
        return False
    return came == "warc" or (came == "jsonl" and compression is not None)


def _digest_rest(stream: BinaryIO, content: xxhash.xxh3_128) -> None:
    """Feeds the rest of a stream to a digest."""
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while count := cast("io.BufferedIOBase", stream).readinto(buffer):
        content.update(view[:count])


def _scan_lines(file: SourceFile, stream: BinaryIO, head: bytes, target: int) -> Scan:
    """Cuts a file of lines behind the first line end at least `target` bytes after the last cut; digests the slices.

    Each digest begins with the head of the file, which says how every slice is read.
    """
    content, chunk = xxhash.xxh3_128(head), head
    slices: list[Slice] = []
    digests: list[str] = []
    start, first, line, position = 0, 1, 1, 0  # `line` is the number of the line that `position` stands in
    while chunk:
        view = memoryview(chunk)
        searched = cut = 0
        while (least := max(start + target - 1 - position, searched)) < len(chunk):
            found = chunk.find(b"\n", least)
            if found < 0:
                break
            line += chunk.count(b"\n", searched, found + 1)
            searched = found + 1
            content.update(view[cut:searched])
            slices.append(Slice(file, start, position + searched, first))
            digests.append(content.hexdigest())
            content, cut = xxhash.xxh3_128(head), searched
            start, first = position + searched, line
        content.update(view[cut:])
        line += chunk.count(b"\n", searched)
        position += len(chunk)
        chunk = stream.read(CHUNK)
    if position > start or not slices:
        slices.append(Slice(file, start, position, first))
        digests.append(content.hexdigest())
    return Scan(tuple(slices), tuple(digests))


def read(piece: Slice, config: Config) -> Iterator[RawDocument]:
    """The documents of a slice, one at a time, in order. What cannot be read comes as a row with its `error`.

    Every file gives at least one, so that nothing in RAW is without a row: an empty container says so.
    """
    file = piece.file
    count, empty = 0, piece.start == 0
    try:
        with open_binary(file) as stream:
            window = Window(piece, stream)
            try:
                for raw in _read_stream(piece, stream, window, config):
                    count += 1
                    yield raw
            except Exception:
                if window.elsewhere():
                    return  # whoever reads the slice that the fault lies in says so
                raise
            if piece.from_start:
                empty = piece.end < 0 and not window.met
    except Exception as error:
        # What is left of a container is one row more; its number tells it from the records before.
        source = file.path if count == 0 and piece.start == 0 else f"{file.path}#{piece.first}+{count} and after"
        yield RawDocument(source, piece.first + count, "text", b"", "text", error=unreadable(error))
        return
    if count == 0 and empty:
        reason = "empty file" if file.size == 0 else "no document in it"
        yield RawDocument(file.path, 0, "text", b"", "text", error=DocumentRejected(reason))


def _read_stream(piece: Slice, raw_stream: BinaryIO, window: Window, config: Config) -> Iterator[RawDocument]:
    """The documents of a slice, from its file opened. Raises DocumentError where the file as a whole is at fault."""
    file, stream = piece.file, raw_stream
    head = stream.read(HEAD_BYTES)
    if not head:
        return
    stream.seek(0)
    compression = compression_of(head)
    if compression is not None:
        stream = decompressed(stream, compression)
        head = cast("io.BufferedReader", stream).peek(HEAD_BYTES)[:HEAD_BYTES]
        if compression_of(head) is not None:
            raise DocumentRejected("binary: compressed twice. Unpack it once.")
        if not head:
            raise DocumentRejected("empty file, compressed")
    came = identify(file.path, head, config.reading)
    if came == "jsonl":
        from pipeline.sources.jsonl import read_lines

        if compression is None and piece.start:
            stream.seek(piece.start)
        yield from read_lines(piece, stream, head, config, window)
    elif came == "warc":
        from pipeline.sources.warc import read_warc

        gzipped = compression == "gzip"
        if gzipped:
            raw_stream.seek(0)  # member by member, so that a broken one costs no other
        yield from read_warc(file, raw_stream if gzipped else stream, gzipped, config, window)
    elif piece.from_start and piece.start:
        return  # it is another file now than when it was cut
    elif came == "parquet":
        from pipeline.sources.parquet import read_parquet

        yield from read_parquet(piece, stream if compression is None else _unpacked(stream), config)
    else:
        data = _all_bytes(stream, head, file.size if compression is None else 0, config)
        if came == "json":
            from pipeline.sources.jsonl import read_json

            yield from read_json(file.path, data, config)
        else:
            yield RawDocument(file.path, 0, came, data, _SINGLE[came], sha256=hashlib.sha256(data).hexdigest())


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """A compressed stream unpacked into a temporary file, for a format that must be read from its end."""
    unpacked = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 (lives as long as its reader)
    shutil.copyfileobj(stream, unpacked, CHUNK)
    unpacked.seek(0)
    return unpacked


def _all_bytes(stream: BinaryIO, head: bytes, size: int, config: Config) -> bytes:
    """All of a single document of at least `size` bytes. One that is binary and too large is told that it is binary."""
    limit = config.limits.document_bytes
    data = stream.read(limit + 1) if size <= limit else b""
    if max(size, len(data)) > limit:
        decode(head)
        raise DocumentFailed(f"larger than {limit:,} bytes. Split it, or raise [limits] document_bytes.")
    return data


def to_document(raw: RawDocument) -> tuple[Document, str, str]:
    """The document, its charset (WHATWG name) and its newlines ("lf", "crlf", "cr", "mixed").

    Raises the raw document's own error, and DocumentRejected where there is no text in it.
    """
    if raw.error is not None:
        raise raw.error
    if isinstance(raw.data, bytes):
        decoded = decode(raw.data, raw.declared_charset, html=raw.kind == "html")
        text, charset, newlines = decoded.text, decoded.charset, str(decoded.newlines)
    else:
        text, newlines = _with_line_feeds(raw.data.removeprefix("\ufeff"))
        charset = raw.declared_charset or "utf-8"
    if not text or text.isspace():
        raise DocumentRejected("empty: there is nothing but white space in it" if raw.data else "empty")
    kind = kind_of(text, raw.kind)
    return Document(raw.source, text, kind, **raw.fields), charset, newlines


def _with_line_feeds(text: str) -> tuple[str, str]:
    r"""Text with line ends made "\n" where all of them were CRLF or all CR, and which they were."""
    if "\r" not in text:
        return text, "lf"
    returns, feeds, pairs = text.count("\r"), text.count("\n"), text.count("\r\n")
    if returns == feeds == pairs:
        return text.replace("\r\n", "\n"), "crlf"
    return (text, "mixed") if feeds else (text.replace("\r", "\n"), "cr")
