"""Overlapping documents: the same material retold, or one document inside another.

Candidates share rare 2-word shingles: FracMinHash values joined through an inverted index that is cut by hash, so
that each piece fits in memory, and that passes over shingles too common to mean anything. Coverage decides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup.coverage import CONTAINED_SHARE, RETOLD_SHARE, Units, cover, join_units, units
from pipeline.dedup.near import node_rows, pack, run_pairs, unpack
from pipeline.dedup.parts import Store, column, lists, load, load_layout, save
from pipeline.dedup.rarity import Rarity
from pipeline.dedup.words import Hashes, Positions, split, split_chunks

MAX_PIECES = 64  # of the inverted index
PIECE_DOCUMENTS = 10_000  # one piece of the index for so many documents
FULL_SCALE_DOCUMENTS = 60_000  # beyond so many documents fewer shingles of each are kept: 1 / scale of n / this
LEAST_SHARED = 3  # kept shingles that a candidate pair shares at least
LEAST_CONTAINMENT = 0.2  # of the kept shingles of the shorter; retellings measured: 0.47, unrelated pairs: 0.16
TEMPLATE_DOCUMENTS = 7  # a sentence that stands in more documents than this is a template, not evidence
# Texts that share more than this word for word are versions of one text (laws, licences, later reports): there the
# sentences that differ are what matters, so only containment makes one of them a duplicate, not retelling.
VERSION_SHARE = 0.3
RELATED_COVERAGE = 0.6  # pairs that reach this both ways, or `coverage` one way, are reported
BLOCK = 2_000  # pairs whose coverage is computed at a time


def frac_scale(documents: int, config: Config) -> int:
    """One in so many 2-word shingles is used: all that sketches keep in small corpora, fewer in large ones."""
    return max(config.overlap.scale, -(-documents // FULL_SCALE_DOCUMENTS))


def count_pieces(documents: int) -> int:
    """Into how many pieces, by hash, the inverted index is cut."""
    return max(1, min(MAX_PIECES, documents // PIECE_DOCUMENTS))


def post(folder: Path, group: int, scale: int, pieces: int, config: Config) -> None:
    """Step: the kept 2-word shingles and the sentences of a group's nodes that `eligible`.npy names, by piece."""
    nodes, document = node_rows(folder, group)
    eligible = np.load(folder / "eligible.npy", mmap_mode="r")[nodes]
    nodes, document = nodes[eligible], document[eligible]
    order = np.argsort(document)
    limit = np.uint64((1 << 64) // scale - 1)
    found: dict[str, list[tuple[Hashes, Positions]]] = {"frac": [], "sentences": []}
    for first, part in load_layout(folder).read(group, ("frac", "sentences")):
        at = slice(*np.searchsorted(document[order], (first, first + part.num_rows)))
        if at.start == at.stop:
            continue
        owner = np.full(part.num_rows, -1, np.int64)
        owner[document[order[at]] - first] = nodes[order[at]]
        for name, kept in found.items():
            values, offset = lists(part, name)
            node = np.repeat(owner, np.diff(offset))
            mine = node >= 0
            if name == "frac" and scale > config.overlap.scale:
                mine &= values < limit
            kept.append((values[mine], node[mine]))
    arrays = {}
    for name, kept in found.items():
        hashes = np.concatenate([np.zeros(0, np.uint64), *(values for values, _ in kept)])
        owners = np.concatenate([np.zeros(0, np.int64), *(node for _, node in kept)]).astype(np.uint32)
        piece = (hashes % np.uint64(pieces)).astype(np.uint8)
        by_piece = np.argsort(piece, kind="stable")
        arrays[f"{name}_hash"], arrays[f"{name}_node"] = hashes[by_piece], owners[by_piece]
        arrays[f"{name}_first"] = np.searchsorted(piece[by_piece], np.arange(pieces + 1))
    save(folder / "postings" / str(group), **arrays)


def _postings(folder: Path, piece: int, name: str) -> tuple[Hashes, Positions]:
    """One piece of the index, sorted by hash, then node, each pair once."""
    hashes, nodes = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
    for group in range(len(load_layout(folder).groups)):
        path = folder / "postings" / str(group)
        first = load(path, f"{name}_first")
        low, high = int(first[piece]), int(first[piece + 1])
        hashes.append(load(path, f"{name}_hash")[low:high])
        nodes.append(load(path, f"{name}_node")[low:high])
    every, owner = np.concatenate(hashes), np.concatenate(nodes)
    order = np.lexsort((owner, every))
    every, owner = every[order], owner[order]
    fresh = np.ones(every.size, bool)
    fresh[1:] = (every[1:] != every[:-1]) | (owner[1:] != owner[:-1])
    return every[fresh], owner[fresh].astype(np.int64)


def join(folder: Path, piece: int, config: Config) -> None:
    """Step: join one piece of the index with itself.

    Gives the pairs of nodes that share shingles, with how many; each node's number of shingles that count; and the
    sentences that stand in so many documents that they are templates.
    """
    hashes, nodes = _postings(folder, piece, "frac")
    start = (
        np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1]))) if hashes.size else np.zeros(0, np.int64)
    )
    length = np.diff(start, append=hashes.size)
    telling = length <= config.overlap.common
    counted, times = np.unique(nodes[np.repeat(telling, length)], return_counts=True)
    several = telling & (length > 1)
    left, right = run_pairs(start[several], length[several])
    pairs, shared = np.unique(pack(nodes[left], nodes[right]), return_counts=True)
    sentences, _ = _postings(folder, piece, "sentences")
    known, documents = np.unique(sentences, return_counts=True)
    save(
        folder / "joined" / str(piece),
        pairs=pairs,
        shared=shared.astype(np.uint16),
        node=counted.astype(np.uint32),
        telling=times.astype(np.uint32),
        templates=known[documents > TEMPLATE_DOCUMENTS],
    )


def telling_shingles(folder: Path, pieces: int, nodes: int) -> NDArray[np.uint32]:
    """How many of each node's kept shingles are rare enough to count."""
    total = np.zeros(nodes, np.uint32)
    for piece in range(pieces):
        total[load(folder / "joined" / str(piece), "node")] += load(folder / "joined" / str(piece), "telling")
    return total


def cut_blocks(folder: Path, pieces: int, nodes: int, size: int = 2_000_000) -> list[tuple[int, int]]:
    """Ranges of lower nodes with about `size` entries of the joined pieces each."""
    count = np.zeros(nodes + 1, np.int64)
    for piece in range(pieces):
        low, _ = unpack(load(folder / "joined" / str(piece), "pairs", whole=True))
        count[1:] += np.bincount(low, minlength=nodes)
    total = np.cumsum(count)
    cuts = np.unique(np.concatenate(([0], np.searchsorted(total, np.arange(size, total[-1], size)), [nodes])))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def add_up(folder: Path, pieces: int, low: int, high: int) -> NDArray[np.uint64]:
    """Step: the candidate pairs whose lower node is `low` to `high - 1`: they share enough shingles that count."""
    edges = np.array([low, high], np.uint64) << np.uint64(32)
    pairs, shared = [], []
    for piece in range(pieces):
        path = folder / "joined" / str(piece)
        mine = slice(*np.searchsorted(load(path, "pairs"), edges))
        pairs.append(load(path, "pairs")[mine])
        shared.append(load(path, "shared")[mine])
    every, counts = np.concatenate(pairs), np.concatenate(shared).astype(np.int64)
    order = np.argsort(every, kind="stable")
    every = every[order]
    if not every.size:
        return every
    start = np.flatnonzero(np.concatenate(([True], every[1:] != every[:-1])))
    total, every = np.add.reduceat(counts[order], start), every[start]
    size = np.load(folder / "telling.npy", mmap_mode="r")
    a, b = unpack(every)
    enough = (total >= LEAST_SHARED) & (total >= LEAST_CONTAINMENT * np.minimum(size[a], size[b]))
    candidates: NDArray[np.uint64] = every[enough]
    return candidates


def read_texts(folder: Path, group: int, wanted: Positions) -> list[str]:
    """The texts of documents (numbers, ascending) of one group."""
    layout = load_layout(folder)
    low, high = layout.groups[group]
    texts: list[str] = []
    for part in range(low, high):
        first = int(layout.first[part])
        mine = wanted[slice(*np.searchsorted(wanted, (first, int(layout.first[part + 1]))))] - first
        if mine.size:
            rows = layout.parts[part].rows
            found = pq.read_table(layout.parts[part].documents_path, columns=["text"])["text"]
            texts += found.take(column((rows[mine] if rows is not None else mine).astype(np.int64))).to_pylist()
    return [text or "" for text in texts]


def gather_units(folder: Path, group: int, marks: str, name: str) -> None:
    """Step: the sentence units of a group's nodes that `marks`.npy (bool a node) names, for `Store(folder, name)`."""
    nodes, document = node_rows(folder, group)
    marked = np.load(folder / f"{marks}.npy", mmap_mode="r")[nodes]
    nodes, document = nodes[marked], document[marked]
    order = np.argsort(document)
    inverse = np.empty_like(order)
    inverse[order] = np.arange(order.size)
    texts = read_texts(folder, group, document[order])
    chunks = split_chunks([texts[i] for i in inverse.tolist()], stems=True)
    found = join_units([units(split([])), *(units(words) for _, words in chunks)])
    save(
        folder / name / str(group),
        node=nodes,
        first=found.first,
        hash=found.hash,
        start=found.start,
        end=found.end,
        length=found.length,
        words=np.diff(found.word_first).astype(np.int32),
        word_first=found.word_first[found.first],
        word=found.word,
        flags=(found.number + 2 * found.name).astype(np.uint8),
    )


def take_units(store: Store, nodes: Positions) -> Units:
    """The stored units of `nodes`, in their order."""
    first, hashes, start, end, length, words = store.take(nodes, ["hash", "start", "end", "length", "words"])
    _, word, flags = store.take(nodes, ["word", "flags"], first="word_first")
    word_first = np.concatenate((np.zeros(1, np.int64), np.cumsum(words, dtype=np.int64)))
    return Units(first, hashes, start, end, length, word_first, word, (flags & 1) > 0, (flags & 2) > 0)


def count_stems(folder: Path, group: int) -> None:
    """Step: in how many of a group's sampled nodes (`sample`.npy, bool a node) each stem stands."""
    nodes, document = node_rows(folder, group)
    mine = np.sort(document[np.load(folder / "sample.npy", mmap_mode="r")[nodes]])
    found = [np.zeros(0, np.uint64)]
    for _, words in split_chunks(read_texts(folder, group, mine), stems=True):
        owner = np.repeat(np.arange(words.first.size - 1), np.diff(words.first))
        order = np.lexsort((owner, words.stem))
        stem, owner = words.stem[order], owner[order]
        fresh = np.ones(stem.size, bool)
        fresh[1:] = (stem[1:] != stem[:-1]) | (owner[1:] != owner[:-1])
        found.append(stem[fresh])
    known, documents = np.unique(np.concatenate(found), return_counts=True)
    save(folder / "stems" / str(group), stem=known, documents=documents)


def measure(folder: Path, low: int, high: int) -> NDArray[np.float64]:
    """Step: the coverage of the pairs `low` to `high - 1` of `overlap.npy`, float64[pairs, 8].

    Share of a that b covers and of b that a covers; the same counting only what stands there nearly word for word;
    own words (in sentences that are no template) of a and of b; share of a that stands in b word for word, and back.
    """
    a, b = unpack(np.load(folder / "overlap.npy", mmap_mode="r")[low:high])
    nodes = np.unique(np.concatenate((a, b)))
    found = take_units(Store(folder, "units"), nodes)
    rarity = Rarity(load(folder / "rarity", "stem"), load(folder / "rarity", "weight"))
    own = ~np.isin(found.hash, np.load(folder / "templates.npy"))
    left, right = np.searchsorted(nodes, a), np.searchsorted(nodes, b)
    both = cover(found, np.append(left, right), np.append(right, left), rarity.of(found.word), own)
    words = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.where(own, found.length, 0))))[found.first]
    words = np.diff(words)
    retold = both.coverage(RETOLD_SHARE).reshape(2, -1)
    contained = both.coverage(CONTAINED_SHARE).reshape(2, -1)
    return np.column_stack((*retold, *contained, words[left], words[right], *both.verbatim().reshape(2, -1)))
