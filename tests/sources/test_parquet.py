"""Parquet rows become documents, whatever types their columns have."""

from __future__ import annotations

import datetime
import decimal
import json
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Config, Reading
from pipeline.document import Document
from pipeline.sources import discover, read, scan
from tests.sources.files import outcome, parquet, read_all, said


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary(), pa.large_binary()],
    ids=str,
)
def test_text_columns_of_every_type_are_read(tmp_path: Path, kind: pa.DataType) -> None:
    """Strings, large strings, dictionaries and bytes give the same documents."""
    parquet(tmp_path / "t.parquet", {"text": pa.array(["Žluťoučký kůň.", "Two."]).cast(kind)})
    rows = read_all(tmp_path)
    assert [(raw.source, raw.format, said(raw)) for raw in rows] == [
        ("t.parquet#0", "parquet", "Žluťoučký kůň."),
        ("t.parquet#1", "parquet", "Two."),
    ]


def test_bytes_are_decoded_as_a_page_would_be(tmp_path: Path) -> None:
    """A binary HTML column keeps its own declared charset."""
    html = '<html><head><meta charset="iso-8859-2"></head><body>Žluťoučký kůň</body></html>'.encode("iso8859-2")
    parquet(tmp_path / "t.parquet", {"html": pa.array([html], pa.binary())})
    (raw,) = read_all(tmp_path)
    assert "Žluťoučký kůň" in said(raw)
    assert raw.kind == "html"


def test_columns_become_fields_and_metadata(tmp_path: Path) -> None:
    """Standard columns become fields; dates, decimals, lists of strings and a nested `metadata` stay readable."""
    parquet(
        tmp_path / "t.parquet",
        {
            "text": ["Body."],
            "id": [12],
            "title": ["T"],
            "date": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC")),
            "day": [datetime.date(2024, 5, 6)],
            "price": [decimal.Decimal("1.50")],
            "score": [float("nan")],
            "tags": [["a", "b"]],
            "raw": [b"\xff\x00"],
            "embedding": [[0.1, 0.2]],
            "tree": [{"a": 1}],
            "metadata": [{"guid": "g1"}],
            "nothing": pa.nulls(1),
        },
    )
    (raw,) = read_all(tmp_path)
    document = outcome(raw)
    assert isinstance(document, Document)
    assert (document.record_id, document.title, document.date) == ("12", "T", "2023-11-14T22:13:20.123456+00:00")
    assert document.metadata == {
        "guid": "g1",
        "day": "2024-05-06",
        "price": "1.50",
        "tags": ["a", "b"],
        "raw": "/wA=",
    }


def test_rows_without_text_have_their_reason(tmp_path: Path) -> None:
    """Null, empty and text that is no UTF-8 are rows or documents of their own; the others are read."""
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\x04\0\0\0"), pa.py_buffer("café".encode("cp1252"))]
    )
    column = pa.chunked_array([pa.array(["One.", None, ""]), bad])
    pq.write_table(pa.table({"text": column}), tmp_path / "t.parquet")
    assert [said(raw) for raw in read_all(tmp_path)] == [
        "One.",
        'rejected: t.parquet row 1: the field "text" is empty',
        'rejected: t.parquet row 2: the field "text" is empty',
        "café",
    ]


def test_a_table_without_text_names_its_columns(tmp_path: Path) -> None:
    """One row that says which columns there are, and how to name the right one."""
    parquet(tmp_path / "t.parquet", {"body": ["a"], "n": [1]})
    (raw,) = read_all(tmp_path)
    assert said(raw) == (
        'rejected: t.parquet: no column "text" or "html" that holds text (columns: body, n). '
        "Name the column with --text-field."
    )
    (raw,) = read_all(tmp_path, Config(reading=Reading(text_field="body")))
    assert (said(raw), raw.fields) == ("a", {"metadata": {"n": 1}})


def test_a_broken_row_group_costs_only_itself(tmp_path: Path) -> None:
    """The groups before and after it are read; its rows are one failed row that counts them."""
    rng = random.Random(2)
    texts = [rng.randbytes(200).hex() for _ in range(40)]
    parquet(tmp_path / "t.parquet", {"text": texts}, row_group_size=10, compression="zstd", use_dictionary=False)
    described = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(1).column(0)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    middle = described.data_page_offset + described.total_compressed_size // 2
    data[middle : middle + 400] = bytes(400)
    (tmp_path / "t.parquet").write_bytes(data)
    rows = read_all(tmp_path)
    good = [said(raw) for raw in rows if raw.error is None]
    assert good == texts[:10] + texts[20:]
    (bad,) = [raw for raw in rows if raw.error is not None]
    assert said(bad).startswith("failed: row group 1 is broken from row 10 on, 10 rows lost")
    assert bad.source == "t.parquet#10"


def test_an_empty_table_is_one_row(tmp_path: Path) -> None:
    """No rows, no documents, but accounted for."""
    parquet(tmp_path / "t.parquet", {"text": pa.array([], pa.string())})
    (raw,) = read_all(tmp_path)
    assert said(raw) == "rejected: no document in it"


def test_our_own_parquet_reads_back(tmp_path: Path) -> None:
    """Metadata written as JSON text becomes metadata again, and `source` is not added to it."""
    columns = {"source": ["a.txt"], "record_id": ["r"], "text": ["Body."], "metadata": [json.dumps({"k": [1]})]}
    parquet(tmp_path / "t.parquet", columns)
    (raw,) = read_all(tmp_path)
    assert raw.fields == {"record_id": "r", "metadata": {"k": [1]}}


def test_a_large_row_group_is_streamed(tmp_path: Path) -> None:
    """A row group of 24 MB is decoded a few megabytes at a time."""
    parquet(tmp_path / "t.parquet", {"text": ["word " * 400] * 12_000, "n": range(12_000)}, use_dictionary=False)
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    most = 0
    (file,) = discover(str(tmp_path / "t.parquet"), Config())
    for piece in scan(file, Config()).slices:
        for _ in read(piece, Config()):
            most = max(most, pa.total_allocated_bytes() - before)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak + most < 15_000_000
