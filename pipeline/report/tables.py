"""Reading the tables of a published generation: columns of all rows, or all columns of a few rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Rows = npt.NDArray[np.int64]

TABLES = ("manifest", "edits", "evidence", "related", "dropped", "learned")
FAR_APART = 500  # names hashed in the time that looking one name up takes
BATCH_ROWS = 65_536  # rows of edits in memory at a time: some 20 MB


class Sources:
    """Finds rows by source without a Python dictionary: 8 bytes a row and the names themselves."""

    def __init__(self, column: pa.ChunkedArray | pa.Array) -> None:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        self.names: pa.Array = array.cast(pa.large_string())
        self._order: Rows = pc.sort_indices(self.names).to_numpy().astype(np.int64, copy=False)

    def __len__(self) -> int:
        return len(self.names)

    def row(self, source: str) -> int | None:
        """The first row of `source`; None if there is none."""
        at = bisect_left(self._order, source, key=self._name)
        return int(self._order[at]) if at < len(self) and self._name(self._order[at]) == source else None

    def _name(self, row: np.int64) -> str:
        return str(self.names[int(row)].as_py())

    def rows(self, sources: pa.Array) -> Rows:
        """The row of each of `sources`, -1 where there is none.

        Only the part of the sorted names between the smallest and the largest of `sources` is hashed, so that a
        batch of neighbours costs what the batch holds, not what the corpus holds. A few names from everywhere are
        looked up one by one.
        """
        if not len(sources) or not len(self):
            return np.full(len(sources), -1, dtype=np.int64)
        encoded = sources.cast(pa.large_string()).dictionary_encode()
        unique = encoded.dictionary
        bounds = pc.min_max(unique).as_py()
        low = bisect_left(self._order, bounds["min"], key=self._name)
        high = bisect_right(self._order, bounds["max"], key=self._name)
        if high - low > FAR_APART * len(unique):
            each = [self.row(name) for name in unique.to_pylist()]
            single = np.array([-1 if row is None else row for row in each], dtype=np.int64)
            return np.asarray(single[encoded.indices.to_numpy()], dtype=np.int64)
        among = self.names.take(pa.array(self._order[low:high]))
        found = pc.index_in(unique, value_set=among).fill_null(-1).to_numpy()
        position = np.where(found < 0, 0, found + low)
        rows = np.where(found < 0, -1, self._order[position])
        return np.asarray(rows[encoded.indices.to_numpy()], dtype=np.int64)


class Table:
    """One Parquet file, opened once. Raises OSError or pyarrow's ArrowInvalid when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.file = pq.ParquetFile(path, memory_map=True)
        counts = [self.file.metadata.row_group(n).num_rows for n in range(self.file.metadata.num_row_groups)]
        self._starts: Rows = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @property
    def num_rows(self) -> int:
        """Rows in the file."""
        return int(self.file.metadata.num_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, all rows."""
        return self.file.read(columns=[name])[name]

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns, all rows."""
        return self.file.read(columns=list(names))

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows in file order, a batch at a time."""
        yield from self.file.iter_batches(batch_size=BATCH_ROWS, columns=list(names) if names else None)

    def take(self, rows: Sequence[int] | Rows, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Some rows, in the order asked for, each a dict. Reads only the row groups that hold them."""
        wanted = np.asarray(rows, dtype=np.int64)
        if not len(wanted):
            return []
        group_of = np.searchsorted(self._starts, wanted, side="right") - 1
        found: dict[int, dict[str, Any]] = {}
        for group in np.unique(group_of):
            inside = np.unique(wanted[group_of == group])
            table = self.file.read_row_group(int(group), columns=list(names) if names else None)
            picked = table.take(pa.array(inside - self._starts[group]))
            found |= zip(inside.tolist(), picked.to_pylist(), strict=True)
        return [found[int(row)] for row in wanted]

    def where(self, name: str, value: str) -> Rows:
        """Rows whose column `name` is `value`, by the statistics of the row groups, then by looking."""
        at = self.file.schema_arrow.get_field_index(name)
        found = [np.zeros(0, dtype=np.int64)]
        for group in range(self.file.metadata.num_row_groups):
            statistics = self.file.metadata.row_group(group).column(at).statistics
            if statistics is not None and statistics.has_min_max and not _may_hold(statistics, value):
                continue
            column = self.file.read_row_group(group, columns=[name])[name]
            inside = np.flatnonzero(pc.fill_null(pc.equal(column, value), False).to_numpy())
            found.append(inside + self._starts[group])
        return np.concatenate(found)

    def rows_of(self, name: str, values: Collection[str]) -> dict[str, list[dict[str, Any]]]:
        """Rows whose column `name` is one of `values`, by value, in file order: each row group is read once."""
        at = self.file.schema_arrow.get_field_index(name)
        found: dict[str, list[dict[str, Any]]] = {value: [] for value in values}
        wanted = pa.array(sorted(found), pa.string())
        for group in range(self.file.metadata.num_row_groups):
            statistics = self.file.metadata.row_group(group).column(at).statistics
            known = statistics is not None and statistics.has_min_max
            if known and not any(_may_hold(statistics, value) for value in found):
                continue
            inside = pc.is_in(self.file.read_row_group(group, columns=[name])[name], value_set=wanted)
            if pc.any(inside).as_py():
                for row in self.file.read_row_group(group).filter(inside).to_pylist():
                    found[row[name]].append(row)
        return found


def _may_hold(statistics: Any, value: str) -> bool:
    """Whether a row group can hold `value`. Writers may cut long minima and maxima short: compare that much only."""
    low, high = str(statistics.min), str(statistics.max)
    return value >= low and value[: len(high)] <= high


def open_table(folder: Path, name: str) -> Table:
    """Open `<name>.parquet` of a generation."""
    return Table(folder / f"{name}.parquet")


def codes(column: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[np.int32], list[Any]]:
    """A column as small numbers and the values they stand for, in the order of the values; null is -1."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = array.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=lambda n: str(values[n]))
    rank = np.empty(len(values) + 1, dtype=np.int32)
    rank[order] = np.arange(len(values), dtype=np.int32)
    rank[len(values)] = -1
    indices = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return rank[indices], [values[n] for n in order]
