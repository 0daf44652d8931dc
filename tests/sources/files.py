"""Makers of test files: every format, whole and broken, from a seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pipeline.config import Config
from pipeline.document import Document
from pipeline.errors import DocumentError
from pipeline.sources import RawDocument, discover, read, scan, to_document

_WORDS = ["harbour", "ferry", "timetable", "council", "bridge", "lantern", "orchard", "välkommen", "月", "river"]


def sentences(rng: random.Random, count: int) -> str:
    """`count` sentences of made-up news."""
    return " ".join(" ".join(rng.choices(_WORDS, k=rng.randint(5, 12))).capitalize() + "." for _ in range(count))


def jsonl(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Records as JSONL."""
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def http(body: bytes, *headers: str, status: str = "200 OK", content_type: str | None = "text/html") -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def warc_record(
    block: bytes, type: str = "response", id: str | None = "urn:uuid:0001", length: int | None = None, **headers: str
) -> bytes:
    """One WARC record; `length` lies about its size, `headers` are written with dashes for underscores."""
    stated = {
        "WARC-Type": type,
        "WARC-Target-URI": "https://example.org/page",
        "WARC-Date": "2024-05-06T07:08:09Z",
        "Content-Type": "application/http; msgtype=response" if type == "response" else "text/plain",
        **({"WARC-Record-ID": f"<{id}>"} if id else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
        "Content-Length": str(len(block) if length is None else length),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in stated.items())
    return b"WARC/1.1\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"


def page(text: str) -> bytes:
    """A small HTML page."""
    return f"<!doctype html><html><head><title>A page</title></head><body><p>{text}</p></body></html>".encode()


def parquet(path: Path, columns: Mapping[str, Any], **options: Any) -> Path:
    """A Parquet file of these columns."""
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def make_raw(folder: Path, seed: int = 1, count: int = 4) -> dict[str, int]:
    """Fills a folder with every format, whole and broken; gives how many rows each file must have."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def records() -> list[dict[str, Any]]:
        return [{"id": number, "text": sentences(rng, 3), "tag": "a"} for number in range(count)]

    pages = b"".join(
        gzip.compress(warc_record(http(page(sentences(rng, 3))), id=f"urn:uuid:{seed}-{number}"))
        for number in range(count)
    )
    files: dict[str, tuple[bytes, int]] = {
        "a.txt": (sentences(rng, 5).encode(), 1),
        "a b/ü\n.md": (("# Title\n\n" + sentences(rng, 5)).encode(), 1),
        "page.html": (page(sentences(rng, 5)), 1),
        "page.html.gz": (gzip.compress(page(sentences(rng, 5))), 1),
        "note.txt.zst": (zstandard.compress(sentences(rng, 5).encode()), 1),
        "feed.jsonl": (jsonl(records()), count),
        "feed.jsonl.gz": (gzip.compress(jsonl(records())), count),
        "feed.ndjson.zst": (zstandard.compress(jsonl(records())), count),
        "broken.jsonl": (b'{"text": "One."}\n{"text": \n\n{"title": "none"}\n', 3),
        "list.json": (json.dumps(records()).encode(), count),
        "crawl.warc.gz": (pages, count),
        "crawl.wet": (warc_record(sentences(rng, 3).encode(), type="conversion"), 1),
        "empty.txt": (b"", 1),
        "empty.jsonl": (b"", 1),
        "blank.jsonl": (b"\n \n", 1),
        "table.csv": (b"text\nhello\n", 1),
        "paper.pdf": (b"%PDF-1.7\n\x00\x01", 1),
        "cut.txt.gz": (gzip.compress(rng.randbytes(9000))[:500], 1),
        "broken.parquet": (b"PAR1" + rng.randbytes(99), 1),
        "noise": (rng.randbytes(500), 1),
    }
    for name, (data, _) in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    parquet(folder / "table.parquet", {"text": [sentences(rng, 3) for _ in range(count)]}, row_group_size=2)
    return {name: rows for name, (_, rows) in files.items()} | {"table.parquet": count}


def read_all(raw: Path | str, config: Config | None = None) -> list[RawDocument]:
    """Every row that reading RAW gives."""
    config = config or Config()
    return [
        found
        for file in discover(str(raw), config)
        for piece in scan(file, config).slices
        for found in read(piece, config)
    ]


def read_file(folder: Path, name: str, data: bytes, config: Config | None = None) -> list[RawDocument]:
    """The rows of one file with this name and these bytes."""
    path = folder / name
    path.write_bytes(data)
    return read_all(path, config)


def outcome(raw: RawDocument) -> Document | DocumentError:
    """The document, or the error that its row will show."""
    try:
        return to_document(raw)[0]
    except DocumentError as error:
        return error


def said(raw: RawDocument) -> str:
    """The text of a document, or `status: reason`."""
    given = outcome(raw)
    return given.text if isinstance(given, Document) else f"{given.status}: {given.reason}"
