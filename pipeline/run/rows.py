"""The documents of a run, in source order, as places in part files: eight bytes for each document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.corpus.parts import Span, read_documents


@dataclass(frozen=True)
class Rows:
    """`parts[part[i]]` holds document i (in source order) at row `row[i]`; both int32, shape (documents,)."""

    folder: Path
    parts: tuple[str, ...]
    part: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.part)

    @classmethod
    def of_spans(cls, folder: Path, spans: Iterable[Span]) -> Rows:
        """The documents of `spans`, in their order."""
        numbers: dict[str, int] = {}
        part_runs, row_runs = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for span in spans:
            number = numbers.setdefault(span.part, len(numbers))
            part_runs.append(np.full(span.count, number, np.int32))
            row_runs.append(np.arange(span.first, span.first + span.count, dtype=np.int32))
        return cls(folder, tuple(numbers), np.concatenate(part_runs), np.concatenate(row_runs))

    def by_part(self, indices: np.ndarray | None = None) -> Iterator[tuple[str, np.ndarray]]:
        """For each part that holds any of `indices` (default: all): its name and those indices, ascending."""
        wanted = np.arange(len(self)) if indices is None else indices
        order = np.argsort(self.part[wanted], kind="stable")
        grouped = wanted[order]
        numbers = self.part[grouped]
        borders = np.flatnonzero(np.diff(numbers)) + 1
        for run in np.split(grouped, borders) if len(grouped) else []:
            yield self.parts[int(self.part[run[0]])], run

    def column(self, name: str, indices: np.ndarray | None = None) -> pa.ChunkedArray:
        """One column for all documents, or for `indices`, in that order."""
        return self.table([name], indices).column(name)

    def table(self, names: Sequence[str], indices: np.ndarray | None = None) -> pa.Table:
        """Some columns for all documents, or for `indices`, in that order."""
        wanted = np.arange(len(self)) if indices is None else np.asarray(indices)
        tables, places = [], []
        for part, run in self.by_part(np.unique(wanted)):
            tables.append(read_documents(self.folder, part, names, self.row[run]))
            places.append(run)
        if not tables:
            from pipeline.corpus.tables import PART

            return pa.schema([PART.field(name) for name in names]).empty_table()
        where = np.empty(len(self), np.int64)
        where[np.concatenate(places)] = np.arange(sum(len(run) for run in places))
        gathered = pa.concat_tables(tables)
        at = where[wanted]
        return gathered if np.array_equal(at, np.arange(len(gathered))) else gathered.take(pa.array(at))

    def replaced(self, replacements: Iterable[tuple[np.ndarray, str, np.ndarray]]) -> Rows:
        """These rows with some documents found elsewhere: (their indices, the part, the rows there)."""
        names = list(self.parts)
        numbers = {name: number for number, name in enumerate(names)}
        part_column, row_column = self.part.copy(), self.row.copy()
        for indices, part, rows in replacements:
            if part not in numbers:
                numbers[part] = len(names)
                names.append(part)
            part_column[indices] = numbers[part]
            row_column[indices] = rows
        return Rows(self.folder, tuple(names), part_column, row_column)
