"""A file that is read from its start is shared out among workers without losing, doubling or renaming a record."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
import zstandard

from pipeline.config import Config
from pipeline.sources import RawDocument, discover, read, scan, window
from tests.sources.files import http, jsonl, page, said, warc_record

RNG = random.Random(3)
# Compresses to half, so that the stored file has a length.
NOISE = [RNG.randbytes(RNG.randint(200, 9_000)).hex() for _ in range(150)]
LINES = jsonl([{"text": text} for text in NOISE]).replace(b"\n", b"\n\n") + b"not json\n"
IDS = ["urn:uuid:same", None, "urn:uuid:other"]  # record names depend on the records before: `same~2`, `record-7`
RECORDS = [
    warc_record(http(page(text)), id=IDS[number % 3], type="response" if number % 5 else "request")
    for number, text in enumerate(NOISE)
]
RECORDS[70] = RECORDS[70].replace(b"Content-Length", b"Content-Lenght")
BROKEN = b"".join(map(gzip.compress, RECORDS))
BLANK = b"\n".join(RNG.randbytes(5_000).translate(bytes([32, 9] * 128)) for _ in range(900))
FILES = {
    "feed.jsonl.gz": gzip.compress(LINES),
    "feed.jsonl.zst": zstandard.compress(LINES),
    "cut.jsonl.gz": gzip.compress(LINES)[:400_000],
    "cut.jsonl.zst": zstandard.compress(LINES)[:400_000],
    "crawl.warc": b"".join(RECORDS),
    "crawl.warc.gz": BROKEN,
    "one-member.warc.gz": gzip.compress(b"".join(RECORDS)),
    "crawl.warc.zst": zstandard.compress(b"".join(RECORDS)),
    "cut.warc.gz": BROKEN[:400_000],
    "broken.warc.gz": BROKEN[:300_000] + b"\xff" * 500 + BROKEN[300_500:],
    "requests.warc": b"".join(warc_record(http(page(text)), type="request") for text in NOISE),
    "blank.jsonl.gz": gzip.compress(BLANK),
}


def rows(raw: list[RawDocument]) -> list[tuple]:
    return [(document.source, document.index, document.sha256, said(document)) for document in raw]


@pytest.mark.parametrize("name", FILES)
def test_slices_read_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same rows in the same order, whatever the number of slices; also where the file is broken or empty."""
    path = tmp_path / name
    path.write_bytes(FILES[name])
    (file,) = discover(str(path), Config())
    (whole,) = scan(file, Config()).slices
    expected = rows(list(read(whole, Config())))
    for least in (60_000, 150_000):
        monkeypatch.setattr(window, "LEAST", least)
        found = scan(file, Config())
        assert len(found.slices) > 2
        assert len(set(found.digests)) == 1
        pieces = [rows(list(read(piece, Config()))) for piece in found.slices]
        together = [row for piece in pieces for row in piece]
        if name.startswith("cut.jsonl"):  # what is left of a container is named after the slice that it begins in
            assert together[:-1] == expected[:-1]
            assert together[-1][0].endswith(" and after")
            assert together[-1][3] == expected[-1][3]
        else:
            assert together == expected
        if len(expected) > 100 and least == 60_000:
            assert sum(map(bool, pieces)) > 2, "the work is shared"


def test_the_cuts_grow_with_the_file(tmp_path: Path) -> None:
    """What all readers of a file read together is at most some four times the file, however large it is."""
    from pipeline.sources import SourceFile

    for size in (10**8, 10**9, 10**10, 10**12):
        slices = window.windows(SourceFile("a.warc", "/a.warc", size))
        assert [piece.end for piece in slices] == [*(piece.start for piece in slices[1:]), -1]
        assert sum(piece.start for piece in slices) < 4 * size
        assert max((piece.end if piece.end > 0 else size) - piece.start for piece in slices) < 0.4 * size
        assert len({piece.first for piece in slices}) == len(slices)
