"""JSONL and JSON: each record is a document or a row of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, Limits, Reading
from pipeline.document import Document
from tests.sources.files import jsonl, outcome, read_file, said

NO_FIELD = 'rejected: a.jsonl line 1: no field "text" or "html". Name the column with --text-field.'

LINES = [
    (b'{"text": "Hello."}', "Hello."),
    (b'{"text": "Hello."}\r', "Hello."),
    (b'\xef\xbb\xbf{"text": "Hello."}', "Hello."),
    (b'{"text": null, "html": "<p>Hi"}', "<p>Hi"),
    (b'{"text": "", "html": "<p>Hi"}', "<p>Hi"),
    (b'{"text": "one", "text": "two"}', "two"),
    (b'{"text": "a\\u0000b"}', "a\0b"),
    (b'{"text": "a\x01b"}', "a\x01b"),
    (b'{"text": "a \\ud83d b"}', "a \ufffd b"),
    (b'{"text": "a \\ud83d\\ude00 b"}', "a 😀 b"),
    (b'{"text": "a", "score": NaN}', "a"),
    (b'{"text": "a", "big": ' + b"9" * 400 + b"}", "a"),
    ('{"text": "café “so”"}'.encode("cp1252"), "café “so”"),
    (b'{"text": "\\ufeffmarked"}', "marked"),
    (b'{"text": "one\\r\\ntwo"}', "one\ntwo"),
    (b"{}", NO_FIELD),
    (b'{"body": "x"}', NO_FIELD),
    (b'{"text": null}', 'rejected: a.jsonl line 1: the field "text" is empty'),
    (b'{"text": ""}', 'rejected: a.jsonl line 1: the field "text" is empty'),
    (b'{"html": ""}', 'rejected: a.jsonl line 1: the field "html" is empty'),
    (b'{"text": "  \\n "}', "rejected: empty: there is nothing but white space in it"),
    (b'{"text": 5}', 'rejected: a.jsonl line 1: the field "text" is a number, not text. Name the column'),
    (b'{"text": ["a"]}', 'rejected: a.jsonl line 1: the field "text" is a list, not text.'),
    (b'["text"]', "rejected: a.jsonl line 1: not a JSON object"),
    (b'"text"', "rejected: a.jsonl line 1: not a JSON object"),
    (b'{"text": "cut', "failed: a.jsonl line 1: not JSON: "),
    (b"hello", "failed: a.jsonl line 1: not JSON: "),
    (b"{" * 100, "failed: a.jsonl line 1: not JSON: "),
    (b'{"text": "x", "deep": ' + b"[" * 200_000, "failed: a.jsonl line 1: not JSON: "),
    (
        b'{"text": "x", "deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        "failed: a.jsonl line 1: not JSON: nested too deep",
    ),
    (b"\x00\x01\x02\x03\x04\x05", "failed: a.jsonl line 1: not JSON: "),
]


@pytest.mark.parametrize(("line", "expected"), LINES, ids=range(len(LINES)))
def test_a_line_is_a_document_or_says_why_not(tmp_path: Path, line: bytes, expected: str) -> None:
    """The bad line has its reason, and the good one behind it is read all the same."""
    first, second = read_file(tmp_path, "a.jsonl", line + b'\n{"text": "After."}')
    given_back = said(first)
    assert given_back.startswith(expected) if ": " in expected else given_back == expected
    assert (first.source, second.source, said(second)) == ("a.jsonl#1", "a.jsonl#2", "After.")


def test_blank_lines_are_no_records_but_count(tmp_path: Path) -> None:
    """`#3` is the third line of the file, as an editor shows it."""
    rows = read_file(tmp_path, "a.jsonl", b'\n \t\r\n{"text": "Third."}\n\n')
    assert [(raw.source, raw.index) for raw in rows] == [("a.jsonl#3", 3)]


def test_a_line_over_the_limit_fails_alone(tmp_path: Path) -> None:
    """It is skipped without being held, whether or not it ends."""
    config = Config(limits=Limits(document_bytes=100))
    long = b'{"text": "' + b"x" * 5_000 + b'"}'
    rows = read_file(tmp_path, "a.jsonl", b'{"text": "a"}\n' + long + b'\n{"text": "b"}\n' + long, config)
    assert [said(raw)[:40] for raw in rows] == [
        "a",
        "failed: a.jsonl line 2: longer than 100 ",
        "b",
        "failed: a.jsonl line 4: longer than 100 ",
    ]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read(tmp_path: Path, codec: str) -> None:
    """With a byte order mark or without, lines and their numbers come out right."""
    data = '{"text": "žluťoučký"}\n{"text": "kůň 月"}\n'.encode(codec)
    rows = read_file(tmp_path, "a.jsonl", data)
    assert [(raw.source, said(raw)) for raw in rows] == [("a.jsonl#1", "žluťoučký"), ("a.jsonl#2", "kůň 月")]


def test_fields_are_told_from_metadata(tmp_path: Path) -> None:
    """Standard fields become fields, the rest metadata; what is empty or of another shape is not made up."""
    record = {
        "text": "Body.",
        "id": 7,
        "title": "  A title ",
        "url": "https://example.org/a",
        "date": 2024,
        "author": ["Ann", "Bo"],
        "language": None,
        "tags": ["x"],
        "section": {"name": "news"},
        "metadata": {"guid": "g1", "tags": ["own"]},
    }
    (raw,) = read_file(tmp_path, "a.jsonl", jsonl([record]))
    document = outcome(raw)
    assert isinstance(document, Document)
    assert (document.record_id, document.title, document.url) == ("7", "A title", "https://example.org/a")
    assert (document.date, document.author, document.language) == ("2024", "Ann, Bo", None)
    assert document.metadata == {"guid": "g1", "tags": ["own"], "section": {"name": "news"}}


def test_columns_can_be_named(tmp_path: Path) -> None:
    """`text_field`, `html_field` and `id_field` say where to look, and the default names are then metadata."""
    config = Config(reading=Reading(text_field="body", html_field="raw", id_field="key"))
    data = jsonl([{"body": "One.", "key": "k1", "text": "no", "id": 5}, {"raw": "<p>Two."}])
    first, second = read_file(tmp_path, "a.jsonl", data, config)
    assert (said(first), first.fields) == ("One.", {"record_id": "k1", "metadata": {"text": "no", "id": 5}})
    assert (said(second), second.kind) == ("<p>Two.", "html")
    (missing,) = read_file(tmp_path, "a.jsonl", jsonl([{"text": "no"}]), config)
    assert 'no field "body" or "raw"' in said(missing)


def test_our_own_corpus_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Cleaning a cleaned corpus must change nothing: fields and metadata return, `source` is not added to them."""
    row = {
        "source": "news/a.txt",
        "record_id": "r1",
        "title": "T",
        "text": "Body.",
        "language": "en",
        "url": "https://example.org/",
        "date": "2024-01-02",
        "author": "Ann",
        "metadata": {"section": "news"},
    }
    for metadata in (row["metadata"], json.dumps(row["metadata"])):
        (raw,) = read_file(tmp_path, "documents.jsonl", jsonl([{**row, "metadata": metadata}]))
        document = outcome(raw)
        assert isinstance(document, Document)
        again = {name: getattr(document, name) for name in row if name not in ("source", "metadata")}
        assert again == {name: value for name, value in row.items() if name not in ("source", "metadata")}
        assert document.metadata == {"section": "news"}
    (foreign,) = read_file(tmp_path, "feed.jsonl", jsonl([{"text": "Body.", "source": "Wire"}]))
    assert foreign.fields["metadata"] == {"source": "Wire"}


def test_metadata_is_bounded(tmp_path: Path) -> None:
    """The largest values go first, and `left_out` names them."""
    config = Config(reading=Reading(metadata_bytes=200))
    data = jsonl([{"text": "Body.", "embedding": list(range(500)), "tag": "x"}])
    (raw,) = read_file(tmp_path, "a.jsonl", data, config)
    assert raw.fields["metadata"] == {"tag": "x", "left_out": ["embedding"]}


def test_json_holds_one_document_or_a_list(tmp_path: Path) -> None:
    """An object is one document with the file's name; a list is numbered from 1, and what is no object is a row."""
    (one,) = read_file(tmp_path, "a.json", b'{"title": "T", "text": "Body."}')
    assert (one.source, said(one), one.fields["title"]) == ("a.json", "Body.", "T")
    rows = read_file(tmp_path, "b.json", b'[{"text": "One."}, 5, {"title": "none"}]')
    assert [raw.source for raw in rows] == ["b.json#1", "b.json#2", "b.json#3"]
    assert said(rows[1]) == "rejected: b.json number 2: not a JSON object, as a record must be"
    assert said(rows[2]).startswith('rejected: b.json number 3: no field "text"')
    (strings,) = read_file(tmp_path, "c.json", b'["a", "b"]')
    assert said(strings).startswith("rejected: neither a JSON object nor a list of objects")
    (cut,) = read_file(tmp_path, "d.json", b'[{"text": "One."}, ')
    assert said(cut).startswith("failed: d.json: not JSON: ")
    lines = read_file(tmp_path, "e.json", b'{"text": "One."}\n{"text": "Two."}\n')
    assert [(raw.source, said(raw)) for raw in lines] == [("e.json#1", "One."), ("e.json#2", "Two.")]
    pretty = read_file(tmp_path, "f.json", b'{\n  "text": "One."\n}\n')
    assert [said(raw) for raw in pretty] == ["One."]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["text", "html", "id", "record_id", "title", "url", "date", "author", "metadata", "source", "x"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_no_record_stops_the_feed(tmp_path: Path, record: dict[str, object]) -> None:
    """Whatever values the fields hold, there is one row, and what becomes a document can be written as UTF-8 JSON."""
    (raw,) = read_file(tmp_path, "a.jsonl", json.dumps(record).encode())
    document = outcome(raw)
    if isinstance(document, Document):
        json.dumps(dict(document.metadata), ensure_ascii=False, allow_nan=False).encode()
        for value in (document.text, document.title, document.url, document.date, document.author, document.record_id):
            assert value is None or value.encode() is not None
