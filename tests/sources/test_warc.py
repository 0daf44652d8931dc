"""WARC: each capture is a document or a row, and a broken record costs only itself."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, Limits
from pipeline.document import Document
from pipeline.sources import warc_records
from tests.sources.files import http, outcome, page, read_file, said, warc_record

PAGE = page("Hello there.")
TEXT = PAGE.decode()


def chunked(body: bytes, size: int = 7) -> bytes:
    """A body in HTTP chunks."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CAPTURES = [
    (warc_record(http(PAGE)), TEXT),
    (warc_record(http(PAGE, content_type="application/xhtml+xml")), TEXT),
    (warc_record(http(b"Just words.", content_type="text/plain; charset=utf-8")), "Just words."),
    (warc_record(http(PAGE, content_type=None)), TEXT),
    (warc_record(http("<p>žluť".encode("iso8859-2"), content_type="text/html; charset=ISO-8859-2")), "<p>žluť"),
    (warc_record(http(gzip.compress(PAGE), "Content-Encoding: gzip")), TEXT),
    (warc_record(http(zlib.compress(PAGE), "Content-Encoding: deflate")), TEXT),
    (warc_record(http(zlib.compress(PAGE)[2:-4], "Content-Encoding: deflate")), TEXT),
    (warc_record(http(brotli.compress(PAGE), "Content-Encoding: br")), TEXT),
    (warc_record(http(zstandard.compress(PAGE), "Content-Encoding: zstd")), TEXT),
    (warc_record(http(chunked(PAGE), "Transfer-Encoding: chunked")), TEXT),
    (
        warc_record(http(chunked(gzip.compress(PAGE)), "Transfer-Encoding: chunked", "Content-Encoding: gzip")),
        TEXT,
    ),
    (warc_record(http(PAGE, "Content-Encoding: gzip")), TEXT),  # the crawler decoded it and left the header
    (warc_record(http(PAGE, "Transfer-Encoding: chunked")), TEXT),
    (warc_record(b"Words from a page.", type="conversion"), "Words from a page."),
    (warc_record(PAGE, type="resource", Content_Type="text/html"), TEXT),
    (warc_record(http(PAGE).replace(b"\r\n", b"\n")).replace(b"\r\n", b"\n"), TEXT),
    (warc_record(http(PAGE, status="404 Not Found")), "rejected: HTTP status 404: not a page"),
    (warc_record(http(b"", "Location: /x", status="302 Found")), "rejected: HTTP status 302: not a page"),
    (warc_record(http(PAGE, status="206 Partial Content")), "rejected: HTTP status 206: not a page"),
    (warc_record(http(b"\x89PNG", content_type="image/png")), "rejected: image/png: only HTML, plain text"),
    (warc_record(http(b"%PDF-1.4 x", content_type="text/html")), "rejected: binary: a PDF"),
    (warc_record(http(b"")), "rejected: empty: the response has no body"),
    (warc_record(b"no http at all"), "failed: broken WARC record: no HTTP status line"),
    (warc_record(http(gzip.compress(PAGE * 9)[:60], "Content-Encoding: gzip")), None),
    (warc_record(http(b"\x1f\x8b\x08\0\xff\xff\xff", "Content-Encoding: gzip")), "failed: its body cannot be decoded"),
    (warc_record(http(chunked(PAGE)[:50], "Transfer-Encoding: chunked")), "failed: its body cannot be decoded"),
    (warc_record(http(PAGE), WARC_Segment_Number="1", WARC_Segment_Total_Length="9"), "rejected: one segment"),
]


@pytest.mark.parametrize(("record", "expected"), CAPTURES, ids=range(len(CAPTURES)))
@pytest.mark.parametrize("packed", [False, True])
def test_a_capture_is_a_document_or_says_why_not(
    tmp_path: Path, record: bytes, expected: str | None, packed: bool
) -> None:
    """Whatever a record holds, it has one row, and the next record is read."""
    after = warc_record(http(page("After.")), id="urn:uuid:after")
    data = gzip.compress(record) + gzip.compress(after) if packed else record + after
    name = "c.warc.gz" if packed else "c.warc"
    first, second = read_file(tmp_path, name, data)
    assert (second.source, said(second)) == (f"{name}#after", page("After.").decode())
    assert first.source == f"{name}#0001"
    if expected is not None:
        assert said(first).startswith(expected)


def test_headers_give_url_and_date(tmp_path: Path) -> None:
    """The address loses its angle brackets; the date is that of the capture."""
    record = warc_record(http(PAGE), WARC_Target_URI="<https://example.org/a b>")
    (raw,) = read_file(tmp_path, "c.warc", record)
    document = outcome(raw)
    assert isinstance(document, Document)
    assert (document.url, document.date) == ("https://example.org/a b", "2024-05-06T07:08:09Z")
    assert raw.declared_charset == "text/html"


def test_records_about_documents_are_none(tmp_path: Path) -> None:
    """warcinfo, request, metadata, revisit and wget's own log have no row; a file with nothing else has one."""
    others = [
        warc_record(b"x", type=type, id=f"urn:uuid:{type}")
        for type in ("warcinfo", "request", "metadata", "revisit", "continuation", "unheard-of")
    ]
    log = warc_record(b"x", type="resource", WARC_Target_URI="metadata://gnu.org/software/wget/warc/log.txt")
    (raw,) = read_file(tmp_path, "c.warc", b"".join([*others, log, warc_record(http(PAGE), id="urn:uuid:page")]))
    assert raw.source == "c.warc#page"
    (none,) = read_file(tmp_path, "c.warc", b"".join(others))
    assert (none.source, said(none)) == ("c.warc", "rejected: no document in it")


def test_sources_stay_unique(tmp_path: Path) -> None:
    """A record id that comes again, or is missing, or holds odd characters, still names one record."""
    ids = ["urn:uuid:a", "urn:uuid:a", "urn:uuid:a~2", None, None, "http://x/y z\t#", "urn:uuid:" + "9" * 500]
    rows = read_file(tmp_path, "c.warc", b"".join(warc_record(http(PAGE), id=id) for id in ids))
    assert [raw.source for raw in rows] == [
        "c.warc#a",
        "c.warc#a~2",
        "c.warc#a~2~2",
        "c.warc#record-4",
        "c.warc#record-5",
        "c.warc#http://x/yz#",
        "c.warc#" + "9" * 200,
    ]


def good(number: int) -> bytes:
    """One of several good records."""
    return warc_record(http(page(f"Page {number}.")), id=f"urn:uuid:{number}")


BROKEN = [
    (b"some bytes\r\nthat are none\r\n", "bytes that are no WARC record"),
    (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "it does not say its Content-Length"),
    (b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\n", "it does not say its Content-Length"),
    (b"WARC/1.0\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "its header is longer than"),
    (warc_record(http(PAGE), length=5_000_000), "cut short"),
    (warc_record(http(PAGE), length=10**15), "cut short"),
    (warc_record(http(PAGE), length=20), "its Content-Length is wrong"),
    (warc_record(b"x", type="request", length=5_000), "cut short"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_record_costs_only_itself(tmp_path: Path, broken: bytes, reason: str) -> None:
    """Before it and after it every page is read; it is one failed row."""
    rows = read_file(tmp_path, "c.warc", good(1) + broken + good(2) + good(3))
    assert [raw.source for raw in rows if raw.error is None] == ["c.warc#1", "c.warc#2", "c.warc#3"]
    (failed,) = [raw for raw in rows if raw.error is not None]
    assert said(failed).startswith("failed: broken WARC record: ")
    assert reason in said(failed)


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("chunk", [100, 1 << 18])
def test_a_broken_gzip_member_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: float, chunk: int
) -> None:
    """Wherever a member breaks, the next one that holds a record is found."""
    monkeypatch.setattr(warc_records, "CHUNK", chunk)
    members = [gzip.compress(good(number)) for number in range(5)]
    place = int(len(members[2]) * at)
    members[2] = members[2][:place] + b"\x1f\x8b\x08\xff\x00\xff" + members[2][place + 6 :]
    rows = read_file(tmp_path, "c.warc.gz", b"".join(members))
    assert [raw.source.partition("#")[2] for raw in rows if raw.error is None][:2] == ["0", "1"]
    assert [raw.source.partition("#")[2] for raw in rows if raw.error is None][-2:] == ["3", "4"]
    assert 1 <= sum(raw.error is not None for raw in rows) <= 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short_gives_what_is_there_and_one_row(tmp_path: Path, packed: bool) -> None:
    """What could be read is kept; the rest is one failed row."""
    members = [gzip.compress(good(number)) if packed else good(number) for number in range(4)]
    data = b"".join(members)[: -len(members[3]) // 2]
    rows = read_file(tmp_path, "c.warc.gz" if packed else "c.warc", data)
    assert [raw.error is None for raw in rows] == [True, True, True, False]
    assert "cut short" in said(rows[-1])


def test_a_record_over_the_limit_fails_alone(tmp_path: Path) -> None:
    """Too large as it lies, or too large once its encoding is undone: one failed row each."""
    config = Config(limits=Limits(document_bytes=10_000))
    large = warc_record(http(page("x " * 10_000)), id="urn:uuid:large")
    swollen = warc_record(http(gzip.compress(page("x " * 1_000_000)), "Content-Encoding: gzip"), id="urn:uuid:swollen")
    rows = read_file(tmp_path, "c.warc", good(1) + large + swollen + good(2), config)
    assert [raw.source for raw in rows] == ["c.warc#1", "c.warc#large", "c.warc#swollen", "c.warc#2"]
    assert [said(raw)[:30] for raw in rows[1:3]] == ["failed: broken WARC record: la", "failed: larger than 10,000 byt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), packed=st.booleans())
def test_no_damage_stops_the_crawl(tmp_path: Path, data: st.DataObject, packed: bool) -> None:
    """Bytes overwritten, cut out or put in anywhere: rows with unique sources, each a text or a reason."""
    members = [gzip.compress(good(number)) if packed else good(number) for number in range(3)]
    whole = b"".join(members)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 50)))
    damaged = whole[:start] + data.draw(st.binary(max_size=50)) + whole[end:]
    rows = read_file(tmp_path, "c.warc.gz" if packed else "c.warc", damaged)
    assert rows
    assert len({raw.source for raw in rows}) == len(rows)
    assert all(said(raw) for raw in rows)
    if damaged != whole and start > len(members[0]) + len(members[1]):
        assert [raw.source.partition("#")[2] for raw in rows][:2] == ["0", "1"]
