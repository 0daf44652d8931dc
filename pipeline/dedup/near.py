"""Near duplicates: candidate pairs from LSH bands, each proved by exact Jaccard.

Steps are functions of a folder and a small number, so that they run in any worker. Band keys are sorted, not put in
hash tables. A bucket of many nodes is not compared pair by pair: round after round one node stands for it and the
others are estimated against that one; who is near enough leaves, so that 100,000 copies cost one round.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup.lookup import distinct
from pipeline.dedup.minhash import Signatures, band_keys, choose_bands
from pipeline.dedup.parts import Store, array, even_cuts, lists, load, load_all, load_layout, ranges, save
from pipeline.dedup.words import Hashes, Positions

SMALL_BUCKET = 24  # up to here every pair of a bucket is a candidate
ROUNDS = 32  # nodes that may stand for one large bucket; what is left is split by a second band
ENOUGH = 3  # a node near to so many that stand for its bucket needs no more
MARGIN = 4.0  # standard errors of the estimated Jaccard below the threshold where a pair is given up (3e-5 lost)
RELATED = 0.1  # pairs up to so far below the threshold are reported as related
BLOCK = 20_000  # candidate pairs that one step verifies
SHINGLES = 4_000_000  # read at a time, 32 MB of them: pairs of books must not fill the memory

Pairs = NDArray[np.uint64]  # two node numbers in one: the lower above, so that sorting groups by it


def pack(low: Positions, high: Positions) -> Pairs:
    """Pairs of nodes as one number each, the lower node in front."""
    first, second = np.minimum(low, high), np.maximum(low, high)
    return (first.astype(np.uint64) << np.uint64(32)) | second.astype(np.uint64)


def unpack(pairs: Pairs) -> tuple[Positions, Positions]:
    """The two nodes of each pair, the lower first."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def read_hashes(folder: Path, group: int) -> None:
    """Step: text hash (two uint64), words and number of shingles of a group's documents; declared origins."""
    layout = load_layout(folder)
    low, high = layout.documents(group)
    text, words = np.zeros((high - low, 2), np.uint64), np.zeros(high - low, np.int32)
    shingles = np.zeros(high - low, np.int32)
    origins, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for first, table in layout.read(group, ("text_hash", "words", "shingles", "origins")):
        if not table.num_rows:
            continue
        here = slice(first - low, first - low + table.num_rows)
        hashes = table["text_hash"].chunk(0)
        raw = np.frombuffer(hashes.buffers()[1], np.uint64, 2 * table.num_rows, hashes.offset * 16)
        text[here] = raw.reshape(-1, 2)
        words[here] = array(table["words"])
        shingles[here] = np.diff(lists(table, "shingles")[1])
        values, offset = lists(table, "origins")
        origins.append(values)
        owners.append(np.repeat(np.arange(first, first + table.num_rows), np.diff(offset)))
    save(
        folder / "hashes" / str(group),
        text=text,
        words=words,
        shingles=shingles,
        origin=np.concatenate(origins),
        owner=np.concatenate(owners),
    )


def node_rows(folder: Path, group: int) -> tuple[Positions, Positions]:
    """The nodes whose text stands in a group, ascending, and their documents."""
    low, high = load_layout(folder).documents(group)
    document = load(folder / "nodes", "document")
    nodes = np.flatnonzero((document >= low) & (document < high))
    return nodes, document[nodes]


def sign(folder: Path, group: int, config: Config) -> None:
    """Step: the signatures of a group's nodes that have shingles, and the keys of their bands."""
    nodes, document = node_rows(folder, group)
    layout, near = load_layout(folder), config.near
    order = np.argsort(document)
    sorted_documents = document[order]
    table = np.zeros((nodes.size, near.permutations), np.uint32)
    full = np.zeros(nodes.size, bool)
    for first, part in layout.read(group, ("signature", "shingles")):
        at = slice(*np.searchsorted(sorted_documents, (first, first + part.num_rows)))
        if at.start == at.stop:
            continue
        row = sorted_documents[at] - first
        flat = array(part["signature"].chunk(0).flatten()).reshape(-1, near.permutations)
        table[order[at]] = flat[row]
        full[order[at]] = np.diff(lists(part, "shingles")[1])[row] > 0
    keys = band_keys(table[full], choose_bands(config.threshold, near.recall, near.permutations))
    save(folder / "signatures" / str(group), node=nodes[full], signature=table[full], keys=keys)


def gather_shingles(folder: Path, group: int, marks: str, name: str) -> None:
    """Step: the shingles of a group's nodes that `marks` (bool a node) names."""
    nodes, document = node_rows(folder, group)
    marked = load(folder / f"{marks}", "all")[nodes]
    nodes, document = nodes[marked], document[marked]
    order = np.argsort(document)
    found: list[Hashes] = [np.zeros(0, np.uint64)]
    length = np.zeros(nodes.size, np.int64)
    for first, part in load_layout(folder).read(group, ("shingles",)):
        at = slice(*np.searchsorted(document[order], (first, first + part.num_rows)))
        if at.start == at.stop:
            continue
        values, offset = lists(part, "shingles")
        row = document[order[at]] - first
        size = np.diff(offset)[row]
        found.append(values[ranges(offset[:-1][row], size)])
        length[order[at]] = size
    values = np.concatenate(found)
    start = np.zeros(nodes.size, np.int64)
    start[order] = np.cumsum(length[order]) - length[order]
    values = values[ranges(start, length)]
    first_of = np.concatenate((np.zeros(1, np.int64), np.cumsum(length)))
    save(folder / name / str(group), node=nodes, first=first_of, shingle=values)


class SignatureTable:
    """The signatures of all nodes, on disk, read by node."""

    def __init__(self, folder: Path) -> None:
        groups = range(len(load_layout(folder).groups))
        stored = [load_all(folder / "signatures" / str(group)) for group in groups]
        self._tables = [arrays["signature"] for arrays in stored]
        self._nodes = [arrays["node"] for arrays in stored]
        self._document = load(folder / "nodes", "document")
        layout = load_layout(folder)
        self._bounds = np.array([layout.documents(group)[0] for group in groups], np.int64)

    def of(self, nodes: Positions) -> Signatures:
        """The signatures of `nodes`, uint32[k, permutations]."""
        group = np.searchsorted(self._bounds, self._document[nodes], "right") - 1
        table = np.empty((nodes.size, self._tables[0].shape[1]), np.uint32)
        for g in np.unique(group):
            mine = np.flatnonzero(group == g)
            table[mine] = self._tables[g][np.searchsorted(self._nodes[g], nodes[mine])]
        return table


def read_keys(folder: Path, band: int) -> tuple[Positions, Hashes]:
    """The keys of one band: the nodes that have one, and the keys."""
    groups = range(len(load_layout(folder).groups))
    stored = [load_all(folder / "signatures" / str(group)) for group in groups]
    return np.concatenate([s["node"] for s in stored]), np.concatenate([s["keys"][band] for s in stored])


def _runs(nodes: Positions, keys: Hashes) -> tuple[Positions, Positions, Positions]:
    """The nodes of keys that several have, by key, then by number; where each run of equal keys starts, its length."""
    order = np.argsort(keys)  # not stable, but vectorised
    ordered = keys[order]
    equal = ordered[1:] == ordered[:-1]
    shared = np.zeros(order.size, bool)
    shared[1:] |= equal
    shared[:-1] |= equal
    order = order[shared]
    order = order[np.lexsort((nodes[order], keys[order]))]
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if order.size else order
    return nodes[order], starts, np.diff(starts, append=order.size)


def run_pairs(start: Positions, length: Positions) -> tuple[Positions, Positions]:
    """Every pair of places within each run, as two arrays of places.

    >>> [side.tolist() for side in run_pairs(np.array([0, 5]), np.array([3, 2]))]
    [[0, 0, 1, 5], [1, 2, 2, 6]]
    """
    place = ranges(start, length)
    behind = np.repeat(start + length, length) - place - 1  # places of its run that follow each place
    return np.repeat(place, behind), ranges(place + 1, behind)


def find_candidates(folder: Path, band: int, config: Config) -> int:
    """Step: the candidate pairs that one band gives, sorted; returns how many nodes of large buckets were left over.

    Left over are nodes of a bucket so large and so mixed that `ROUNDS` representatives did not settle them and a
    second band did not split them: they stay compared with those representatives only.
    """
    nodes, starts, length = _runs(*read_keys(folder, band))
    small = length <= SMALL_BUCKET
    left, right = run_pairs(starts[small], length[small])
    found = [pack(nodes[left], nodes[right])]
    over = 0
    if not small.all():
        order = load(folder / "nodes", "order")
        table = SignatureTable(folder)
        bands = choose_bands(config.threshold, config.near.recall, config.near.permutations).bands
        for start, size in zip(starts[~small].tolist(), length[~small].tolist(), strict=True):
            members = nodes[start : start + size]
            members = members[np.argsort(order[members])]
            pairs, rest = settle(members, table.of(members), config.threshold)
            found.append(pairs)
            if rest.size > 1:
                others = [other for other in range(bands) if other != band]
                pairs, count = _split(folder, rest, others, table, config.threshold)
                found.append(pairs)
                over += count
    save(folder / f"candidates-{band}", all=distinct(np.concatenate(found)))
    return over


def settle(members: Positions, table: Signatures, threshold: float) -> tuple[Pairs, Positions]:
    """Candidate pairs of a large bucket, linear in its size; and the members that are not settled.

    `members` come with the likeliest to be kept first. Each round the first unsettled member stands for the bucket
    and every other unsettled one whose estimated Jaccard may reach the threshold becomes a candidate with it. Those
    surely above it, and those with `ENOUGH` candidates, are settled: a star needs one verified centre, not all.
    """
    error = np.sqrt(threshold * (1 - threshold) / table.shape[1])
    maybe, surely = threshold - MARGIN * error, min(1.0, threshold + 3 * error)
    found, hits = [], np.zeros(members.size, np.int8)
    alive = np.arange(members.size)
    for _ in range(ROUNDS):
        if alive.size < 2:
            break
        centre, others = alive[0], alive[1:]
        alike = (table[others] == table[centre]).mean(axis=1)
        near = alike >= maybe
        found.append(pack(np.full(int(near.sum()), members[centre]), members[others[near]]))
        hits[others[near]] += 1
        alive = others[(alike < surely) & (hits[others] < ENOUGH)]
    pairs = np.concatenate(found) if found else np.zeros(0, np.uint64)
    return pairs, members[alive]


def _split(
    folder: Path, rest: Positions, bands: list[int], table: SignatureTable, threshold: float
) -> tuple[Pairs, int]:
    """Candidate pairs among the `rest` of a bucket that agree in a second band; how many stay unsettled even so."""
    order = load(folder / "nodes", "order")
    found, unsettled = [np.zeros(0, np.uint64)], np.zeros(0, np.int64)
    for band in bands:
        nodes, keys = read_keys(folder, band)
        mine = np.isin(nodes, rest)
        nodes, starts, length = _runs(nodes[mine], keys[mine])
        small = length <= SMALL_BUCKET
        left, right = run_pairs(starts[small], length[small])
        found.append(pack(nodes[left], nodes[right]))
        for start, size in zip(starts[~small].tolist(), length[~small].tolist(), strict=True):
            members = nodes[start : start + size]
            members = members[np.argsort(order[members])]
            pairs, over = settle(members, table.of(members), threshold)
            found.append(pairs)
            unsettled = np.union1d(unsettled, over)
    return np.concatenate(found), int(unsettled.size)


def verify(folder: Path, low: int, high: int, bands: int, config: Config) -> int:
    """Step: exact Jaccard of the candidate pairs whose lower node is `low` to `high - 1`; returns how many there were.

    Pairs whose signatures agree far too little are not read at all (see `MARGIN`).
    """
    edges = np.array([low, high], np.uint64) << np.uint64(32)
    found = []
    for band in range(bands):
        pairs = load(folder / f"candidates-{band}", "all")
        found.append(pairs[slice(*np.searchsorted(pairs, edges))])
    a, b = unpack(distinct(np.concatenate(found)))
    count = a.size
    table = SignatureTable(folder)
    threshold = config.threshold - RELATED
    maybe = threshold - MARGIN * np.sqrt(0.25 / config.near.permutations)
    likely = np.concatenate(
        [np.zeros(0, bool)]
        + [
            (table.of(a[i : i + 4096]) == table.of(b[i : i + 4096])).mean(axis=1) >= maybe
            for i in range(0, a.size, 4096)
        ]
    )
    a, b = a[likely], b[likely]
    shared, size_a, size_b = intersections(Store(folder, "near_shingles"), a, b, threshold)
    keep = shared >= threshold * (size_a + size_b - shared)
    save(
        folder / "verified" / str(low), a=a[keep], b=b[keep], shared=shared[keep], in_a=size_a[keep], in_b=size_b[keep]
    )
    return int(count)


def intersections(
    store: Store, a: Positions, b: Positions, least: float = 0.0
) -> tuple[Positions, Positions, Positions]:
    """How many shingles each pair of nodes shares, and how many each of the two has.

    Pairs whose Jaccard is surely below `least` are given as sharing none. Equal hashes have equal upper halves, so
    those of both nodes in one sort, which takes half the time, show at least as many neighbours alike as are shared.
    """
    size_a, size_b = store.sizes(a), store.sizes(b)
    shared = np.zeros(a.size, np.int64)
    needed = np.ceil(least / (1 + least) * (size_a + size_b) - 1e-9).astype(np.int64).tolist()
    for low, high in even_cuts(size_a + size_b, SHINGLES):
        nodes = distinct(np.concatenate((a[low:high], b[low:high])))
        first, values = store.take(nodes, ["shingle"])
        halves = (values >> np.uint64(32)).astype(np.uint32) if least else values
        begin = first.tolist()
        left, right = np.searchsorted(nodes, a[low:high]).tolist(), np.searchsorted(nodes, b[low:high]).tolist()
        for i, (x, y) in enumerate(zip(left, right, strict=True), low):  # a sort a pair
            if least:
                both = np.concatenate((halves[begin[x] : begin[x + 1]], halves[begin[y] : begin[y + 1]]))
                both.sort()
                if np.count_nonzero(both[1:] == both[:-1]) < needed[i]:
                    continue
            both = np.concatenate((values[begin[x] : begin[x + 1]], values[begin[y] : begin[y + 1]]))
            both.sort()
            shared[i] = np.count_nonzero(both[1:] == both[:-1])
    return shared, size_a, size_b


def cut_blocks(folder: Path, bands: int, nodes: int) -> list[tuple[int, int]]:
    """Ranges of lower nodes with about `BLOCK` candidate pairs each (a pair found by several bands counts so often)."""
    count = np.zeros(nodes + 1, np.int64)
    for band in range(bands):
        low, _ = unpack(load(folder / f"candidates-{band}", "all"))
        count[1:] += np.bincount(low, minlength=nodes)
    total = np.cumsum(count)
    cuts = np.searchsorted(total, np.arange(BLOCK, total[-1], BLOCK))
    cuts = distinct(np.concatenate(([0], cuts, [nodes])))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
