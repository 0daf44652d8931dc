"""Overlapping documents: the same material retold, or one document inside another.

Candidates share rare 2-word shingles: FracMinHash values joined through an inverted index that is cut by hash, so
that each piece fits in memory, and that passes over shingles too common to mean anything. Coverage decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup.coverage import (
    CONTAINED_SHARE,
    RETOLD_SHARE,
    Units,
    cover,
    join_units,
    units,
    verbatim_shares,
)
from pipeline.dedup.lookup import distinct, distinct_runs, opens_run, places
from pipeline.dedup.marks import Marks, find_marks
from pipeline.dedup.near import intersections, node_rows, pack, run_pairs, unpack
from pipeline.dedup.parts import Store, column, even_cuts, lists, load, load_all, load_layout, ranges, save
from pipeline.dedup.rarity import Rarity
from pipeline.dedup.result import NOT_ENOUGH, TOO_SHORT, VERSIONS, Almost
from pipeline.dedup.stars import OVERLAP, Edges
from pipeline.dedup.words import Hashes, Positions, split, split_chunks

MAX_PIECES = 64  # of the inverted index
PIECE_DOCUMENTS = 2_000  # one piece of the index for so many documents: several workers join them
ENTRIES, MOST_ENTRIES = 300_000, 2_000_000  # of the joined pieces, added up at a time
FULL_SCALE_DOCUMENTS = 60_000  # beyond so many documents fewer shingles of each are kept: 1 / scale of n / this
LEAST_SHARED = 3  # kept shingles that a candidate pair shares at least
LEAST_CONTAINMENT = 0.2  # of the kept shingles of the shorter; retellings measured: 0.47, unrelated pairs: 0.16
TEMPLATE_DOCUMENTS = 7  # a sentence that stands in more documents than this is a template, not evidence
# Texts that share more than this word for word are versions of one text (laws, licences, later reports): there the
# sentences that differ are what matters, so only containment makes one of them a duplicate, not retelling.
VERSION_SHARE = 0.3
RELATED_COVERAGE = 0.6  # pairs that reach this both ways, or `coverage` one way, are reported
BLOCK = 4_000_000  # words of the pairs that one step measures
WORDS = 400_000  # of them worked on at a time: some hundred bytes each


def frac_scale(documents: int, config: Config) -> int:
    """One in so many 2-word shingles is used: all that sketches keep in small corpora, fewer in large ones."""
    return max(config.overlap.scale, -(-documents // FULL_SCALE_DOCUMENTS))


def count_pieces(documents: int) -> int:
    """Into how many pieces, by hash, the inverted index is cut."""
    return max(1, min(MAX_PIECES, documents // PIECE_DOCUMENTS))


def post(folder: Path, group: int, scale: int, pieces: int, config: Config) -> None:
    """Step: the kept 2-word shingles and the sentences of a group's nodes that `eligible`.npy names, by piece."""
    nodes, document = node_rows(folder, group)
    eligible = load(folder / "eligible", "all")[nodes]
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


def _postings(folder: Path, piece: int, name: str) -> tuple[Hashes, NDArray[np.uint32]]:
    """One piece of the index: hashes and nodes, as the groups gave them."""
    hashes, nodes = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)]
    for group in range(len(load_layout(folder).groups)):
        posted = load_all(folder / "postings" / str(group))
        low, high = posted[f"{name}_first"][piece : piece + 2].tolist()
        hashes.append(posted[f"{name}_hash"][low:high])
        nodes.append(posted[f"{name}_node"][low:high])
    return np.concatenate(hashes), np.concatenate(nodes)


def join(folder: Path, piece: int, config: Config) -> None:
    """Step: join one piece of the index with itself.

    Gives the pairs of nodes that share shingles, with how many; each node's number of shingles that count; and the
    sentences that stand in so many documents that they are templates.
    """
    hashes, nodes = _share_number(*_postings(folder, piece, "frac"))
    start = np.flatnonzero(opens_run(hashes))
    length = np.diff(start, append=hashes.size)
    telling = length <= config.overlap.common
    counted, times = np.unique(nodes[np.repeat(telling, length)], return_counts=True)
    several = telling & (length > 1)
    left, right = run_pairs(start[several], length[several])
    pairs, shared = np.unique(pack(nodes[left], nodes[right]), return_counts=True)
    save(
        folder / "joined" / str(piece),
        pairs=pairs,
        shared=shared.astype(np.uint16),
        node=counted.astype(np.uint32),
        telling=times.astype(np.uint32),
        templates=_templates(*_postings(folder, piece, "sentences")),
    )


def _share_number(hashes: Hashes, nodes: NDArray[np.uint32]) -> tuple[Hashes, Positions]:
    """Postings sorted by hash, then node, each once: by one sort of one number, with the node in its low bits.

    The hash loses as many bits. More than 32 are left to tell the shingles of a piece apart; a pair of documents that
    by chance shares one more is measured, and found not to overlap.
    """
    bits = np.uint64(max(1, int(nodes.max(initial=0)).bit_length()))
    both = distinct((hashes >> bits << bits) | nodes)
    return both >> bits, (both & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)


def _templates(sentences: Hashes, nodes: NDArray[np.uint32]) -> Hashes:
    """The sentences that stand in more than `TEMPLATE_DOCUMENTS` documents, sorted."""
    order = np.argsort(sentences)
    sentences, nodes = sentences[order], nodes[order]
    start = np.flatnonzero(opens_run(sentences))
    length = np.diff(start, append=sentences.size)
    often = np.flatnonzero(length > TEMPLATE_DOCUMENTS)  # few; a document may hold a sentence more than once
    owners = nodes[ranges(start[often], length[often])]
    pairs = distinct(np.repeat(often, length[often]) << 32 | owners)
    known, documents = np.unique(pairs >> 32, return_counts=True)
    found: Hashes = sentences[start[known[documents > TEMPLATE_DOCUMENTS]]]
    return found


def telling_shingles(folder: Path, pieces: int, nodes: int) -> NDArray[np.uint32]:
    """How many of each node's kept shingles are rare enough to count."""
    total = np.zeros(nodes, np.uint32)
    for piece in range(pieces):
        total[load(folder / "joined" / str(piece), "node")] += load(folder / "joined" / str(piece), "telling")
    return total


def cut_blocks(folder: Path, pieces: int, nodes: int) -> list[tuple[int, int]]:
    """Ranges of lower nodes with about as many entries of the joined pieces each."""
    count = np.zeros(nodes + 1, np.int64)
    for piece in range(pieces):
        low, _ = unpack(load(folder / "joined" / str(piece), "pairs"))
        count[1:] += np.bincount(low, minlength=nodes)
    total = np.cumsum(count)
    size = max(ENTRIES, min(MOST_ENTRIES, int(total[-1]) // MAX_PIECES))
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
    size = load(folder / "telling", "all")
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
            found = pq.ParquetFile(layout.parts[part].documents_path).read(["text"], use_threads=False)["text"]
            texts += found.take(column((rows[mine] if rows is not None else mine).astype(np.int64))).to_pylist()
    return [text or "" for text in texts]


def gather_units(folder: Path, group: int, marks: str, name: str) -> None:
    """Step: the sentence units of a group's nodes that `marks` (bool a node) names, for `Store(folder, name)`.

    With them the numbers and names (`MARKED`) and the normalised text itself, in UTF-8: what evidence
    needs to say what is lost without reading and splitting texts again.
    """
    nodes, document = node_rows(folder, group)
    marked = load(folder / marks, "all")[nodes]
    nodes, document = nodes[marked], document[marked]
    order = np.argsort(document)
    inverse = np.empty_like(order)
    inverse[order] = np.arange(order.size)
    texts = read_texts(folder, group, document[order])
    nothing = split([])
    found, raw, marks_of = [units(nothing)], [b""], [find_marks(nothing)]
    for normal, words in split_chunks([texts[i] for i in inverse.tolist()], stems=True):
        found.append(units(words))
        raw += [text.encode("utf-8", "surrogatepass") for text in normal]
        marks_of.append(find_marks(words))
    every, rarity = join_units(found), read_rarity(folder)
    counts, *columns = (
        np.concatenate(each)
        for each in zip(*((np.diff(m.first), m.key, m.start, m.end, m.number) for m in marks_of), strict=True)
    )
    save(
        folder / name / str(group),
        node=nodes,
        first=every.first,
        hash=every.hash,
        start=every.start,
        end=every.end,
        length=every.length,
        words=np.diff(every.word_first).astype(np.int32),
        word_first=every.word_first[every.first],
        word=every.word,
        flags=(every.number + 2 * every.name).astype(np.uint8),
        weight=rarity.of(every.word).astype(np.int16),
        marked_first=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
        **dict(zip(MARKED, columns, strict=True)),
        text_first=np.cumsum([len(text) for text in raw]),
        text=np.frombuffer(b"".join(raw), np.uint8),
    )


MARKED = ("marked_key", "marked_start", "marked_end", "marked_number")


def take_marks(store: Store, nodes: Positions) -> Marks:
    """The stored numbers and names of `nodes`, in their order."""
    return Marks(*store.take(nodes, MARKED, first="marked_first"))


def take_units(store: Store, nodes: Positions) -> tuple[Units, NDArray[np.int64]]:
    """The stored units of `nodes`, in their order, and what each of their words weighs."""
    first, hashes, start, end, length, words = store.take(nodes, ["hash", "start", "end", "length", "words"])
    _, word, flags, weight = store.take(nodes, ["word", "flags", "weight"], first="word_first")
    word_first = np.concatenate((np.zeros(1, np.int64), np.cumsum(words, dtype=np.int64)))
    found = Units(first, hashes, start, end, length, word_first, word, (flags & 1) > 0, (flags & 2) > 0)
    return found, weight.astype(np.int64)


def count_stems(folder: Path, group: int) -> None:
    """Step: in how many of a group's sampled nodes (`sample`, bool a node) each stem stands."""
    nodes, document = node_rows(folder, group)
    mine = np.sort(document[load(folder / "sample", "all")[nodes]])
    found = [np.zeros(0, np.uint64)]
    for _, words in split_chunks(read_texts(folder, group, mine), stems=True):
        found.append(distinct_runs(words.stem, words.first)[0])
    known, documents = np.unique(np.concatenate(found), return_counts=True)
    save(folder / "stems" / str(group), stem=known, documents=documents)


def read_rarity(folder: Path) -> Rarity:
    """How rare words are, as the matching found out."""
    arrays = load_all(folder / "rarity")
    return Rarity(arrays["stem"], arrays["weight"])


def measure(folder: Path, name: str, low: int, high: int, config: Config) -> NDArray[np.float64]:
    """Step: the coverage of the pairs `low` to `high - 1` of the file `name`, float64[pairs, 10].

    Share of a that b covers and of b that a covers; the same counting only what stands there nearly word for word;
    own words (in sentences that are no template) of a and of b; share of a's sentences that stand in b word for
    word, and back; containment of a's shingles in b, and back. The first four are NaN where the sentences word for
    word show two versions of one text already, the last two where the pair is out of question without them.
    """
    stored = load_all(folder / name)
    a, b, size = (stored[key][low:high] for key in ("a", "b", "words"))
    store, templates = Store(folder, "units"), load(folder / "templates", "all")
    cuts = even_cuts(size, WORDS)
    found = [_measure(store, templates, a[start:end], b[start:end]) for start, end in cuts]
    table = np.concatenate([np.zeros((0, 10)), *found])
    likely = judge(table, config)
    some = np.flatnonzero(likely.a_inside | likely.b_inside | likely.retold)
    shared, in_a, in_b = intersections(Store(folder, "shingles"), a[some], b[some])
    table[some, 8], table[some, 9] = shared / np.maximum(1, in_a), shared / np.maximum(1, in_b)
    return table


def _measure(store: Store, templates: Hashes, a: Positions, b: Positions) -> NDArray[np.float64]:
    """`measure` without containment, for so few pairs that their words fit in memory many times over."""
    nodes = distinct(np.concatenate((a, b)))
    found, weights = take_units(store, nodes)
    own = places(found.hash, templates) < 0
    left, right = np.searchsorted(nodes, a), np.searchsorted(nodes, b)
    x, y = np.append(left, right), np.append(right, left)
    words = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.where(own, found.length, 0))))[found.first]
    words = np.diff(words)
    same = verbatim_shares(found, x, y, weights, own).reshape(2, -1)
    rest = np.flatnonzero(same.min(axis=0) < VERSION_SHARE)
    covered = np.full((4, a.size), np.nan)
    if rest.size:
        x, y = np.append(left[rest], right[rest]), np.append(right[rest], left[rest])
        both = cover(found, x, y, weights, own, RETOLD_SHARE)
        covered[:2, rest] = both.coverage(RETOLD_SHARE).reshape(2, -1)
        covered[2:, rest] = both.coverage(CONTAINED_SHARE).reshape(2, -1)
    unknown = np.full(a.size, np.nan)
    return np.column_stack((*covered, words[left], words[right], *same, unknown, unknown))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What `judge` says of measured pairs, all bool[pairs] but `why` (`result.WHY_ALMOST`).

    `a_inside`, `b_inside`: that one is contained in the other. `retold`: both cover each other. `told`: related.
    """

    a_inside: NDArray[np.bool_]
    b_inside: NDArray[np.bool_]
    retold: NDArray[np.bool_]
    told: NDArray[np.bool_]
    why: NDArray[np.int8]


def judge(table: NDArray[np.float64], config: Config) -> Verdicts:
    """Which measured pairs (rows of `measure`) are duplicates, and which nearly are.

    A text that stands in the other mostly word for word is a version of it: what differs was changed on purpose, so
    it is contained only if `contained` of it stands there word for word, and never retold.
    """
    a_by_b, b_by_a, a_in_b, b_in_a, own_a, own_b, a_same, b_same, a_shingles, b_shingles = table.T
    a_same, b_same = np.fmax(a_same, a_shingles), np.fmax(b_same, b_shingles)
    enough = (own_a >= config.overlap.own_words) & (own_b >= config.overlap.own_words)
    versions = np.minimum(a_same, b_same) >= VERSION_SHARE
    retold = enough & ~versions & (np.minimum(a_by_b, b_by_a) >= config.coverage)
    whole = config.overlap.contained
    a_inside = enough & (np.where(a_same >= VERSION_SHARE, a_same, a_in_b) >= whole)
    b_inside = enough & (np.where(b_same >= VERSION_SHARE, b_same, b_in_a) >= whole)
    close = (np.minimum(a_by_b, b_by_a) >= RELATED_COVERAGE) | (np.maximum(a_by_b, b_by_a) >= config.coverage)
    close |= versions & (np.maximum(a_same, b_same) >= RELATED_COVERAGE)
    why = np.where(~enough, TOO_SHORT, np.where(versions, VERSIONS, NOT_ENOUGH)).astype(np.int8)
    return Verdicts(a_inside, b_inside, retold, close, why)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured pairs (a, b) of nodes, the table of `measure`, who may stand for whom, and the verdicts."""

    a: Positions
    b: Positions
    table: NDArray[np.float64]
    a_keeps: NDArray[np.bool_]
    b_keeps: NDArray[np.bool_]
    verdicts: Verdicts

    @classmethod
    def of(
        cls, a: Positions, b: Positions, table: NDArray[np.float64], words: NDArray[np.int32], config: Config
    ) -> Measured:
        """Judge the pairs: of two of which one is contained in the other, the longer one may be kept."""
        found = judge(table, config)
        a_keeps = found.b_inside & (words[b] <= words[a]) | found.retold
        b_keeps = found.a_inside & (words[a] <= words[b]) | found.retold
        return cls(a, b, table, a_keeps, b_keeps, found)

    def partners(self) -> tuple[Positions, Positions]:
        """The pairs of which one may stand for the other."""
        found = self.a_keeps | self.b_keeps
        return self.a[found], self.b[found]

    def edges(self) -> Edges:
        """Who may stand for whom; of versions of one text, covered is what stands there word for word."""
        a_keeps, b_keeps = self.a_keeps, self.b_keeps
        a_by_b, b_by_a = (np.fmax(self.table[:, i], self.table[:, 6 + i]) for i in (0, 1))
        cover = np.concatenate((a_by_b[b_keeps], b_by_a[a_keeps]))
        keeps, drops = (
            np.concatenate((self.b[b_keeps], self.a[a_keeps])),
            np.concatenate((self.a[b_keeps], self.b[a_keeps])),
        )
        back = np.concatenate((b_by_a[b_keeps], a_by_b[a_keeps]))
        return Edges(keeps, drops, cover, np.full(keeps.size, OVERLAP, np.int8), (cover + back) / 2)

    def retold(self) -> NDArray[np.uint64]:
        """The retold pairs, packed."""
        return pack(self.a, self.b)[self.verdicts.retold]

    def almost(self) -> Almost:
        """The pairs that nearly qualify; of versions no coverage was measured."""
        told = self.verdicts.told & ~(self.a_keeps | self.b_keeps)
        a_by_b, b_by_a = self.table[told, 0], self.table[told, 1]
        return Almost(self.a[told], self.b[told], np.full(a_by_b.size, np.nan), a_by_b, b_by_a, self.verdicts.why[told])
