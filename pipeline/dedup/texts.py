"""From documents to nodes: equal texts collapse, and one document stands for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Keep
from pipeline.dedup.lookup import distinct
from pipeline.dedup.near import pack, run_pairs
from pipeline.dedup.parts import Layout, load_all, save
from pipeline.dedup.result import DocumentColumns
from pipeline.dedup.stars import Nodes
from pipeline.dedup.words import Hashes, Positions

MAX_ORIGIN = 50  # an origin that more documents declare (a site's own address) says nothing


@dataclass(frozen=True)
class Texts:
    """The distinct texts (nodes, in source order of the document that stands for each) of `n` documents.

    `rank` int64[nodes] of that document; `node_of_rank`, `text_of_rank` int64[n]; `text_of_node` int64[nodes]: a
    text's number, which two nodes share if a person said that two equal documents are no duplicates (both empty where
    nobody said so of any documents); `words` int32[nodes]; `values` for choosing; `origin_pairs`: packed pairs of
    nodes that declare one origin.
    """

    rank: Positions
    node_of_rank: Positions
    text_of_rank: Positions
    text_of_node: Positions
    words: NDArray[np.int32]
    values: Nodes
    origin_pairs: Hashes

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return int(self.rank.size)


def find_texts(
    layout: Layout, columns: DocumentColumns, keep: Keep, never: set[tuple[int, int]], prefer: set[int]
) -> Texts:
    """Collapse equal texts: number the distinct ones in source order and choose who stands for each.

    Reads what `near.read_hashes` stored for each group and stores, for later steps, each node's `document` and its
    place in the `order` in which nodes are likely to be kept.
    """
    read = [load_all(layout.folder / "hashes" / str(g)) for g in range(len(layout.groups))]
    same = _number_texts(np.concatenate([np.zeros((0, 2), np.uint64), *(r["text"] for r in read)]), columns.rank)
    document_of = np.argsort(columns.rank)  # by rank
    key = _apart(same, document_of, never)
    standing = _standing(columns, keep)
    preferred = np.zeros(layout.count, bool)
    preferred[document_of[sorted(prefer)]] = True
    best = np.lexsort((standing, ~columns.published, ~preferred, key))
    first = np.ones(best.size, bool)
    first[1:] = key[best][1:] != key[best][:-1]
    stands = best[first]  # for each key, ascending, the document that stands for it
    by_rank = np.argsort(columns.rank[stands])
    document = stands[by_rank]
    number = np.empty(stands.size, np.int64)
    number[by_rank] = np.arange(stands.size)
    node_of, count = number[key], int(stands.size)
    values = Nodes(
        standing=np.argsort(np.argsort(standing[document], kind="stable"), kind="stable"),
        weight=np.bincount(node_of, minlength=count),
        characters=columns.characters[document].astype(np.int64),
        preferred=np.bincount(node_of, preferred, count) > 0,
        published=np.bincount(node_of, columns.published, count) > 0,
    )
    order = np.lexsort((values.standing, ~values.published, ~values.preferred)).argsort()
    save(layout.folder / "nodes", document=document, order=order)
    words = np.concatenate([np.zeros(0, np.int32), *(r["words"] for r in read)])
    origin = np.concatenate([np.zeros(0, np.uint64), *(r["origin"] for r in read)])
    owner = np.concatenate([np.zeros(0, np.int64), *(r["owner"] for r in read)])
    return Texts(
        columns.rank[document],
        node_of[document_of],
        same[document_of] if never else same[:0],
        same[document] if never else same[:0],
        words[document],
        values,
        _same_origin(origin, node_of[owner]),
    )


def _number_texts(text: Hashes, rank: Positions) -> Positions:
    """A number for each document, the same for equal texts (128 bits in two columns)."""
    order = np.lexsort((rank, text[:, 1], text[:, 0]))
    fresh = np.ones(order.size, bool)
    fresh[1:] = (text[order][1:] != text[order][:-1]).any(axis=1)
    same = np.empty(order.size, np.int64)
    same[order] = np.cumsum(fresh) - 1
    return same


def _apart(same: Positions, document_of: Positions, never: set[tuple[int, int]]) -> Positions:
    """Equal texts share a key, but for those that a person said are not duplicates of each other.

    Of two equal texts that are not duplicates, the later in source order gets a key of its own, and is then
    no duplicate of any copy of that text.
    """
    if not never:
        return same
    of_rank = same[document_of]
    single = {max(pair) for pair in never if of_rank[pair[0]] == of_rank[pair[1]]}
    key = same.copy()
    for i, rank in enumerate(sorted(single)):
        key[document_of[rank]] = same.size + i
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


def _standing(columns: DocumentColumns, keep: Keep) -> Positions:
    """Each document's place in the order of `--keep`, then length, then source."""
    rank = columns.rank
    age = columns.date.astype("datetime64[s]").astype(np.int64)
    known = ~np.isnat(columns.date)
    if keep == "newest":
        first = np.where(known, -age, np.iinfo(np.int64).max)
    elif keep == "oldest":
        first = np.where(known, age, np.iinfo(np.int64).max)
    elif keep == "first":
        first = rank
    else:
        first = np.zeros(rank.size, np.int64)
    place = np.empty(rank.size, np.int64)
    place[np.lexsort((rank, -columns.characters.astype(np.int64), first))] = np.arange(rank.size)
    return place


def _same_origin(origin: Hashes, node: Positions) -> Hashes:
    """The pairs of nodes that declare one origin."""
    order = np.lexsort((node, origin))
    origin, node = origin[order], node[order]
    fresh = np.ones(origin.size, bool)
    fresh[1:] = (origin[1:] != origin[:-1]) | (node[1:] != node[:-1])
    origin, node = origin[fresh], node[fresh]
    start = np.flatnonzero(np.concatenate(([True], origin[1:] != origin[:-1]))) if origin.size else node
    length = np.diff(start, append=origin.size)
    some = (length > 1) & (length <= MAX_ORIGIN)
    left, right = run_pairs(start[some], length[some])
    return distinct(pack(node[left], node[right]))
