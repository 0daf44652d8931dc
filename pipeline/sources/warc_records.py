"""WARC framing: from a file, gzipped by record or not, to records one after another, and on after a broken one.

The format: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/. A library reads whole
files faster, but stops at the first fault; here a fault costs the record it is in.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.errors import DocumentFailed
from pipeline.sources.compression import GZIP, MAX_RATIO, RATIO_FROM

CHUNK = 1 << 18  # bytes read and inflated at a time
MAX_FED = 1 << 22  # bytes of an open gzip member that are searched again when it breaks
MAX_AGAIN = 1 << 26  # bytes searched again in one file: what is broken on purpose must not take quadratic time
MAX_RETURNED = 1 << 30  # bytes that wrong lengths may make one file read twice
MEMBER_START = 4_096  # bytes of a gzip member that surely hold the first five of its content
MAX_HEADER = 1 << 16  # bytes of one record's header; real ones have a few hundred
_VERSION = re.compile(rb"WARC/\d+\.\d+[ \t]*$")
_NEXT = re.compile(rb"(?:^|\n)(?=WARC/\d\.\d+[ \t]*\r?\n)")


@dataclass(frozen=True, slots=True)
class Record:
    """One WARC record, or a stretch of the file that holds none.

    `headers` has lower-case names. `block` is None where it was skipped (too large, or of a type nobody wants).
    With `fault`, the record is broken: what it says and holds may still tell which one it was.
    """

    headers: Mapping[str, str]
    block: bytes | None = None
    length: int = 0
    fault: str | None = None

    @property
    def type(self) -> str:
        """Its WARC-Type, in lower case."""
        return self.headers.get("warc-type", "").lower()


class _BreakError(Exception):
    """Here the bytes of one gzip member end too early; reading goes on with the next."""


class _Members:
    """The bytes of a gzip file, member by member: a broken one raises `_BreakError` once, then the next follows."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._pending, self._in, self._out = stream, b"", 0, 0
        self._inflater: zlib._Decompress | None = None
        self._lost = False  # whether the next member must be searched for
        # Broken data often inflates to noise, on into the members behind it, before the fault shows: the search
        # for the next member begins where the broken one began.
        self._fed: deque[bytes] = deque()
        self._fed_bytes = self._again = 0

    def read(self) -> bytes:
        """Some bytes more; b"" at the end. Raises _BreakError, and DocumentFailed for a decompression bomb."""
        while True:
            if not self._pending and not self._more():
                if self._inflater is None:
                    return b""
                self._search_again(b"")
                raise _BreakError("the gzip data is cut short")
            if self._inflater is None:
                if not self._at_member():
                    continue
                self._inflater = zlib.decompressobj(wbits=31)
                self._fed.clear()
                self._fed_bytes = 0
            given = self._pending
            try:
                data = self._inflater.decompress(given, CHUNK)
            except zlib.error as error:
                self._search_again(given)
                raise _BreakError(f"broken gzip data: {error}") from None
            ended = self._inflater.eof
            self._pending = self._inflater.unused_data if ended else self._inflater.unconsumed_tail
            self._remember(given[: len(given) - len(self._pending)])
            self._inflater = None if ended else self._inflater
            if data:
                self._out += len(data)
                if self._out > RATIO_FROM and self._out > MAX_RATIO * self._in:
                    raise DocumentFailed(f"decompresses to more than {MAX_RATIO} times its size: a decompression bomb")
                return data

    def _remember(self, fed: bytes) -> None:
        """Keeps the last bytes that went into the open member."""
        self._fed.append(fed)
        self._fed_bytes += len(fed)
        while self._fed_bytes > MAX_FED:
            self._fed_bytes -= len(self._fed.popleft())

    def _search_again(self, given: bytes) -> None:
        """Goes back to just behind the start of the broken member."""
        self._again += self._fed_bytes
        self._pending = b"".join(self._fed)[1:] + given if self._fed and self._again < MAX_AGAIN else given[1:]
        self._fed.clear()
        self._fed_bytes = 0
        self._inflater, self._lost = None, True

    def _more(self) -> bool:
        more = self._stream.read(CHUNK)
        self._in += len(more)
        self._pending += more
        return bool(more)

    def _at_member(self) -> bool:
        """Whether `_pending` stands at a member now; else it was cut to where one may still begin.

        Three bytes mark a member, so compressed data holds false marks: after a break one must inflate to a record.
        """
        if self._pending.startswith(GZIP) and not self._lost:
            return True
        self._lost, at = True, -1
        while (at := self._pending.find(GZIP, at + 1)) >= 0:
            while len(self._pending) - at < MEMBER_START and self._more():
                pass
            try:
                start = zlib.decompressobj(wbits=31).decompress(self._pending[at : at + MEMBER_START], 5)
            except zlib.error:
                continue
            if start == b"WARC/":
                self._pending, self._lost = self._pending[at:], False
                return True
        tail = self._pending[1 - len(GZIP) :]
        self._pending = b""
        if self._more():
            self._pending = tail + self._pending
        return False


class _Plain:
    """The bytes of a stream in chunks."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self) -> bytes:
        """Some bytes more; b"" at the end."""
        return self._stream.read(CHUNK)


class _Buffer:
    """Lines and counted bytes out of chunks, with a way to put bytes back."""

    def __init__(self, source: _Members | _Plain) -> None:
        self._source, self._data, self._at = source, b"", 0
        self._returned = 0
        self.broken: str | None = None  # a break met while looking ahead, still to be told

    def _fill(self) -> bool:
        more = self._source.read()
        self._data, self._at = self._data[self._at :] + more, 0
        return bool(more)

    def line(self, limit: int) -> bytes:
        """The next line with its end, or its first `limit` bytes; b"" at the end of the file."""
        while (end := self._data.find(b"\n", self._at)) < 0 and len(self._data) - self._at < limit:
            if not self._fill():
                break
        stop = min(end + 1 if end >= 0 else len(self._data), self._at + limit)
        line, self._at = self._data[self._at : stop], stop
        return line

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end of the file."""
        pieces, missing = [], count
        while missing:
            if self._at == len(self._data) and not self._fill():
                break
            piece = self._data[self._at : self._at + missing]
            self._at += len(piece)
            missing -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def put_back(self, data: bytes) -> None:
        """Puts `data` before what comes next. Raises DocumentFailed where that happened for too much of a file."""
        self._returned += len(data)
        if self._returned > MAX_RETURNED:
            raise DocumentFailed("too many records of a wrong length: given up here. Make the file again.")
        self._data, self._at = data + self._data[self._at :], 0

    def forget(self) -> None:
        """Drops what is left of a broken member."""
        self._data, self._at = b"", 0


def warc_records(stream: BinaryIO, gzipped: bool, wanted: frozenset[str], limit: int) -> Iterator[Record]:
    """The records of a WARC stream in order; blocks only for `wanted` types, and of at most `limit` bytes.

    Memory: one block. Raises DocumentFailed for a decompression bomb.
    """
    buffer = _Buffer(_Members(stream) if gzipped else _Plain(stream))
    while True:
        headers: dict[str, str] = {}
        if buffer.broken is not None:
            broken_before, buffer.broken = buffer.broken, None
            yield Record({}, fault=broken_before)
        try:
            line = buffer.line(MAX_HEADER)
            while line and not line.strip():
                line = buffer.line(MAX_HEADER)
            if not line:
                return
            if not _VERSION.match(line.rstrip(b"\r\n")):
                skipped = len(line) + _to_next(buffer)
                yield Record({}, fault=f"{skipped:,} bytes that are no WARC record")
                continue
            fault = _read_headers(buffer, headers)
            if fault is None:
                record = _with_block(buffer, headers, wanted, limit)
            else:
                _to_next(buffer)
                record = Record(headers, fault=fault)
        except _BreakError as broken:
            buffer.forget()
            record = Record(headers, fault=str(broken))
        yield record


def _read_headers(buffer: _Buffer, headers: dict[str, str]) -> str | None:
    """Reads a record's header into `headers`; gives what is wrong with it, if anything."""
    name, size = "", 0
    while True:
        line = buffer.line(MAX_HEADER)
        size += len(line)
        if not line or size > MAX_HEADER:
            return "its header is cut short" if not line else f"its header is longer than {MAX_HEADER:,} bytes"
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            break
        if text[0] in " \t" and name:
            headers[name] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        name = name.strip().lower()
        if colon:
            headers.setdefault(name, value.strip())
    if not re.fullmatch(r"[0-9]{1,18}", headers.get("content-length", "")):
        return "it does not say its Content-Length"
    return None


def _with_block(buffer: _Buffer, headers: dict[str, str], wanted: frozenset[str], limit: int) -> Record:
    """The record whose header was read, with its block where it is wanted."""
    length = int(headers["content-length"])
    if length > limit:
        there = _to_next(buffer, length)
        fault = f"larger than {limit:,} bytes. Raise [limits] document_bytes to read it."
        if there < length:
            fault = f"cut short: {there:,} of {length:,} bytes"
        unwanted = headers.get("warc-type", "").lower() not in wanted
        return Record(headers, None, length, None if unwanted and there == length else fault)
    block = buffer.take(length)
    if len(block) == length and _at_boundary(buffer):
        return Record(headers, block, length)
    # The length is wrong: too large where another record begins inside the block, too small otherwise.
    found = _NEXT.search(block)
    if found:
        buffer.put_back(block[found.end() :])
        return Record(headers, block[: found.start()], length, f"cut short: {found.start():,} of {length:,} bytes")
    if len(block) < length:
        return Record(headers, block, length, f"cut short: {len(block):,} of {length:,} bytes")
    beyond = _to_next(buffer)
    return Record(headers, block, length, f"its Content-Length is wrong: {beyond:,} bytes follow it")


def _at_boundary(buffer: _Buffer) -> bool:
    """Whether the record that was just read ends here: blank lines, or the next record, or the end of the file."""
    blank = False
    while True:
        try:
            line = buffer.line(MAX_HEADER)
        except _BreakError as error:
            buffer.forget()
            buffer.broken = str(error)  # the fault is in what comes next
            return True
        if line.strip() or not line:
            buffer.put_back(line)
            return blank or not line or line.startswith(b"WARC/")
        blank = True


def _to_next(buffer: _Buffer, most: int = 1 << 62) -> int:
    """Skips to the next line that begins a record, or `most` bytes, or to the end; gives how many bytes it passed."""
    skipped, whole = 0, True
    while skipped < most and (line := buffer.line(min(MAX_HEADER, most - skipped))):
        if whole and _VERSION.match(line.rstrip(b"\r\n")):
            buffer.put_back(line)
            break
        whole = line.endswith(b"\n")
        skipped += len(line)
    return skipped
