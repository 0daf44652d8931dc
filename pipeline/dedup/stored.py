"""A table too large for memory: an Arrow file, written and read a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class StoredTable:
    """Rows in an Arrow IPC file at `path`."""

    path: Path

    @classmethod
    def write(cls, path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> StoredTable:
        """Writes the rows of `tables`, each of which becomes one batch. Raises OSError when the disk refuses."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for table in tables:
                writer.write_table(table.cast(schema).combine_chunks())
        return cls(path)

    def batches(self) -> Iterator[pa.Table]:
        """The rows in their order; what was given before is read from the file again, never kept in memory."""
        with pa.OSFile(str(self.path)) as source:  # not mapped: pages of a mapped file would count as held
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)])

    def table(self) -> pa.Table:
        """All rows, in a file mapped into memory: what is not looked at is not read."""
        with pa.memory_map(str(self.path)) as source:
            return pa.ipc.open_file(source).read_all()
