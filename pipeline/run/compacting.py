"""Many small parts become few large ones: a run reads every part several times, and each costs the same to open.

Daily runs over a folder that grows leave a part each; web pages leave a part for every 20, because a batch is measured
by its input. What is copied is what documents of this run stand in, so space of documents that are gone is given back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from pipeline.corpus.parts import (
    Batch,
    Known,
    Span,
    commit_batch,
    part_file,
    read_batch,
    read_documents,
    read_lines,
    write_part_tables,
)
from pipeline.errors import RunError
from pipeline.executors import Executor
from pipeline.run.tasks import digest

SMALL = 4_000_000  # bytes of a part's files that are in use, below which the part is small
LARGE = 24_000_000  # bytes of a part made here; a few times this is what merging holds in memory
DOCUMENTS = 4_000  # and documents: about as many as matching takes in one group
MANY = 24  # small parts that are left alone

Unit = tuple[str, tuple[Span, ...]]


def compact(folder: Path, keys: Iterable[str], known: Known, executor: Executor) -> None:
    """Where the units `keys` (in source order) lie in many small parts, puts them together; `known` then says where.

    The parts that they lay in stay until nothing of a run that is published needs them.
    """
    units = [(key, known.units[key]) for key in keys if key in known.units]
    wanted = small_parts(units, known)
    if len(wanted) <= MANY:
        return
    arguments = [(str(folder), group) for group in groups(units, wanted, known)]
    for name in executor.map(merge_parts, arguments):
        batch = read_batch(folder / f"{name}.json")
        if batch is None:
            raise RunError(f"{folder}: batch {name} is not whole. Free some space and run again.")
        known.add(batch)


def small_parts(units: Sequence[Unit], known: Known) -> set[str]:
    """The parts of which little is in use, or less than half."""
    used: dict[str, int] = defaultdict(int)
    for _, spans in units:
        for span in spans:
            used[span.part] += span.count
    return {
        part
        for part, rows in used.items()
        if part not in known.unsettled
        and (known.bytes[part] * rows < SMALL * known.rows[part] or 2 * rows < known.rows[part])
    }


def groups(units: Sequence[Unit], wanted: set[str], known: Known) -> Iterator[tuple[Unit, ...]]:
    """The units that lie in `wanted` parts only, cut into runs that make one part each."""
    group: list[Unit] = []
    size, documents = 0.0, 0
    for key, spans in units:
        if not spans or not all(span.part in wanted for span in spans):
            continue
        if size >= LARGE or documents >= DOCUMENTS:
            yield tuple(group)
            group, size, documents = [], 0.0, 0
        group.append((key, spans))
        documents += sum(span.count for span in spans)
        size += sum(known.bytes[span.part] * span.count / known.rows[span.part] for span in spans)
    if group:
        yield tuple(group)


def merge_parts(folder: str, units: Sequence[Unit]) -> str:
    """Copies the documents of some units into one part; gives the name of its batch. Runs in a worker."""
    home = Path(folder)
    name = "merged-" + digest(*(key for key, _ in units))[:20]
    rows_of: dict[str, list[int]] = defaultdict(list)
    places: list[tuple[str, str, int, int]] = []  # unit, part it lies in, its first row among those taken, how many
    for key, spans in units:
        for span in spans:
            places.append((key, span.part, len(rows_of[span.part]), span.count))
            rows_of[span.part] += range(span.first, span.first + span.count)
    documents, lines, sketches = [], [], []
    first: dict[str, int] = {}
    total = 0
    for part, rows in rows_of.items():
        first[part] = total
        documents.append(read_documents(home, part, rows=np.array(rows)))
        lines.append(moved_lines(read_lines(home, part), np.array(rows), total))
        path = part_file(home, part, "sketch.arrow")
        if path.exists():
            with pa.memory_map(str(path)) as source:
                sketches.append(pa.ipc.open_file(source).read_all().take(pa.array(rows)))
        total += len(rows)
    part = f"{name}-0000"
    sketch = pa.concat_tables(sketches) if sketches else None
    write_part_tables(home, part, pa.concat_tables(documents), pa.concat_tables(lines), sketch)
    where: dict[str, list[Span]] = defaultdict(list)
    for key, old, start, count in places:
        where[key].append(Span(part, first[old] + start, count))
    commit_batch(home, Batch(name, (part,), {key: tuple(spans) for key, spans in where.items()}, {}))
    return name


def moved_lines(lines: pa.Table, rows: np.ndarray, start: int) -> pa.Table:
    """The lines of the documents at `rows`, whose rows are `start`, `start + 1`, … now."""
    old = lines.column("row").to_numpy()
    new = np.full(max(int(rows.max()), int(old.max(initial=0))) + 1, -1, np.int32)
    new[rows] = np.arange(start, start + len(rows), dtype=np.int32)
    moved = new[old]
    return lines.set_column(0, lines.schema.field(0), pa.array(moved)).filter(pa.array(moved >= 0))
