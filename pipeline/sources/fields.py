"""What a JSON or Parquet record says: its text, the fields every corpus has, and the rest as metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pipeline.config import Reading
from pipeline.document import Kind
from pipeline.errors import DocumentRejected

STANDARD = ("title", "url", "date", "author", "language")
_TAKEN = frozenset((*STANDARD, "metadata"))
# The columns that mark a row of our own documents.jsonl: its `source` is where the text lay last time, which
# that run's manifest knows; kept, it would make the second cleaning differ from the first.
_OURS = frozenset(("source", "record_id", "text", "metadata"))
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def from_record(
    record: Mapping[str, Any], reading: Reading, where: Callable[[], str], size: int
) -> tuple[str | bytes, Kind, dict[str, Any]]:
    """The text of a record, its kind and its fields.

    `where` names the record in a message (`feed.jsonl line 12`); `size` is the record's own in bytes, to know when
    metadata needs measuring. Text is looked for in the text field, then in the HTML field. Raises DocumentRejected
    where neither holds any.

    >>> text, kind, fields = from_record({"text": "Hello.", "id": 7, "tag": "x"}, Reading(), lambda: "a line 1", 40)
    >>> text, kind, fields
    ('Hello.', 'text', {'record_id': '7', 'metadata': {'tag': 'x'}})
    """
    kind: Kind = "text"
    text = record.get(reading.text_field)
    if not (isinstance(text, (str, bytes)) and text):
        text, kind = record.get(reading.html_field), "html"
        if not (isinstance(text, (str, bytes)) and text):
            raise DocumentRejected(_no_text(record, reading, where()))
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    given = record.get("metadata")
    if given is not None:
        metadata = _as_mapping(given)
    id_name = reading.id_field if record.get(reading.id_field) is not None else "record_id"
    for name, value in record.items():
        if name == reading.text_field or name == reading.html_field or value is None:
            continue
        if name == id_name:
            if (said := _said(value)) is not None:
                fields["record_id"] = said
                continue
        elif name in _TAKEN:
            if name == "metadata":
                continue
            if (said := _said(value)) is not None:
                if said:
                    fields[name] = said
                continue
        metadata.setdefault(name, value)
    if "source" in metadata and record.keys() >= _OURS and metadata["source"] is record["source"]:
        del metadata["source"]
    if metadata:
        if size - len(text) > reading.metadata_bytes:
            metadata = _within(metadata, reading.metadata_bytes)
        fields["metadata"] = metadata
    return text, kind, fields


def _said(value: Any) -> str | None:
    """A field's value as text: strings, numbers and lists of strings; None for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return None


def _as_mapping(given: Any) -> dict[str, Any]:
    """A record's `metadata`: an object, or an object written as JSON text (as in our Parquet); else under its name."""
    if isinstance(given, str):
        with contextlib.suppress(orjson.JSONDecodeError):
            given = orjson.loads(given) if given.lstrip().startswith("{") else given
    return dict(given) if isinstance(given, Mapping) else {"metadata": given}


def _within(metadata: dict[str, Any], limit: int) -> dict[str, Any]:
    """Metadata of at most `limit` bytes as JSON: the largest values go, and `left_out` names them."""
    sizes = {name: len(name) + len(orjson.dumps(value, default=str)) for name, value in metadata.items()}
    kept, total, left_out = dict(metadata), sum(sizes.values()), []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if total <= limit:
            break
        total -= sizes[name]
        left_out.append(name[:100])
        del kept[name]
    return {**kept, "left_out": left_out[:100]} if left_out else kept


def _no_text(record: Mapping[str, Any], reading: Reading, where: str) -> str:
    """Why a record has no text, and what to do."""
    for name in (reading.text_field, reading.html_field):
        if name in record:
            value = record[name]
            if value is None or value in ("", b""):
                return f'{where}: the field "{name}" is empty'
            what = _KINDS.get(type(value), type(value).__name__)
            return f'{where}: the field "{name}" is {what}, not text. Name the column with --text-field.'
    return f'{where}: no field "{reading.text_field}" or "{reading.html_field}". Name the column with --text-field.'
