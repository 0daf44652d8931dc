"""Parquet: one record a row, row groups streamed, only columns that can say something."""

from __future__ import annotations

import base64
import datetime
import decimal
import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.sources.fields import from_record
from pipeline.sources.records import RawDocument, Slice, SourceFile

ROWS = 1_024  # rows decoded at a time, at most
_BUFFER = 1 << 20  # bytes read from a column chunk at a time


def row_group_slices(file: SourceFile, stream: BinaryIO, config: Config) -> tuple[Slice, ...]:
    """Ranges of row groups of about `reading.batch_bytes` each. A broken file is one slice."""
    try:
        stream.seek(0)
        metadata = pq.ParquetFile(stream).metadata
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    except (pa.ArrowException, OSError):
        return (Slice(file),)
    slices, start, first, row, size = [], 0, 0, 0, 0
    for group, described in enumerate(groups):
        size += described.total_byte_size
        row += described.num_rows
        if size >= config.reading.batch_bytes or group == len(groups) - 1:
            slices.append(Slice(file, start, group + 1, first))
            start, first, size = group + 1, row, 0
    return tuple(slices) or (Slice(file),)


def read_parquet(piece: Slice, stream: BinaryIO, config: Config) -> Iterator[RawDocument]:
    """The records of a slice of row groups. A broken group is one row, and reading goes on with the next.

    Raises DocumentError where the file as a whole is at fault.
    """
    path = piece.file.path
    try:
        table = pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
        metadata, schema = table.metadata, table.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DocumentFailed(f"no Parquet file that can be read: {_short(error)}. Write it again.") from None
    columns = [field.name for field in schema if _is_wanted(field)]
    if config.reading.text_field not in columns and config.reading.html_field not in columns:
        raise DocumentRejected(
            f'{path}: no column "{config.reading.text_field}" or "{config.reading.html_field}" that holds text '
            f"(columns: {', '.join(schema.names)[:300]}). Name the column with --text-field."
        )
    row = piece.first
    for group in range(piece.start, metadata.num_row_groups if piece.end < 0 else piece.end):
        described = metadata.row_group(group)
        after = row + described.num_rows
        try:
            for record in _rows(table, group, columns, max(1, described.total_byte_size // max(1, described.num_rows))):
                yield _read_row(path, row, record, config)
                row += 1
        except (pa.ArrowException, OSError) as error:
            reason = f"row group {group} is broken from row {row} on, {after - row} rows lost: {_short(error)}"
            yield RawDocument(f"{path}#{row}", row, "parquet", b"", "text", error=DocumentFailed(reason))
        row = after


def _short(error: Exception) -> str:
    """The first line of what Arrow says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _is_wanted(field: pa.Field) -> bool:
    """Whether a column is read: values of one kind, lists of strings, and a nested `metadata`; no vectors, no trees."""
    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if field.name == "metadata":
        return True
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return bool(_is_string(kind.value_type))
    return not pa.types.is_nested(kind) and not pa.types.is_null(kind)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _rows(table: pq.ParquetFile, group: int, columns: list[str], row_bytes: int) -> Iterator[dict[str, Any]]:
    """The rows of a row group as dicts, decoded a few megabytes at a time."""
    size = max(1, min(ROWS, 4 * _BUFFER // row_bytes))
    for batch in table.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
        values = [_values(column) for column in batch.columns]
        for row in zip(*values, strict=True):
            yield dict(zip(batch.schema.names, row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """A column as Python values; strings that are no UTF-8 as bytes, nanoseconds as microseconds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return list(column.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()).to_pylist())
    except (ValueError, OverflowError):
        return list(column.cast(pa.string(), safe=False).to_pylist())  # dates before year 1 or after 9999


def _read_row(path: str, row: int, record: Mapping[str, Any], config: Config) -> RawDocument:
    """The document in one row, or the row that says what is wrong with it."""
    texts = (config.reading.text_field, config.reading.html_field)
    plain = {name: value if name in texts else _plain(value) for name, value in record.items()}
    size = sum(len(value) for value in plain.values() if isinstance(value, (str, bytes)))
    try:
        text, kind, fields = from_record(plain, config.reading, lambda: f"{path} row {row}", size)
    except DocumentError as error:
        return RawDocument(f"{path}#{row}", row, "parquet", b"", "text", error=error)
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return RawDocument(f"{path}#{row}", row, "parquet", text, kind, None, fields, hashlib.sha256(data).hexdigest())


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: dates in ISO 8601, decimals and times as text, bytes as text or base64."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, datetime.timedelta)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # a map column
            return {str(name): _plain(item) for name, item in value}
        return [_plain(item) for item in value]
    return str(value)
