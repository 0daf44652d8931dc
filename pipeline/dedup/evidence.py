"""What is written down about each dropped document: the exact figures, and what the kept one does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.dedup.compare import sentence_text
from pipeline.dedup.coverage import RETOLD_SHARE, Cover, Units, cover
from pipeline.dedup.lookup import distinct
from pipeline.dedup.marks import lost_marks
from pipeline.dedup.near import intersections, node_rows
from pipeline.dedup.overlap import WORDS, take_marks, take_units
from pipeline.dedup.parts import Store, array, column, even_cuts, load_all, ranges, string_lists
from pipeline.dedup.stored import StoredTable
from pipeline.dedup.words import Positions

LOST_SENTENCES = 20  # listed of each dropped document; all are counted
LOST_WORDS = 50  # numbers, and names, listed

FIGURES = ("jaccard", "coverage", "coverage_back")
LOSSES = pa.schema(
    [
        *((name, pa.float64()) for name in (*FIGURES, "containment")),
        ("shared_shingles", pa.int64()),
        ("lost_sentences", pa.list_(pa.string())),
        ("lost_sentence_count", pa.int32()),
        ("lost_numbers", pa.list_(pa.string())),
        ("lost_names", pa.list_(pa.string())),
    ]
)
SCHEMA = pa.schema(
    [
        ("document", pa.int64()),
        ("canonical", pa.int64()),
        ("relation", pa.string()),
        *LOSSES,
        ("cluster", pa.int64()),
        ("why", pa.string()),
    ]
)


def find_losses(folder: Path, group: int) -> None:
    """Step: the evidence of a group's dropped nodes (`dropped`, ascending by node), stored.

    `losses`, a `StoredTable`, gets `node` and the columns of `LOSSES`. Both texts are compared as they were cleaned;
    shingles as in the near step.
    """
    nodes, _ = node_rows(folder, group)
    pairs = load_all(folder / "dropped")
    mine = np.isin(pairs["node"], nodes, assume_unique=True)
    nodes, centres = pairs["node"][mine], pairs["centre"][mine]
    store = Store(folder, "units")
    shingles = tuple(pairs[name][mine] for name in ("shared", "in_node", "in_centre"))
    unknown = np.flatnonzero(shingles[0] < 0)  # not found by the near step
    found_now = intersections(Store(folder, "shingles"), nodes[unknown], centres[unknown])
    for known, found in zip(shingles, found_now, strict=True):
        known[unknown] = found
    tables = (
        _losses(store, nodes[low:high], centres[low:high], tuple(each[low:high] for each in shingles))
        for low, high in even_cuts(pairs["words"][mine], WORDS)
    )
    StoredTable.write(folder / "losses" / str(group), pa.schema([("node", pa.int64()), *LOSSES]), tables)


class Losses:
    """What `find_losses` stored of all dropped nodes: `node` and the `FIGURES` here, the rest in its files."""

    def __init__(self, folder: Path, groups: int) -> None:
        self._stored = [StoredTable(folder / "losses" / str(group)) for group in range(groups)]
        each = [stored.table().select(["node", *FIGURES]) for stored in self._stored]
        size, found = np.array([table.num_rows for table in each]), pa.concat_tables(each)
        node = array(found["node"])
        order = np.argsort(node)
        self.node = node[order]
        self.figures = {name: array(found[name])[order] for name in FIGURES}
        self._group = np.repeat(np.arange(groups, dtype=np.int32), size)[order]
        self._row = ranges(np.zeros(groups, np.int64), size)[order]

    def places(self, nodes: Positions) -> Positions:
        """Where some dropped nodes stand in `node` and `figures`."""
        return np.searchsorted(self.node, nodes)

    def take(self, nodes: Positions) -> pa.Table:
        """The `LOSSES` of some dropped nodes, in their order."""
        at = self.places(nodes)
        group, row = self._group[at], self._row[at]
        order = np.argsort(group, kind="stable")
        tables = [LOSSES.empty_table()]
        for run in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if order.size else []:
            stored = self._stored[group[run[0]]].table().select(LOSSES.names)
            tables.append(stored.take(column(row[run])))
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return pa.concat_tables(tables).take(column(back))


def _losses(store: Store, nodes: Positions, centres: Positions, shingles: tuple[Positions, ...]) -> pa.Table:
    """The evidence of some dropped nodes; `shingles`: how many are shared, are in the node, in its centre."""
    both = distinct(np.concatenate((nodes, centres)))
    found, weights = take_units(store, both)
    x, y = np.searchsorted(both, nodes), np.searchsorted(both, centres)
    all_count = np.ones(found.hash.size, bool)
    cover_both = cover(found, np.append(x, y), np.append(y, x), weights, all_count, RETOLD_SHARE)
    there, back = cover_both.coverage(RETOLD_SHARE).reshape(2, -1)
    shared, in_x, in_y = shingles
    lost, counts, numbers, names = _name_losses(store, both, found, cover_both, x, y)
    union = in_x + in_y - shared
    return pa.table(
        {
            "node": column(nodes),
            "jaccard": column(np.divide(shared, union, out=np.ones(nodes.size), where=union > 0)),
            "coverage": column(there),
            "coverage_back": column(back),
            "containment": column(np.divide(shared, in_x, out=np.ones(nodes.size), where=in_x > 0)),
            "shared_shingles": column(shared),
            "lost_sentences": string_lists(lost),
            "lost_sentence_count": column(counts.astype(np.int32)),
            "lost_numbers": string_lists(numbers),
            "lost_names": string_lists(names),
        }
    )


def _name_losses(
    store: Store, both: Positions, found: Units, there: Cover, x: Positions, y: Positions
) -> tuple[list[list[str]], Positions, list[list[str]], list[list[str]]]:
    """For each pair the sentences of x that y lacks (the first), how many, and the numbers and names that y lacks.

    `x` and `y` count in `both`, the nodes of `found`; `there` holds the pairs (x, y) first. Only the texts of
    documents that lose something are read.
    """
    rows = int(there.first[x.size])
    pair = np.repeat(np.arange(x.size), np.diff(there.first[: x.size + 1]))
    gone = np.flatnonzero(there.share[:rows] < RETOLD_SHARE)
    counts = np.bincount(pair[gone], minlength=x.size)
    mine, theirs = take_marks(store, both[x]), take_marks(store, both[y])
    owner = mine.owner
    absent = np.flatnonzero(lost_marks(mine, theirs, found, there, x, y))
    texts = dict.fromkeys(distinct(np.concatenate((owner[absent], pair[gone]))).tolist(), "")
    offset, bytes_of = store.take(both[x[list(texts)]], ["text"], first="text_first")
    for i, low, high in zip(texts, offset[:-1].tolist(), offset[1:].tolist(), strict=True):
        texts[i] = bytes_of[low:high].tobytes().decode("utf-8", "surrogatepass")
    lost: list[list[str]] = [[] for _ in range(x.size)]
    numbers: list[list[str]] = [[] for _ in range(x.size)]
    names: list[list[str]] = [[] for _ in range(x.size)]
    unit = gone - there.first[pair[gone]] + found.first[x[pair[gone]]]
    for i, low, high in zip(pair[gone].tolist(), found.start[unit].tolist(), found.end[unit].tolist(), strict=True):
        if len(lost[i]) < LOST_SENTENCES:
            lost[i].append(sentence_text(texts[i], low, high))
    columns = (owner, mine.start, mine.end, mine.number)
    for i, low, high, is_number in zip(*(each[absent].tolist() for each in columns), strict=True):
        into, word = (numbers if is_number else names)[i], texts[i][low:high]
        if len(into) < LOST_WORDS and word not in into:
            into.append(word)
    return lost, counts, numbers, names
