"""What a file is: its name and its bytes both have a say, and a row says what is not read."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, Limits
from pipeline.document import Document
from pipeline.sources import to_document
from tests.sources.files import outcome, page, read_all, read_file, said

PAGE = page("Hello there.")

KINDS = [
    ("a.html", PAGE, "html", "html"),
    ("a.HTM", PAGE, "html", "html"),
    ("a.xhtml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>x</p></html>', "html", "html"),
    ("a.html", b"No tags & none needed, 3 < 4.", "html", "text"),
    ("a.html", b"<p>A piece", "html", "html"),
    ("a.txt", PAGE, "text", "html"),
    ("a.txt", b"\xef\xbb\xbf  <!-- saved --> <!DOCTYPE  HTML PUBLIC>" + PAGE, "text", "html"),
    ("a.txt", b"<html> is how a page begins", "text", "html"),
    ("a.txt", b"Write <html> first.", "text", "text"),
    ("a.txt", b"<p>A tag in a text file</p>", "text", "text"),
    ("a.txt", b'{"text": "x"}\n', "text", "text"),
    ("a.text", b"plain", "text", "text"),
    ("a.md", b"# Title\n\nwords", "markdown", "markdown"),
    ("a.markdown", b"<div align=center>\n\n# Title", "markdown", "markdown"),
    ("a.md", PAGE, "markdown", "html"),
    ("README", b"plain words", "text", "text"),
    ("a.php", PAGE, "html", "html"),
    ("a.unknown", b"<h1>Title</h1><p>x</p>", "html", "html"),
    ("a.unknown", b"<title>", "html", "html"),
    ("a.log", b"12:00 started\n12:01 stopped\n", "text", "text"),
    ("feed", b'{"text": "One."}\n{"text": "Two."}\n', "jsonl", "text"),
    ("feed", b'{"level": "info"}\n{"level": "info"}\n', "text", "text"),
    (".txt", b"a name that is only a suffix", "text", "text"),
]


@pytest.mark.parametrize(("name", "data", "came", "kind"), KINDS, ids=range(len(KINDS)))
def test_name_and_content_decide_together(tmp_path: Path, name: str, data: bytes, came: str, kind: str) -> None:
    """`format` is what the file came as, `kind` what its text turned out to be."""
    raw = read_file(tmp_path, name, data)[0]
    document = outcome(raw)
    assert isinstance(document, Document)
    assert (raw.format, document.kind) == (came, kind)


REFUSED = [
    ("a.txt", b"", "rejected: empty file"),
    ("a.jsonl", b"", "rejected: empty file"),
    ("a.parquet", b"", "rejected: empty file"),
    ("a.txt", b" \n\t\n", "rejected: empty: "),
    ("a.jsonl", b"\n\n", "rejected: no document in it"),
    ("a.csv", b"text\nhello", "rejected: CSV is not read: convert it to JSONL or Parquet"),
    ("a.TSV", b"text\nhello", "rejected: TSV is not read"),
    ("a.pdf", b"%PDF-1.7\n...", "rejected: binary: a PDF"),
    ("a.txt", b"%PDF-1.7\n...", "rejected: binary: a PDF"),
    ("a.docx", b"PK\x03\x04....", "rejected: binary: a ZIP archive (DOCX"),
    ("a.png", b"\x89PNG\r\n\x1a\n...", "rejected: binary: a PNG image"),
    ("a", bytes(range(256)) * 20, "rejected: binary"),
    ("a.tar", b"x" * 257 + b"ustar\x0000" + b"x" * 300, "rejected: binary: a tar archive"),
    ("a.arc", b"filedesc://a.arc 0.0.0.0\n", "rejected: an ARC file"),
    ("feed.xml", b'<?xml version="1.0"?><rss><item/></rss>', "rejected: XML that is no web page"),
    ("a.parquet", b"not parquet", "failed: no Parquet file that can be read"),
    ("a.parquet", b"PAR1not parquetPAR1", "failed: no Parquet file that can be read"),
    ("a.warc", b"not a warc at all", "failed: broken WARC record: 17 bytes that are no WARC record"),
]


@pytest.mark.parametrize(("name", "data", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_read_says_so(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    """One row, with the reason and, where there is one, the next step."""
    (raw,) = read_file(tmp_path, name, data)
    assert said(raw).startswith(reason)


def test_a_file_over_the_limit_fails_without_being_held(tmp_path: Path) -> None:
    """One line of 60 MB is one failed row; a binary of that size is still told that it is binary."""
    config = Config(limits=Limits(document_bytes=1_000_000))
    (tmp_path / "a.txt").write_bytes(b"x" * 60_000_000)
    (tmp_path / "b.bin").write_bytes(b"\x00\x01\x02" * 20_000_000)
    tracemalloc.start()
    text, binary = read_all(tmp_path, config)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said(text).startswith("failed: larger than 1,000,000 bytes")
    assert said(binary).startswith("rejected: binary")
    assert peak < 5_000_000


def test_charset_and_newlines_are_given_back(tmp_path: Path) -> None:
    """What decoding found is returned beside the document."""
    (raw,) = read_file(tmp_path, "a.txt", "Žluťoučký kůň\r\npěl ódy\r\n".encode("utf-16"))
    document, charset, newlines = to_document(raw)
    assert (document.text, charset, newlines) == ("Žluťoučký kůň\npěl ódy\n", "utf-16le", "crlf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    st.binary(max_size=300)
    | st.tuples(
        st.sampled_from(
            [b"\x1f\x8b\x08", b"(\xb5/\xfd", b"PAR1", b"WARC/1.0\r\n", b"{", b"<!doctype html>", b"\xff\xfe"]
        ),
        st.binary(max_size=200),
    ).map(b"".join),
    st.sampled_from(
        [
            "a",
            "a.txt",
            "a.html",
            "a.md",
            "a.jsonl",
            "a.json",
            "a.parquet",
            "a.warc",
            "a.warc.gz",
            "a.txt.gz",
            "a.jsonl.zst",
            "a.csv",
        ]
    ),
)
def test_no_bytes_under_any_name_stop_the_run(tmp_path: Path, data: bytes, name: str) -> None:
    """Every file has at least one row, each with a text or a reason, and no two have one source."""
    rows = read_file(tmp_path, name, data)
    assert rows
    assert len({raw.source for raw in rows}) == len(rows)
    for raw in rows:
        assert raw.source.startswith(name)
        assert said(raw)
