"""Kept documents are read back as they were published, in each format."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpus.output import json_line, markdown_document
from pipeline.review.texts import KeptTexts, markdown_text

TEXTS = {"a.txt": "One.\n\n---\n\nTwo.\n", "b.txt": "", "c#1": "x\u2028y\r\nz\x85", "d": "---\ntitle: no\n---\n\nmine"}


@pytest.mark.parametrize("source", TEXTS)
def test_markdown_comes_back(source: str) -> None:
    """Text that looks like front matter, odd line ends and no text at all come back as they were."""
    fields = {"title": "A: b\n---\n", "source": source, "canonical": True, "sha256": "0", "metadata": {"x": "---"}}
    assert markdown_text(markdown_document(fields, TEXTS[source]).decode()) == TEXTS[source]


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_comes_back_from_markdown(text: str, title: str) -> None:
    """Whatever title and text hold."""
    assert markdown_text(markdown_document({"title": title, "source": "a"}, text).decode()) == text


def test_jsonl_is_found_by_place_or_by_name(tmp_path: Path) -> None:
    """The right line by its place, also by its name where the place is wrong; unknown ones are not made up."""
    lines = [json_line({"source": source, "text": text}) for source, text in TEXTS.items()]
    (tmp_path / "documents.jsonl").write_bytes(b"".join(lines))
    texts = KeptTexts(tmp_path, tmp_path)
    for place, source in enumerate(TEXTS):
        assert texts.read(source, "documents.jsonl", place) == TEXTS[source]
        assert texts.read(source, "documents.jsonl", 99) == TEXTS[source]
    with pytest.raises(KeyError):
        texts.read("nope", "documents.jsonl", 0)
    assert json.loads(lines[0])["source"] == "a.txt"


def test_parquet_parts_are_read(tmp_path: Path) -> None:
    """A document of a part file, found by its source."""
    (tmp_path / "documents").mkdir()
    table = pa.table({"source": list(TEXTS), "text": list(TEXTS.values())})
    pq.write_table(table, tmp_path / "documents" / "part-00000.parquet", row_group_size=2)
    texts = KeptTexts(tmp_path, tmp_path)
    for source, text in TEXTS.items():
        assert texts.read(source, "documents/part-00000.parquet", 0) == text
    with pytest.raises(KeyError):
        texts.read("nope", "documents/part-00000.parquet", 0)
