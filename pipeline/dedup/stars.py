"""Clusters as stars: every dropped node was compared with the very node kept in its place.

The node that covers most others is kept and those directly verified against it go under it; then the same with what
is left. Greedy, but without chance: each choice has a stated order, down to the place in the source order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.lookup import distinct, opens_run
from pipeline.dedup.parts import even_cuts
from pipeline.dedup.words import Positions

BLOCK_NODES = 20_000  # of whole components, chosen among at a time
CLEARLY_BETTER = 0.05  # mean coverage by which a new document must beat the one published last time
CLEARLY_LONGER = 1.2  # or so many times its text
CLEARLY_ALIKE = 0.03  # Jaccard by which a kept document must be nearer than the centre of the star

EXACT, NEAR, OVERLAP, DECIDED = 1, 2, 3, 4
_FORCE = np.array([9, 1, 2, 3, 0])  # of each relation: the smaller goes first


@dataclass(frozen=True, slots=True)
class Edges:
    """`keeps[i]` may stand for `drops[i]` (nodes): it covers `cover[i]` of it; `relation` int8 says how.

    `alike` tells of how many that might stand for it each node is best put under: Jaccard of near duplicates.
    """

    keeps: Positions
    drops: Positions
    cover: NDArray[np.float64]
    relation: NDArray[np.int8]
    alike: NDArray[np.float64]

    def at(self, which: NDArray[Any]) -> Edges:
        """Some of the edges, by number or mask."""
        return Edges(self.keeps[which], self.drops[which], self.cover[which], self.relation[which], self.alike[which])


def both_ways(
    a: Positions,
    b: Positions,
    a_of_b: NDArray[np.float64],
    b_of_a: NDArray[np.float64],
    relation: int,
    alike: NDArray[np.float64],
) -> Edges:
    """Each of `a` may stand for its `b`, of which it covers `a_of_b`, and the other way."""
    kind = np.full(2 * a.size, relation, np.int8)
    return Edges(np.append(a, b), np.append(b, a), np.append(a_of_b, b_of_a), kind, np.append(alike, alike))


def join(every: Sequence[Edges]) -> Edges:
    """Edges of several kinds as one."""
    return Edges(
        np.concatenate([e.keeps for e in every]),
        np.concatenate([e.drops for e in every]),
        np.concatenate([e.cover for e in every]),
        np.concatenate([e.relation for e in every]),
        np.concatenate([e.alike for e in every]),
    )


@dataclass(frozen=True, slots=True)
class Nodes:
    """What choosing needs of each node.

    `standing`: its place when nodes are ordered by `--keep`, length and source (0 is best); `weight`: documents with
    this text; `characters` of the text; `preferred` by a person; `published`: kept in the last published corpus.
    """

    standing: Positions
    weight: Positions
    characters: Positions
    preferred: NDArray[np.bool_]
    published: NDArray[np.bool_]

    def at(self, which: Positions) -> Nodes:
        """Some of the nodes."""
        return Nodes(
            self.standing[which],
            self.weight[which],
            self.characters[which],
            self.preferred[which],
            self.published[which],
        )


def strongest(edges: Edges) -> Edges:
    """One edge for each pair and direction: a person's decision first, then exact, near, overlap."""
    order = np.lexsort((_FORCE[edges.relation], edges.drops, edges.keeps))
    keeps, drops = edges.keeps[order], edges.drops[order]
    fresh = np.ones(order.size, bool)
    fresh[1:] = (keeps[1:] != keeps[:-1]) | (drops[1:] != drops[:-1])
    return edges.at(order[fresh])


def components(count: int, edges: Edges) -> Positions:
    """The connected component of each node, named by its lowest node.

    Each component hooks itself under the lowest it touches, then paths are halved until they are flat (after
    Y. Shiloach and U. Vishkin, "An O(log n) parallel connectivity algorithm", 1982). scipy's takes longer to import.
    """
    labels = np.arange(count)
    a, b = edges.keeps, edges.drops
    while True:
        low = np.minimum(labels[a], labels[b])
        open_ = labels[a] != labels[b]
        if not open_.any():
            return labels
        a, b, low = a[open_], b[open_], low[open_]
        np.minimum.at(labels, labels[a], low)
        np.minimum.at(labels, labels[b], low)
        while (labels[labels] != labels).any():
            labels = labels[labels]


def choose(edges: Edges, nodes: Nodes, by_coverage: bool) -> tuple[Positions, Positions]:
    """For each node the node kept in its place (itself if kept), and the edge that says why (-1 if kept).

    `edges` come from `strongest`. Order of choice: preferred by a person; stands for most documents; covers them
    best (only if `by_coverage`: the default of `--keep`); then `standing`.
    """
    count = nodes.standing.size
    centre, reason = np.arange(count), np.full(count, -1, np.int64)
    for some, which in _blocks(count, edges):
        mine = edges.at(which)
        keeps, drops = np.searchsorted(some, mine.keeps), np.searchsorted(some, mine.drops)
        local = Edges(keeps, drops, mine.cover, mine.relation, mine.alike)
        home, why = np.arange(some.size), np.full(some.size, -1, np.int64)
        _Choice(local, nodes.at(some), by_coverage).run(home, why)
        centre[some] = some[home]
        reason[some] = np.where(why >= 0, which[why], -1)
    return centre, reason


def _blocks(count: int, edges: Edges) -> Iterator[tuple[Positions, Positions]]:
    """Whole connected components, some `BLOCK_NODES` nodes of them at a time: the nodes and the edges, ascending.

    What is chosen in one component does not depend on others, and a choice holds its nodes as Python objects.
    """
    involved = distinct(np.concatenate((edges.keeps, edges.drops)))
    label = components(count, edges)
    by_label = np.argsort(label[edges.keeps], kind="stable")
    edge_label = label[edges.keeps][by_label]
    order = np.argsort(label[involved], kind="stable")
    involved, node_label = involved[order], label[involved][order]
    first = np.flatnonzero(opens_run(node_label))
    for low, high in even_cuts(np.diff(first, append=involved.size), BLOCK_NODES):
        start, end = first[low], first[high] if high < first.size else involved.size
        here = slice(*np.searchsorted(edge_label, (node_label[start], node_label[end - 1] + 1)))
        yield np.sort(involved[start:end]), np.sort(by_label[here])


def merge(
    edges: Edges, nodes: Nodes, near: Positions, reason: Positions, by_coverage: bool
) -> tuple[Positions, Positions]:
    """Put whole stars under other centres: `near` and `reason` are what `choose` gave for the near duplicates.

    A star moves only if the other centre stands for its centre and for every node in it, directly: moving some and
    leaving others behind would keep as many documents and part near duplicates. Returns what `choose` returns.
    """
    count = near.size
    size = np.bincount(near, minlength=count)
    of = near[edges.drops]
    direct = np.flatnonzero((near[edges.keeps] == edges.keeps) & (of != edges.keeps))
    key = edges.keeps[direct] * np.int64(count) + of[direct]
    pair, place, held = np.unique(key, return_inverse=True, return_counts=True)
    weight = nodes.weight[edges.drops[direct]]
    mean = np.bincount(place, edges.cover[direct] * weight) / np.maximum(1, np.bincount(place, weight))
    centre, star = pair // count, pair % count
    whole = held == size[star]  # each pair and direction has one edge, so this counts the nodes of the star
    weights = np.bincount(near, nodes.weight, count).astype(np.int64)
    kept = np.zeros(count, bool)
    np.logical_or.at(kept, near, nodes.preferred)
    published = np.zeros(count, bool)
    np.logical_or.at(published, near, nodes.published & (near == np.arange(count)))
    between = Edges(centre[whole], star[whole], mean[whole], np.full(int(whole.sum()), OVERLAP, np.int8), mean[whole])
    stars = Nodes(nodes.standing, weights, nodes.characters, kept, published)
    above, _ = choose(between, stars, by_coverage)
    final = above[near]
    reason = reason.copy()
    moved = np.flatnonzero(final != near)
    known = edges.keeps * np.int64(count) + edges.drops
    reason[moved] = np.searchsorted(known, final[moved] * np.int64(count) + moved)
    return final, reason


def move(edges: Edges, nodes: Nodes, centre: Positions, reason: Positions) -> tuple[Positions, Positions]:
    """Put each dropped node under the most alike of the kept nodes it was directly compared with.

    Stars are chosen to keep few documents, and the first of them takes all it can; a later one may be nearer. Who
    is kept does not change. A person's decision comes first, then what a person prefers, then near before overlap;
    for a hair's breadth (`CLEARLY_ALIKE`) nobody moves.
    """
    kept = centre == np.arange(centre.size)
    usable = np.flatnonzero(kept[edges.keeps] & ~kept[edges.drops])
    some = edges.at(usable)
    force = _FORCE[some.relation]
    alike = some.alike + np.where(usable == reason[some.drops], CLEARLY_ALIKE, 0.0)
    keys = (nodes.standing[some.keeps], -np.rint(alike * 1_000_000), force, ~nodes.preferred[some.keeps], force > 0)
    order = np.lexsort((*keys, some.drops))
    first = np.ones(order.size, bool)
    first[1:] = some.drops[order][1:] != some.drops[order][:-1]
    best = order[first]
    centre, reason = centre.copy(), reason.copy()
    centre[some.drops[best]], reason[some.drops[best]] = some.keeps[best], usable[best]
    return centre, reason


class _Choice:
    """The state of one greedy choice: who is still there, and what each would cover now."""

    def __init__(self, edges: Edges, nodes: Nodes, by_coverage: bool) -> None:
        count = nodes.standing.size
        usable = ~nodes.preferred[edges.drops]  # what a person wants kept goes under nothing
        self._edge = np.flatnonzero(usable)
        keeps, drops = edges.keeps[usable], edges.drops[usable]
        self._cover = np.rint(edges.cover[usable] * 1_000).astype(np.int64).tolist()
        self._out_first = np.searchsorted(keeps, np.arange(count + 1))  # `strongest` has sorted by `keeps`
        self._drops = drops.tolist()
        self._in_order = np.argsort(drops, kind="stable")
        self._in_first = np.searchsorted(drops[self._in_order], np.arange(count + 1))
        self._keeps = keeps.tolist()
        self._nodes, self._by_coverage = nodes, by_coverage
        self._weight = nodes.weight.tolist()
        self._preferred, self._standing = nodes.preferred.tolist(), nodes.standing.tolist()
        self._gone: set[int] = set()
        self._documents: dict[int, int] = {}  # documents that a node would stand for now, its own copies too
        self._covered: dict[int, int] = {}  # sum of its coverage of them, in thousandths

    def run(self, centre: Positions, reason: Positions) -> None:
        """Choose until nobody is left; fills `centre` and `reason`."""
        count = centre.size
        for node in range(count):
            mine = range(self._out_first[node], self._out_first[node + 1])
            self._documents[node] = self._weight[node] + sum(self._weight[self._drops[e]] for e in mine)
            self._covered[node] = sum(self._cover[e] * self._weight[self._drops[e]] for e in mine)
        heap = [(self._key(node), node) for node in range(count)]
        heapq.heapify(heap)
        while heap:
            key, node = heapq.heappop(heap)
            if node in self._gone or key != self._key(node):
                continue
            node = self._unless_published(node)
            removed = [node]
            for e in self._alive(node):
                centre[self._drops[e]], reason[self._drops[e]] = node, self._edge[e]
                removed.append(self._drops[e])
            self._gone.update(removed)
            for changed in self._remove(removed):
                heapq.heappush(heap, (self._key(changed), changed))

    def _key(self, node: int) -> tuple[int, int, int, int]:
        """The smallest is chosen first."""
        covered = self._covered[node] if self._by_coverage else 0
        return (-self._preferred[node], -self._documents[node], -covered, self._standing[node])

    def _alive(self, node: int) -> list[int]:
        """The edges from `node` to those it would stand for now."""
        mine = range(self._out_first[node], self._out_first[node + 1])
        return [e for e in mine if self._drops[e] not in self._gone]

    def _remove(self, removed: list[int]) -> set[int]:
        """Take nodes out of what others cover; returns whose key changed."""
        changed = set()
        for node in removed:
            for e in self._in_order[self._in_first[node] : self._in_first[node + 1]].tolist():
                keeper = self._keeps[e]
                if keeper not in self._gone:
                    self._documents[keeper] -= self._weight[node]
                    self._covered[keeper] -= self._cover[e] * self._weight[node]
                    changed.add(keeper)
        return changed

    def _unless_published(self, node: int) -> int:
        """`node`, or the published node it would displace without being clearly better."""
        nodes = self._nodes
        if nodes.published[node] or nodes.preferred[node]:
            return node
        mine = {self._drops[e]: self._cover[e] for e in self._alive(node)}
        rivals = [other for other in mine if nodes.published[other]]
        if not rivals:
            return node
        rival = min(rivals, key=self._key)
        theirs = {self._drops[e]: self._cover[e] for e in self._alive(rival)}
        others = (set(mine) | set(theirs) | {node, rival}) - {node}
        rest = (set(mine) | set(theirs) | {node, rival}) - {rival}
        better = sum(mine.get(v, 0) for v in others) / len(others) - sum(theirs.get(v, 0) for v in rest) / len(rest)
        longer = nodes.characters[node] >= CLEARLY_LONGER * nodes.characters[rival]
        return node if better > CLEARLY_BETTER * 1_000 or longer else rival
