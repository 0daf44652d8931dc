"""Part files: what the passes of a run hand to each other, and what the next run need not do again.

A *unit* is what is cleaned or reused as a whole: a file, or a slice of a container. Its key is a digest of what went
in (place, bytes, settings), so a part never goes stale: it is found by its key or not at all. A batch of units is
written as one or more parts, each four files; `<batch>.json`, written last, makes them count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpus.tables import LINES, PART

ROW_GROUP = 10_000
PART_GROUP = 500  # rows of a part: what is decoded to see one document
FILES = ("documents.parquet", "lines.parquet", "sketch.arrow")


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first` to `first + count` of one part."""

    part: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A finished batch: its parts, and for each unit key (hex) the spans that hold its documents, in order.

    `again`: the units that the next run does again, for some document failed where it may be the machine's fault.
    `bytes`: what the files of each part take, once they stand.
    """

    name: str
    parts: tuple[str, ...]
    units: Mapping[str, tuple[Span, ...]]
    seconds: Mapping[str, float]
    again: frozenset[str] = frozenset()
    bytes: Mapping[str, int] = field(default_factory=dict)


class Known:
    """What is cleaned: the spans of each unit; of each part its bytes and rows, and whether it may be done again."""

    def __init__(self) -> None:
        self.units: dict[str, tuple[Span, ...]] = {}
        self.bytes: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self.unsettled: set[str] = set()

    def add(self, batch: Batch, settled: bool = False) -> None:
        """Takes in a batch; `settled`: only the units that need not be done again."""
        for key, spans in batch.units.items():
            if not (settled and key in batch.again):
                self.units[key] = spans
        self.bytes.update(batch.bytes)
        for spans in batch.units.values():
            for span in spans:
                self.rows[span.part] = max(self.rows.get(span.part, 0), span.first + span.count)
        if batch.again:
            self.unsettled.update(batch.parts)


def part_file(folder: Path, part: str, what: str) -> Path:
    """Where one of the `FILES` of a part stands."""
    return folder / f"{part}.{what}"


def write_part(
    folder: Path, part: str, rows: Sequence[Mapping[str, Any]], lines: pa.Table | None, sketch: pa.Table | None
) -> None:
    """Writes the files of one part, each whole or not at all."""
    write_part_tables(folder, part, pa.Table.from_pylist(list(rows), schema=PART), lines, sketch)


def write_part_tables(
    folder: Path, part: str, documents: pa.Table, lines: pa.Table | None, sketch: pa.Table | None
) -> None:
    """As `write_part`, of documents that are a table already."""
    write_parquet(documents, part_file(folder, part, "documents.parquet"), group=PART_GROUP)
    write_parquet(lines if lines is not None else LINES.empty_table(), part_file(folder, part, "lines.parquet"))
    if sketch is not None:
        write_arrow(sketch, part_file(folder, part, "sketch.arrow"))


def write_parquet(table: pa.Table, path: Path, compression: str = "lz4", group: int = ROW_GROUP) -> None:
    """Writes a Parquet file so that it is there whole or not at all, `group` rows to a row group."""
    passing = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    pq.write_table(table, passing, compression=compression, row_group_size=group)
    passing.replace(path)


def write_arrow(table: pa.Table, path: Path) -> None:
    """Writes an uncompressed Arrow file, which readers map into memory, whole or not at all."""
    passing = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with pa.OSFile(str(passing), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    passing.replace(path)


def write_json(value: Any, path: Path) -> None:
    """Writes a JSON file whole or not at all."""
    passing = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    passing.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    passing.replace(path)


def commit_batch(folder: Path, batch: Batch) -> None:
    """Makes a batch count: from now on the next run finds its units."""
    index = {part: number for number, part in enumerate(batch.parts)}
    sizes = [
        [
            part_file(folder, part, what).stat().st_size if part_file(folder, part, what).exists() else -1
            for what in FILES
        ]
        for part in batch.parts
    ]
    value = {
        "parts": list(batch.parts),
        "sizes": sizes,
        "units": {key: [[index[s.part], s.first, s.count] for s in spans] for key, spans in batch.units.items()},
        "seconds": {stage: round(seconds, 6) for stage, seconds in batch.seconds.items()},
        "again": sorted(batch.again),
    }
    write_json(value, folder / f"{batch.name}.json")


def read_batch(path: Path) -> Batch | None:
    """The batch that `path` names; None if it or one of its files is not whole (the power went, a disk was full)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        parts = tuple(value["parts"])
        held = {}
        for part, sizes in zip(parts, value["sizes"], strict=True):
            for what, size in zip(FILES, sizes, strict=True):
                if size >= 0 and part_file(path.parent, part, what).stat().st_size != size:
                    return None
            held[part] = sum(max(0, size) for size in sizes)
        units = {
            key: tuple(Span(parts[number], first, count) for number, first, count in spans)
            for key, spans in value["units"].items()
        }
        return Batch(path.stem, parts, units, value["seconds"], frozenset(value["again"]), held)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def read_batches(folder: Path) -> Iterator[Batch]:
    """Every whole batch of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.json")):
        batch = read_batch(path)
        if batch is not None:
            yield batch


def read_documents(
    folder: Path, part: str, columns: Sequence[str] | None = None, rows: np.ndarray | None = None
) -> pa.Table:
    """The documents of a part, all of them or those at `rows` (in that order), all columns or some."""
    names = list(columns) if columns else None
    with pq.ParquetFile(part_file(folder, part, "documents.parquet"), memory_map=True) as file:
        if rows is None:
            return file.read(columns=names)
        counts = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
        group_of = np.searchsorted(first, rows, side="right") - 1
        groups = np.unique(group_of)
        table = file.read_row_groups(groups.tolist(), columns=names)
        start = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.diff(first)[groups])))  # of each group read
        at = start[np.searchsorted(groups, group_of)] + rows - first[group_of]
        return table if len(at) == len(table) and (np.diff(at) == 1).all() else table.take(pa.array(at))


def read_lines(folder: Path, part: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The lines of a part that may turn out to recur, all columns or some."""
    path = part_file(folder, part, "lines.parquet")
    return pq.read_table(path, columns=list(columns) if columns else None, memory_map=True, partitioning=None)


def remove_parts(folder: Path, keep: Iterable[str]) -> None:
    """Deletes the batches none of whose parts is in `keep`, and what interrupted runs left behind."""
    wanted = set(keep)
    for batch in read_batches(folder):
        if not wanted.intersection(batch.parts):
            (folder / f"{batch.name}.json").unlink(missing_ok=True)  # first: a batch never counts without its files
            for part in batch.parts:
                for what in FILES:
                    part_file(folder, part, what).unlink(missing_ok=True)
    known = {part for batch in read_batches(folder) for part in batch.parts}
    for path in folder.iterdir():
        if path.suffix == ".tmp" or (path.suffix != ".json" and path.name.split(".")[0] not in known):
            path.unlink(missing_ok=True)
