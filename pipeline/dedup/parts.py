"""Where sketches lie on disk, and how steps of the matching hand arrays to each other: as files in one folder.

A *document* is numbered by its place in the parts (0 to n - 1); a *node* is a distinct text, numbered in source order
of the document that stands for it. Steps run anywhere that sees the folder; each file has one writer.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup.words import Hashes, Positions
from pipeline.errors import RunError

GROUPS = 128  # parts are worked on in about so many groups: that many files of each kind
GROUP_SIZE = 7_000_000  # characters of a group at least, where there are as many: opening files has its price too
MOST_SIZE = 12_000_000  # at most, if no part is larger: a worker holds a group in memory, in a few arrays
DOCUMENT_SIZE = 1_000  # what a document counts beside its characters: its signature, its place in each list
_ALIGNMENT = 64  # bytes: a cache line


@dataclass(frozen=True)
class SketchPart:
    """Some rows of one sketch file and of the Parquet file that holds the texts beside it.

    `sketch_path`: an Arrow IPC file whose row `i` describes row `i` of `documents_path` (columns `source`, `title`,
    `text`, perhaps `language`); `rows` int32: the rows that count, None for all.
    """

    sketch_path: str
    documents_path: str
    rows: NDArray[np.int32] | None = None


class Executor(Protocol):
    """Where steps run: `map(function, arguments)` calls `function(*arguments[i])` and gives results in order."""

    def map(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        """Run `function` on every tuple of arguments."""
        ...


@dataclass(frozen=True)
class Layout:
    """The parts as every step finds them in the folder: who is document 0, who is the last."""

    folder: Path
    parts: tuple[SketchPart, ...]
    first: Positions  # int64[parts + 1]: documents of part i are first[i] to first[i + 1] - 1
    groups: tuple[tuple[int, int], ...]  # parts low to high - 1

    @property
    def count(self) -> int:
        """How many documents there are."""
        return int(self.first[-1])

    def documents(self, group: int) -> tuple[int, int]:
        """The first document of a group and the first behind it."""
        low, high = self.groups[group]
        return int(self.first[low]), int(self.first[high])

    def read(self, group: int, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Each part of a group: its first document, and the named sketch columns of the rows that count."""
        low, high = self.groups[group]
        for part in range(low, high):
            yield int(self.first[part]), read_sketch(self.parts[part], columns)


def make_layout(parts: Sequence[SketchPart], folder: Path, characters: NDArray[np.int32]) -> Layout:
    """Write down the parts for the steps. Raises RunError when a sketch cannot be read.

    `characters`: int32, of each document, in the order of the parts' rows.
    """
    sizes = [part.rows.size if part.rows is not None else _rows(part.sketch_path) for part in parts]
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))
    size = np.concatenate((np.zeros(1, np.int64), np.cumsum(characters + DOCUMENT_SIZE, dtype=np.int64)))[first]
    share = max(GROUP_SIZE, min(MOST_SIZE, -(-int(size[-1]) // GROUPS)))
    cuts = np.unique(np.concatenate(([0], np.searchsorted(size, np.arange(share, size[-1], share)), [len(parts)])))
    groups = tuple(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    every = [part.rows for part in parts if part.rows is not None]
    np.save(folder / "rows.npy", np.concatenate(every).astype(np.int32) if every else np.zeros(0, np.int32))
    written = {
        "parts": [(part.sketch_path, part.documents_path, part.rows is not None) for part in parts],
        "first": first.tolist(),
        "groups": groups,
    }
    (folder / "layout.json").write_text(json.dumps(written), encoding="utf-8")
    return Layout(folder, tuple(parts), first, groups)


def load_layout(folder: Path) -> Layout:
    """The layout as a worker reads it."""
    written = json.loads((folder / "layout.json").read_text(encoding="utf-8"))
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    first = np.array(written["first"], np.int64)
    parts, at = [], 0
    for i, (sketch, documents, some) in enumerate(written["parts"]):
        size = int(first[i + 1] - first[i])
        parts.append(SketchPart(sketch, documents, rows[at : at + size] if some else None))
        at += size if some else 0
    return Layout(folder, tuple(parts), first, tuple((low, high) for low, high in written["groups"]))


def _rows(path: str) -> int:
    """How many rows a sketch file has."""
    with _open(path) as reader:
        return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))


def _open(path: str) -> pa.ipc.RecordBatchFileReader:
    """A memory-mapped sketch file."""
    try:
        return pa.ipc.open_file(pa.memory_map(path, "r"))
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path}: the sketch cannot be read ({error}). Delete the state folder and run again.") from None


def read_sketch(part: SketchPart, columns: Sequence[str]) -> pa.Table:
    """The named columns of a sketch, only the rows that count, in one chunk."""
    reader = _open(part.sketch_path)
    table = pa.Table.from_batches(
        [reader.get_batch(i).select(list(columns)) for i in range(reader.num_record_batches)],
        schema=pa.schema([reader.schema.field(name) for name in columns]),
    )
    if part.rows is not None and not (
        part.rows.size == table.num_rows and (part.rows == np.arange(table.num_rows)).all()
    ):
        table = table.take(column(np.asarray(part.rows)))
    return table.combine_chunks()


def lists(table: pa.Table, name: str) -> tuple[Hashes, Positions]:
    """A list column as all its values and int64[rows + 1] where each row's begin."""
    if not table.num_rows:
        return np.zeros(0, np.uint64), np.zeros(1, np.int64)
    found = table[name].combine_chunks()
    offset = array(found.offsets).astype(np.int64)
    return array(found.values)[offset[0] : offset[-1]], offset - offset[0]


_NUMPY = {pa.int8(): "i1", pa.int32(): "i4", pa.int64(): "i8", pa.uint32(): "u4", pa.uint64(): "u8", pa.float64(): "f8"}
_ARROW = {short: long for long, short in _NUMPY.items()}


# pyarrow's own conversions (`pa.array`, `to_numpy`) import pandas wherever it is installed: half a second for nothing


def column(values: NDArray[Any]) -> pa.Array:
    """An array as an Arrow column; NaN becomes null."""
    kind = values.dtype.str[1:]
    if kind == "b1":
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), values.size, [None, pa.py_buffer(bits)])
    missing = np.isnan(values) if kind == "f8" else np.zeros(0, bool)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(_ARROW[kind], values.size, [valid, pa.py_buffer(np.ascontiguousarray(values))])


def array(values: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers as an array, without a copy where it has one chunk and no nulls; null becomes NaN."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = _NUMPY[values.type]
    if not len(values):
        return np.zeros(0, kind)
    valid, data = values.buffers()
    found = np.frombuffer(data, kind, len(values), values.offset * np.dtype(kind).itemsize)
    if not values.null_count:
        return found
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[values.offset :][: len(values)]
    return np.where(bits, found, np.nan)


def strings(values: Sequence[str]) -> pa.Array:
    """Texts as an Arrow column; lone surrogates, which Arrow cannot hold, become question marks."""
    return spread_strings(values, np.ones(len(values), bool))


def spread_strings(values: Sequence[str], places: NDArray[np.bool_]) -> pa.Array:
    """An Arrow column of as many rows as `places`, in the rows it names the texts in their order, elsewhere null."""
    raw = [value.encode("utf-8", "replace") for value in values]
    length = np.zeros(places.size + 1, np.int32)
    length[1:][places] = [len(value) for value in raw]
    valid = None if places.all() else pa.py_buffer(np.packbits(places, bitorder="little"))
    offset = pa.py_buffer(np.cumsum(length, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), places.size, [valid, offset, pa.py_buffer(b"".join(raw))])


def string_lists(values: Sequence[Sequence[str]]) -> pa.Array:
    """Lists of texts as an Arrow column."""
    offset = np.cumsum([0, *map(len, values)]).astype(np.int32)
    return pa.ListArray.from_arrays(column(offset), strings([text for some in values for text in some]))


def save(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays into one file that `load` maps: a list of names, types and shapes, then the arrays themselves.

    Steps open thousands of these; one file a dozen arrays and no parsing of Python literals is ten times faster
    than a folder of `.npy` files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps([(name, array.dtype.str, array.shape) for name, array in arrays.items()]).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for array in arrays.values():
            file.write(bytes(-file.tell() % _ALIGNMENT))
            file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")


def load_all(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that `save` wrote, memory-mapped, by name."""
    return _arrays(_map(path))


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _arrays(whole: mmap.mmap) -> dict[str, NDArray[Any]]:
    at = 8 + int.from_bytes(whole[:8], "little")
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind, shape in json.loads(whole[8:at]):
        at += -at % _ALIGNMENT
        arrays[name] = np.ndarray(shape, kind, whole, at) if 0 not in shape else np.zeros(shape, kind)
        at += arrays[name].nbytes
    return arrays


def load(path: Path, name: str) -> NDArray[Any]:
    """One of the arrays that `save` wrote, memory-mapped."""
    return load_all(path)[name]


class Store:
    """Arrays of varying length, one run a node, gathered by group: what verification reads at random."""

    def __init__(self, folder: Path, name: str) -> None:
        layout = load_layout(folder)
        self._folder = folder / name
        self._bounds = np.array([layout.documents(group)[0] for group in range(len(layout.groups))], np.int64)
        self._document = load(folder / "nodes", "document")
        self._open: dict[int, tuple[mmap.mmap, dict[str, NDArray[Any]]]] = {}

    def take(self, nodes: Positions, names: Sequence[str], first: str = "first") -> list[NDArray[Any]]:
        """The runs of `nodes` (any order, each stored): int64[k + 1] where each begins, then the named values."""
        group = np.searchsorted(self._bounds, self._document[nodes], "right") - 1
        length = np.zeros(nodes.size, np.int64)
        start = np.zeros(nodes.size, np.int64)
        members = {int(g): np.flatnonzero(group == g) for g in np.unique(group)}
        for g, mine in members.items():
            part = self._part(g)
            slot = np.searchsorted(part["node"], nodes[mine])
            start[mine] = part[first][slot]
            length[mine] = part[first][slot + 1] - start[mine]
        offset = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
        taken: list[NDArray[Any]] = [offset]
        for name in names:
            out: NDArray[Any] | None = None
            for g, mine in members.items():
                values = self._part(g)[name]
                if out is None:
                    out = np.empty(int(offset[-1]), values.dtype)
                out[ranges(offset[:-1][mine], length[mine])] = values[ranges(start[mine], length[mine])]
            taken.append(out if out is not None else self._nothing(name))
        self._let_go()
        return taken

    def _nothing(self, name: str) -> NDArray[Any]:
        """No values, of the type that the named ones have: a group may hold no node that is asked for."""
        first = self._folder / "0"
        return np.zeros(0, load(first, name).dtype if first.exists() else np.uint64)

    def sizes(self, nodes: Positions) -> Positions:
        """How long the runs of `nodes` are."""
        group = np.searchsorted(self._bounds, self._document[nodes], "right") - 1
        length = np.zeros(nodes.size, np.int64)
        for g in np.unique(group).tolist():
            part, mine = self._part(g), np.flatnonzero(group == g)
            slot = np.searchsorted(part["node"], nodes[mine])
            length[mine] = part["first"][slot + 1] - part["first"][slot]
        return length

    def _part(self, group: int) -> dict[str, NDArray[Any]]:
        """The arrays of one group, mapped when first asked for."""
        if group not in self._open:
            whole = _map(self._folder / str(group))
            self._open[group] = whole, _arrays(whole)
        return self._open[group][1]

    def _let_go(self) -> None:
        """Hands the pages of the files back, so that not all that was ever read from them counts as held.

        The system's cache keeps them as long as it has room; a read takes some 60 kB with it into memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            for whole, _ in self._open.values():
                whole.madvise(mmap.MADV_DONTNEED)


def ranges(start: Positions, length: Positions) -> Positions:
    """`start[0], start[0] + 1, …` for `length[0]` numbers, then `start[1], …`: many slices as one index.

    >>> ranges(np.array([5, 1]), np.array([2, 3])).tolist()
    [5, 6, 1, 2, 3]
    """
    shift = np.cumsum(length) - length
    index: Positions = np.repeat(start - shift, length) + np.arange(int(length.sum()))
    return index


def even_cuts(sizes: Positions, most: int) -> list[tuple[int, int]]:
    """Cut things of these sizes, in their order, into runs of at most about `most` in all.

    >>> even_cuts(np.array([3, 3, 3, 9, 1]), 6)
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    cuts, held = [0], 0
    for i, size in enumerate(sizes.tolist()):
        if held and held + size > most:
            cuts.append(i)
            held = 0
        held += size
    return [(low, high) for low, high in zip(cuts, [*cuts[1:], sizes.size], strict=True) if high > low]
