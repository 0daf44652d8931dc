"""What the corpus itself says is boilerplate: counts over all documents between the two passes.

A first look counts keys in a fixed number of buckets; only keys whose bucket is full enough are counted exactly, so
memory is bounded by what recurs, not by the number of documents.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.corpus.parts import read_documents, read_lines
from pipeline.run.rows import Rows
from pipeline.run.tasks import digest
from pipeline.stages.boilerplate_learned import learn_lines

BUCKET_BITS = 22  # 4 million counters of 4 bytes; a shared bucket costs an exact count, never a wrong one
LEAST_DOCUMENTS = 3  # below this nothing can be learned, whatever the rule says
ANCHORS_KEPT = 4096  # distinct documents counted of one line; bounds what a ubiquitous line costs

COUNTS = pa.schema(
    [
        ("site", pa.string()),
        ("key", pa.int64()),
        ("line", pa.string()),
        ("anchor", pa.int64()),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True)
class Learned:
    """The learned lines (`table`: site, key, line, documents, example_source) and whom they touch.

    `touched` gives, by part, the indices of documents (in source order) that hold learned lines, and their keys.
    """

    table: pa.Table
    touched: Mapping[str, tuple[np.ndarray, list[tuple[int, ...]]]]


def nothing_learned() -> Learned:
    """What a run without learning has learned."""
    return Learned(learn_lines(COUNTS.empty_table()), {})


@functools.lru_cache(maxsize=65_536)
def site_hash(site: str) -> int:
    """A 64-bit number for a site."""
    return int(digest(site)[:16], 16)


def line_hashes(table: pa.Table) -> np.ndarray:
    """uint64, one a row: site and line key together."""
    sites = table.column("site").combine_chunks().dictionary_encode()
    if isinstance(sites, pa.ChunkedArray):
        sites = sites.combine_chunks()
    of_site = np.array([site_hash(site) for site in sites.dictionary.to_pylist()], np.uint64)
    keys: np.ndarray = table.column("key").to_numpy().view(np.uint64)
    if not len(keys):
        return keys
    mixed: np.ndarray = (keys ^ of_site[sites.indices.to_numpy()]) * np.uint64(0x9E3779B97F4A7C15)
    return mixed


def live_lines(rows: Rows, part: str, indices: np.ndarray, columns: list[str]) -> tuple[pa.Table, np.ndarray]:
    """The lines of a part that belong to documents of this run, and those documents' indices."""
    table = read_lines(rows.folder, part, ["row", *columns])
    index_of_row = np.full(int(rows.row[indices].max()) + 1, -1, np.int64)
    index_of_row[rows.row[indices]] = indices
    row = table.column("row").to_numpy()
    index = np.where(row < len(index_of_row), index_of_row[np.minimum(row, len(index_of_row) - 1)], -1)
    alive = index >= 0
    return table.filter(pa.array(alive)), index[alive]


def learn(rows: Rows) -> Learned:
    """The lines that recur across the documents of one site, and the documents that hold them."""
    by_part = list(rows.by_part())
    counters = np.zeros(1 << BUCKET_BITS, np.int32)
    shift = np.uint64(64 - BUCKET_BITS)
    for part, indices in by_part:
        table, _ = live_lines(rows, part, indices, ["site", "key"])
        buckets, counts = np.unique(line_hashes(table) >> shift, return_counts=True)
        counters[buckets.astype(np.int64)] += counts.astype(np.int32)
    if not (counters >= LEAST_DOCUMENTS).any():
        return nothing_learned()
    found: dict[int, Recurring] = {}
    for part, indices in by_part:
        table, index = live_lines(rows, part, indices, ["site", "key", "line", "anchor"])
        hashes = line_hashes(table)
        recurring = np.flatnonzero(counters[(hashes >> shift).astype(np.int64)] >= LEAST_DOCUMENTS)
        if not len(recurring):
            continue
        sources = read_documents(rows.folder, part, ["source"]).column("source")
        some = table.take(pa.array(recurring))
        of_lines = sources.take(pa.array(rows.row[index[recurring]]))
        columns = (some.column(name).to_pylist() for name in ("site", "key", "line", "anchor"))
        for line_hash, site, key, line, anchor, source in zip(
            hashes[recurring].tolist(), *columns, of_lines.to_pylist(), strict=True
        ):
            known = found.get(line_hash)
            if known is None:
                known = found[line_hash] = Recurring(site, key, source, line)
            known.see(anchor, source, line)
    learned = learn_lines(counted(found.values()))
    return Learned(learned, touched_documents(rows, by_part, learned))


@dataclass
class Recurring:
    """A line that may recur: the documents counted of it by their anchors, and the least source that holds it.

    Which it is does not depend on the order in which its documents are seen.
    """

    site: str
    key: int
    source: str
    line: str
    anchors: set[int] = field(default_factory=set)

    def see(self, anchor: int, source: str, line: str) -> None:
        """Counts a document."""
        if len(self.anchors) < ANCHORS_KEPT:
            self.anchors.add(anchor)
        if (source, line) < (self.source, self.line):
            self.source, self.line = source, line


def counted(lines: Iterable[Recurring]) -> pa.Table:
    """`COUNTS`: a row for each document counted, with the source that stands for all."""
    gathered: dict[str, list[object]] = {name: [] for name in COUNTS.names}
    for one in lines:
        if len(one.anchors) < LEAST_DOCUMENTS:
            continue
        for anchor in one.anchors:
            for name, value in zip(COUNTS.names, (one.site, one.key, one.line, anchor, one.source), strict=True):
                gathered[name].append(value)
    return pa.table(gathered, schema=COUNTS)


def touched_documents(
    rows: Rows, by_part: list[tuple[str, np.ndarray]], learned: pa.Table
) -> dict[str, tuple[np.ndarray, list[tuple[int, ...]]]]:
    """By part: the documents that hold a learned line of their site, and the keys of those lines, sorted."""
    touched: dict[str, tuple[np.ndarray, list[tuple[int, ...]]]] = {}
    if not learned.num_rows:
        return touched
    wanted = np.unique(line_hashes(learned))
    for part, indices in by_part:
        table, index = live_lines(rows, part, indices, ["site", "key"])
        hit = np.isin(line_hashes(table), wanted)
        if not hit.any():
            continue
        keys_of: dict[int, set[int]] = defaultdict(set)
        for document, key in zip(index[hit].tolist(), table.column("key").to_numpy()[hit].tolist(), strict=True):
            keys_of[document].add(key % 2**64)
        documents = np.array(sorted(keys_of), np.int64)
        touched[part] = (documents, [tuple(sorted(keys_of[document])) for document in documents.tolist()])
    return touched
