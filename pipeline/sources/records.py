"""What passes between finding, cutting and reading: files, slices, raw documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from pipeline.document import Kind
from pipeline.errors import DocumentError

RefusedStatus = Literal["rejected", "failed"]
Came = Literal["html", "text", "markdown", "json", "jsonl", "parquet", "warc"]

NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceFile:
    r"""One file of RAW, or something in RAW that is accounted for but never opened.

    `path` is relative to RAW with `/` between names: as on disk, but bytes that are no UTF-8 are shown as `\xNN`
    and it is unique in RAW. `location` is what to open: an absolute local path, or an fsspec URL.
    `size` is in bytes. Where `refused` is not None it says why the file is not opened.
    """

    path: str
    location: str
    size: int = 0
    refused: str | None = None
    refused_status: RefusedStatus = "rejected"


@dataclass(frozen=True, slots=True)
class Slice:
    """What one worker reads: a whole file, or a piece of a container.

    `start` and `end` count bytes (plain JSONL), row groups (Parquet), or bytes as stored that have been read when a
    record is met (compressed JSONL and WARC, see `Window`), `end` not included; 0 and -1 mean the whole file. `first`
    numbers the first record: the line from 1 (JSONL), the row from 0 (Parquet); in windows it is `start`.
    """

    file: SourceFile
    start: int = 0
    end: int = -1
    first: int = 0
    from_start: bool = False  # the file is read from its start, and what lies before the slice is passed over


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a file's bytes found: the slices to read, in order, and for each a digest.

    Slice i is read as before while its place and `digests[i]` (XXH3-128, hex) are as before. The digest is "" where
    the file could not be read; reading its one slice then gives the row that says why.
    """

    slices: tuple[Slice, ...]
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One document as it came: bytes still to decode, or text out of JSON or Parquet, and what was said about it.

    `source` names it (`a/b.txt`, `feed.jsonl#12`), `index` orders the documents of a file, `format` says what it came
    in. `kind` is what its name or field says; `to_document` has the last word. `fields` may hold `title`, `url`,
    `date`, `author`, `language`, `record_id` (all str) and `metadata` (a JSON-able mapping). `sha256` is that of the
    record's raw bytes, "" where there are none. With `error`, this is only a row that says why there is no document.
    """

    source: str
    index: int
    format: Came
    data: bytes | str
    kind: Kind
    declared_charset: str | None = None
    fields: Mapping[str, Any] = field(default_factory=lambda: NO_FIELDS)
    sha256: str = ""
    error: DocumentError | None = None
