"""JSONL: one record a line, each line its own success or failure."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from pipeline.config import Config
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.sources.charset import decode
from pipeline.sources.fields import from_record
from pipeline.sources.records import RawDocument, Slice
from pipeline.sources.window import Window

_BLANK = b" \t\r\n\x0b\x0c"
_WIDE = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"{\0", "utf-16-le"), (b"\0{", "utf-16-be"))


def wide_codec(head: bytes) -> str | None:
    """The codec of JSONL in UTF-16, by its first bytes; None for UTF-8 and its kin, whose lines end at a byte 0x0A."""
    return next((codec for start, codec in _WIDE if head.startswith(start)), None)


def read_lines(piece: Slice, stream: BinaryIO, head: bytes, config: Config, window: Window) -> Iterator[RawDocument]:
    """The records of a slice, from a stream that stands at its start (at that of the file, if it is `from_start`).

    `head` is the first bytes of the file.

    Blank lines are no records. A line that cannot be used becomes a row with its error, and reading goes on.
    """
    wide = wide_codec(head)
    if wide is not None:
        lines = _lines(_Transcoded(stream, wide), -1, config.limits.document_bytes)
    else:
        length = piece.end - piece.start if piece.end >= 0 and not piece.from_start else -1
        lines = _lines(stream, length, config.limits.document_bytes)
    path = piece.file.path
    for number, line in enumerate(lines, 1 if piece.from_start else max(1, piece.first)):
        if window.passed():
            return
        if line is not None:
            line = line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").strip(_BLANK)
        if line == b"" or window.meet():
            continue
        if line is None:
            reason = f"{path} line {number}: longer than {config.limits.document_bytes:,} bytes (limits.document_bytes)"
            yield _row(path, number, "", DocumentFailed(reason))
            continue
        yield _read_line(path, number, line, config)


def _read_line(path: str, number: int, line: bytes, config: Config) -> RawDocument:
    """The record in one line, or the row that says what is wrong with it."""
    sha256 = hashlib.sha256(line).hexdigest()
    charset = None
    try:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            record, charset = _parse_leniently(line, f"{path} line {number}", str(error))
        if not isinstance(record, dict):
            raise DocumentRejected(f"{path} line {number}: not a JSON object, as a record must be")
        text, kind, fields = from_record(record, config.reading, lambda: f"{path} line {number}", len(line))
    except DocumentError as error:
        return _row(path, number, sha256, error)
    return RawDocument(f"{path}#{number}", number, "jsonl", text, kind, charset, fields, sha256)


def _row(path: str, number: int, sha256: str, error: DocumentError) -> RawDocument:
    """A line that is no document."""
    return RawDocument(f"{path}#{number}", number, "jsonl", b"", "text", sha256=sha256, error=error)


def _lines(stream: Any, length: int, limit: int) -> Iterator[bytes | None]:
    """The lines of a stream, for `length` bytes or (-1) to its end; None for each line of more than `limit` bytes."""
    position = 0
    while length < 0 or position < length:
        line = stream.readline(limit + 1)
        if not line:
            return
        position += len(line)
        if len(line) > limit and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(1 << 20)
                position += len(line)
            yield None
        else:
            yield line


class _Transcoded(io.RawIOBase):
    """Lines of a UTF-16 stream as UTF-8."""

    def __init__(self, stream: BinaryIO, codec: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding=codec, errors="replace", newline="\n")

    def readline(self, size: int | None = -1, /) -> bytes:
        """One line, of at most `size` characters."""
        return self._text.readline(-1 if size is None else size).encode("utf-8", "replace")


def parse_line(line: bytes) -> Any:
    """The JSON value in a line, or None."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _parse_leniently(line: bytes, where: str, fault: str) -> tuple[Any, str | None]:
    """What strict JSON refuses and other writers write: the value, and the charset if it is not UTF-8.

    NaN becomes null, a lone surrogate U+FFFD; raw control characters pass. Raises DocumentFailed where it is no JSON.
    """
    text, charset = line, None
    try:
        if not line.isascii():
            decoded = decode(line)
            text, charset = decoded.text.encode("utf-8"), decoded.charset
        value = json.loads(text, strict=False, parse_constant=lambda _: None)
        whole = json.dumps(value, ensure_ascii=False)
        value = json.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError:
        raise DocumentFailed(f"{where}: not JSON: nested too deep to be read") from None
    except (ValueError, DocumentRejected):
        raise DocumentFailed(f"{where}: not JSON: {fault}") from None
    return value, charset


def read_json(path: str, data: bytes, config: Config) -> Iterator[RawDocument]:
    """The document in a `.json` file that holds one object, or the documents in a list of objects, numbered from 1."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        value, charset = orjson.loads(data.removeprefix(codecs.BOM_UTF8)), None
    except orjson.JSONDecodeError as error:
        value, charset = _parse_leniently(data, path, str(error))
    if isinstance(value, dict):
        text, kind, fields = from_record(value, config.reading, lambda: path, len(data))
        yield RawDocument(path, 0, "json", text, kind, charset, fields, sha256)
        return
    if not isinstance(value, list) or not any(isinstance(item, dict) for item in value):
        raise DocumentRejected("neither a JSON object nor a list of objects. Convert it to JSONL, one object a line.")
    for number, item in enumerate(value, 1):
        source = f"{path}#{number}"
        try:
            if not isinstance(item, dict):
                raise DocumentRejected(f"{path} number {number}: not a JSON object, as a record must be")
            whole = orjson.dumps(item, default=str)
            text, kind, fields = from_record(item, config.reading, lambda: f"{path} number {number}", len(whole))  # noqa: B023
        except DocumentError as error:
            yield RawDocument(source, number, "json", b"", "text", error=error)
            continue
        yield RawDocument(source, number, "json", text, kind, charset, fields, hashlib.sha256(whole).hexdigest())
