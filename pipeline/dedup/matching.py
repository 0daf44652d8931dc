"""Sketches in, clusters out: exact, near and overlapping documents, each dropped one proved against the kept one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup import evidence, near, overlap, result, stars
from pipeline.dedup.minhash import choose_bands
from pipeline.dedup.near import pack, unpack
from pipeline.dedup.parts import Executor, Layout, SketchPart, load, make_layout, ranges, save
from pipeline.dedup.rarity import background, from_counts
from pipeline.dedup.result import Almost, Choice, DocumentColumns, Matching
from pipeline.dedup.stars import DECIDED, NEAR, OVERLAP, Edges, Nodes
from pipeline.dedup.words import Positions

CORPUS_DOCUMENTS = 2_000  # from so many on, the corpus itself says which words are rare
SAMPLE_DOCUMENTS = 20_000  # and so many of its documents are enough to say it
MAX_ORIGIN = 50  # an origin that more documents declare (a site's own address) says nothing


def match(
    parts: Sequence[SketchPart],
    columns: DocumentColumns,
    config: Config,
    executor: Executor,
    folder: Path,
    never: set[tuple[int, int]] = frozenset(),  # type: ignore[assignment]
    always: set[tuple[int, int]] = frozenset(),  # type: ignore[assignment]
    prefer: set[int] = frozenset(),  # type: ignore[assignment]
) -> Matching:
    """Find every duplicate among the documents of `parts` and choose which documents are kept.

    `executor.map` runs the heavy steps; `folder` (empty, seen by every worker) holds what they hand to each other.
    `never` and `always` are pairs of ranks that a person said are not, or are, duplicates; `prefer`: ranks to keep.
    The result does not depend on how documents are spread over parts, on their order there, or on the workers.
    """
    job = _Job(make_layout(parts, folder), columns, config, executor, folder, never, always, prefer)
    return job.run()


@dataclass
class _Job:
    """One matching: the arrays that its phases share."""

    layout: Layout
    columns: DocumentColumns
    config: Config
    executor: Executor
    folder: Path
    never: set[tuple[int, int]]
    always: set[tuple[int, int]]
    prefer: set[int]
    counts: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Matching:
        """All phases, in order."""
        groups = range(len(self.layout.groups))
        self._time("read", self._find_nodes)
        self._time("sign", lambda: self._map(near.sign, [(self.folder, g, self.config) for g in groups]))
        self._time("candidates", self._find_candidates)
        self._time("verify", self._verify)
        self._time("overlap", self._find_overlaps)
        self._time("choose", self._choose)
        self._time("evidence", self._prove)
        return self._report()

    def _time(self, name: str, phase: Callable[[], object]) -> None:
        """Run one phase and note its seconds."""
        start = time.perf_counter()
        phase()
        self.counts.setdefault("seconds", {})[name] = round(time.perf_counter() - start, 3)

    def _map(self, step: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run one step for each of its arguments."""
        return list(self.executor.map(step, arguments))

    # -- documents to nodes

    def _find_nodes(self) -> None:
        """Collapse equal texts: number the distinct ones in source order and choose who stands for each."""
        layout, folder, columns = self.layout, self.folder, self.columns
        groups = range(len(layout.groups))
        self._map(near.read_hashes, [(folder, g) for g in groups])
        read = [folder / "hashes" / str(g) for g in groups]
        text = np.concatenate([np.zeros((0, 2), np.uint64), *(load(path, "text") for path in read)])
        order = np.lexsort((columns.rank, text[:, 1], text[:, 0]))
        fresh = np.ones(order.size, bool)
        fresh[1:] = (text[order][1:] != text[order][:-1]).any(axis=1)
        same = np.empty(order.size, np.int64)
        same[order] = np.cumsum(fresh) - 1  # the number of each document's text
        self.document_of = np.argsort(columns.rank)  # by rank
        self.text_of_rank = same[self.document_of]
        node_key = self._apart(same)
        standing = self._standing(columns.characters, columns.date, columns.rank)
        preferred = np.zeros(layout.count, bool)
        preferred[self.document_of[sorted(self.prefer)]] = True
        best = np.lexsort((standing, ~columns.published, ~preferred, node_key))
        first = np.ones(best.size, bool)
        first[1:] = node_key[best][1:] != node_key[best][:-1]
        stands = best[first]  # for each key, ascending, the document that stands for it
        by_rank = np.argsort(columns.rank[stands])
        self.node_document = stands[by_rank]
        number = np.empty(stands.size, np.int64)
        number[by_rank] = np.arange(stands.size)
        self.node_of = number[node_key]  # by document
        self.nodes = int(stands.size)
        self.node_rank = columns.rank[self.node_document]
        self.node_text = same[self.node_document]
        is_preferred = np.bincount(self.node_of, preferred, self.nodes) > 0
        was_published = np.bincount(self.node_of, columns.published, self.nodes) > 0
        place = np.argsort(np.argsort(standing[self.node_document], kind="stable"), kind="stable")
        weight = np.bincount(self.node_of, minlength=self.nodes)
        characters = columns.characters[self.node_document].astype(np.int64)
        self.node_values = Nodes(place, weight, characters, is_preferred, was_published)
        np.save(folder / "node_document.npy", self.node_document)
        np.save(folder / "node_order.npy", np.lexsort((place, ~was_published, ~is_preferred)).argsort())
        words = np.concatenate([np.zeros(0, np.int32), *(load(path, "words") for path in read)])
        self.words = words[self.node_document]
        origin = np.concatenate([np.zeros(0, np.uint64), *(load(path, "origin") for path in read)])
        owner = np.concatenate([np.zeros(0, np.int64), *(load(path, "owner") for path in read)])
        self.origin_pairs = self._same_origin(origin, self.node_of[owner])
        self.text_hash = text[self.node_document, 0]
        self.counts["documents"], self.counts["texts"] = layout.count, self.nodes

    def _apart(self, same: Positions) -> Positions:
        """Equal texts share a key, but for those that a person said are not duplicates of each other.

        Of two equal texts that are not duplicates, the later in source order gets a key of its own, and is then
        no duplicate of any copy of that text (see `_without_never`).
        """
        of_rank = self.text_of_rank
        single = {max(pair) for pair in self.never if of_rank[pair[0]] == of_rank[pair[1]]}
        key = same.copy()
        for i, rank in enumerate(sorted(single)):
            key[self.document_of[rank]] = same.size + i
        return np.unique(key, return_inverse=True)[1].astype(np.int64)

    def _standing(self, characters: Any, date: Any, rank: Any) -> Positions:
        """Each document's place in the order of `--keep`, then length, then source."""
        age = date.astype("datetime64[s]").astype(np.int64)
        known = ~np.isnat(date)
        if self.config.keep == "newest":
            first = np.where(known, -age, np.iinfo(np.int64).max)
        elif self.config.keep == "oldest":
            first = np.where(known, age, np.iinfo(np.int64).max)
        elif self.config.keep == "first":
            first = rank
        else:
            first = np.zeros(rank.size, np.int64)
        place = np.empty(rank.size, np.int64)
        place[np.lexsort((rank, -characters.astype(np.int64), first))] = np.arange(rank.size)
        return place

    def _same_origin(self, origin: NDArray[np.uint64], node: Positions) -> NDArray[np.uint64]:
        """The pairs of nodes that declare one origin."""
        order = np.lexsort((node, origin))
        origin, node = origin[order], node[order]
        fresh = np.ones(origin.size, bool)
        fresh[1:] = (origin[1:] != origin[:-1]) | (node[1:] != node[:-1])
        origin, node = origin[fresh], node[fresh]
        start = np.flatnonzero(np.concatenate(([True], origin[1:] != origin[:-1]))) if origin.size else node
        length = np.diff(start, append=origin.size)
        some = (length > 1) & (length <= MAX_ORIGIN)
        left, right = near.run_pairs(start[some], length[some])
        return np.unique(pack(node[left], node[right]))

    # -- near duplicates

    def _find_candidates(self) -> None:
        """LSH bands: pairs that agree in one."""
        self.bands = choose_bands(self.config.threshold, self.config.near.recall, self.config.near.permutations)
        over = self._map(near.find_candidates, [(self.folder, b, self.config) for b in range(self.bands.bands)])
        self.counts["unsettled"] = int(max(over, default=0))

    def _verify(self) -> None:
        """Exact Jaccard of the candidate pairs."""
        folder, bands = self.folder, self.bands.bands
        marked = np.zeros(self.nodes, bool)
        for band in range(bands):
            for side in unpack(np.load(folder / f"candidates-{band}.npy")):
                marked[side] = True
        np.save(folder / "near_marks.npy", marked)
        groups = range(len(self.layout.groups))
        self._map(near.gather_shingles, [(folder, g, "near_marks", "shingles") for g in groups])
        blocks = near.cut_blocks(folder, bands, self.nodes) if marked.any() else []
        counts = self._map(near.verify, [(folder, low, high, bands, self.config) for low, high in blocks])
        names = ("a", "b", "shared", "in_a", "in_b")
        found = {
            name: np.concatenate(
                [np.zeros(0, np.int64), *(load(folder / "verified" / str(low), name) for low, _ in blocks)]
            )
            for name in names
        }
        jaccard = found["shared"] / np.maximum(1, found["in_a"] + found["in_b"] - found["shared"])
        is_near = jaccard >= self.config.threshold
        short = ~is_near
        nan = np.full(int(short.sum()), np.nan)
        why = np.full(nan.size, "just below the threshold")
        self.almost = Almost(found["a"][short], found["b"][short], jaccard[short], nan, nan, why)
        a, b = found["a"][is_near], found["b"][is_near]
        a_of_b = found["shared"][is_near] / np.maximum(1, found["in_b"][is_near])
        b_of_a = found["shared"][is_near] / np.maximum(1, found["in_a"][is_near])
        kind = np.full(2 * a.size, NEAR, np.int8)
        self.near_edges = Edges(np.append(a, b), np.append(b, a), np.append(a_of_b, b_of_a), kind)
        self.counts["near"] = {"candidate_pairs": sum(counts), "verified_pairs": int(a.size)}

    # -- overlapping documents

    def _find_overlaps(self) -> None:
        """Coverage of the pairs that share rare word pairs or an origin."""
        folder, config = self.folder, self.config
        groups = range(len(self.layout.groups))
        certain = self._join_edges([self.near_edges, self._decided()])
        self.near_choice = stars.choose(certain, self.node_values, config.keep == "best")
        centre = self.near_choice[0]
        eligible = (centre == np.arange(self.nodes)) & (self.words >= config.overlap.own_words)
        np.save(folder / "eligible.npy", eligible)
        self.sampled = eligible
        scale = overlap.frac_scale(int(eligible.sum()), config)
        pieces = overlap.count_pieces(int(eligible.sum()))
        self._map(overlap.post, [(folder, g, scale, pieces, config) for g in groups])
        self._map(overlap.join, [(folder, p, config) for p in range(pieces)])
        np.save(folder / "telling.npy", overlap.telling_shingles(folder, pieces, self.nodes))
        paths = [folder / "joined" / str(p) for p in range(pieces)]
        np.save(folder / "templates.npy", np.unique(np.concatenate([load(path, "templates") for path in paths])))
        blocks = overlap.cut_blocks(folder, pieces, self.nodes) if self.nodes else []
        pairs = self._map(overlap.add_up, [(folder, pieces, low, high) for low, high in blocks])
        a, b = unpack(self.origin_pairs)
        origins = self.origin_pairs[eligible[a] & eligible[b]]
        found = np.union1d(np.concatenate([np.zeros(0, np.uint64), *pairs]), origins)
        found = self._with_near_duplicates(found, centre)
        np.save(folder / "overlap.npy", found)
        marked = np.zeros(self.nodes, bool)
        for side in unpack(found):
            marked[side] = True
        np.save(folder / "overlap_marks.npy", marked)
        self.scale = scale
        self._weigh_words(bool(found.size) or bool(self.near_edges.keeps.size) or bool(self.always))
        self._map(overlap.gather_units, [(folder, g, "overlap_marks", "units") for g in groups])
        steps = range(0, found.size, overlap.BLOCK)
        measured = self._map(overlap.measure, [(folder, i, min(i + overlap.BLOCK, found.size)) for i in steps])
        self._qualify(found, np.concatenate([np.zeros((0, 8)), *measured]))

    def _with_near_duplicates(self, pairs: NDArray[np.uint64], centre: Positions) -> NDArray[np.uint64]:
        """To candidate pairs of centres add those of each centre with the other's near duplicates.

        Whichever of the two is kept in the end, what lay under the other has then been compared with it.
        """
        a, b = unpack(pairs)
        under = np.flatnonzero(centre != np.arange(self.nodes))
        under = under[np.argsort(centre[under], kind="stable")]
        first = np.searchsorted(centre[under], np.arange(self.nodes + 1))
        more = [pairs]
        for one, other in ((a, b), (b, a)):
            length = first[one + 1] - first[one]
            more.append(pack(under[ranges(first[one], length)], np.repeat(other, length)))
        return np.unique(np.concatenate(more))

    def _weigh_words(self, needed: bool) -> None:
        """How rare words are: counted in a sample of the corpus, or a language's list where the corpus is small."""
        folder = self.folder
        self.rarity_from = "nothing"
        if not needed:
            save(folder / "rarity", stem=np.zeros(0, np.uint64), weight=np.zeros(0, np.int64))
            return
        candidates = np.flatnonzero(self.sampled)
        if candidates.size < CORPUS_DOCUMENTS:
            language = self._language()
            rarity, self.rarity_from = background(language), f"frequency list {language}"
        else:
            order = np.lexsort((self.node_rank[candidates], self.text_hash[candidates]))  # chance, but repeatable
            sample = np.zeros(self.nodes, bool)
            sample[candidates[order[:SAMPLE_DOCUMENTS]]] = True
            np.save(folder / "sample.npy", sample)
            self._map(overlap.count_stems, [(folder, g) for g in range(len(self.layout.groups))])
            paths = [folder / "stems" / str(g) for g in range(len(self.layout.groups))]
            stem, place = np.unique(np.concatenate([load(path, "stem") for path in paths]), return_inverse=True)
            documents = np.bincount(place, np.concatenate([load(path, "documents") for path in paths]), stem.size)
            rarity, self.rarity_from = from_counts(stem, documents.astype(np.int64), int(sample.sum())), "corpus"
        save(folder / "rarity", stem=rarity.stem, weight=rarity.weight)

    def _language(self) -> str:
        """The language that most documents are said to be in; English if none says."""
        said: dict[str, int] = {}
        for part in self.layout.parts:
            if "language" in pq.read_schema(part.documents_path).names:
                column = pq.read_table(part.documents_path, columns=["language"])["language"]
                for row in column.value_counts().to_pylist():
                    if row["values"]:
                        said[row["values"]] = said.get(row["values"], 0) + row["counts"]
        return min(said, key=lambda name: (-said[name], name)) if said else "en"

    def _qualify(self, pairs: NDArray[np.uint64], measured: NDArray[np.float64]) -> None:
        """Which measured pairs are duplicates, and in which direction."""
        config = self.config
        a, b = unpack(pairs)
        a_by_b, b_by_a, a_in_b, b_in_a, own_a, own_b, a_same, b_same = measured.T
        enough = (own_a >= config.overlap.own_words) & (own_b >= config.overlap.own_words)
        versions = np.minimum(a_same, b_same) >= overlap.VERSION_SHARE
        retold = enough & ~versions & (np.minimum(a_by_b, b_by_a) >= config.coverage)
        whole = config.overlap.contained
        b_keeps = enough & ((a_in_b >= whole) & (self.words[a] <= self.words[b]) | retold)
        a_keeps = enough & ((b_in_a >= whole) & (self.words[b] <= self.words[a]) | retold)
        self.overlap_edges = Edges(
            np.concatenate((b[b_keeps], a[a_keeps])),
            np.concatenate((a[b_keeps], b[a_keeps])),
            np.concatenate((a_by_b[b_keeps], b_by_a[a_keeps])),
            np.full(int(b_keeps.sum() + a_keeps.sum()), OVERLAP, np.int8),
        )
        close = (np.minimum(a_by_b, b_by_a) >= overlap.RELATED_COVERAGE) | (
            np.maximum(a_by_b, b_by_a) >= config.coverage
        )
        told = ~(a_keeps | b_keeps) & close
        why = np.where(
            ~enough[told],
            "too few words of their own to judge",
            "covered one way only, or not enough both ways",
        )
        nan = np.full(why.size, np.nan)
        self.almost_covered = Almost(a[told], b[told], nan, a_by_b[told], b_by_a[told], why)
        self.retold = set(pairs[retold].tolist())
        self.counts["overlap"] = {
            "candidate_pairs": int(pairs.size),
            "verified_pairs": int((a_keeps | b_keeps).sum()),
            "scale": self.scale,
            "word_rarity": self.rarity_from,
        }

    # -- who is kept

    def _choose(self) -> None:
        """Stars over everything that was proved and everything that a person decided."""
        self.edges = self._join_edges([self.near_edges, self.overlap_edges, self._decided()])
        near_edges = self._join_edges([self.near_edges, self._decided()])
        centre, reason = self.near_choice
        dropped = np.flatnonzero(reason >= 0)
        edge = reason[dropped]
        known = self.edges.keeps * np.int64(self.nodes) + self.edges.drops
        place = near_edges.keeps[edge] * np.int64(self.nodes) + near_edges.drops[edge]
        reason = reason.copy()
        reason[dropped] = np.searchsorted(known, place)  # the same edges among all
        best = self.config.keep == "best"
        self.centre, self.reason = stars.merge(self.edges, self.node_values, centre, reason, best)

    def _join_edges(self, every: Sequence[Edges]) -> Edges:
        """Edges of several kinds as one, without what a person forbade."""
        edges = Edges(
            np.concatenate([e.keeps for e in every]),
            np.concatenate([e.drops for e in every]),
            np.concatenate([e.cover for e in every]),
            np.concatenate([e.relation for e in every]),
        )
        return stars.strongest(self._without_never(edges))

    def _decided(self) -> Edges:
        """What a person said are duplicates: each may stand for the other."""
        nodes = self.node_of[self.document_of]
        pairs = sorted({(int(nodes[a]), int(nodes[b])) for a, b in self.always} if self.always else set())
        pairs = [(a, b) for a, b in pairs if a != b]
        a, b = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)
        size = 2 * a.size
        return Edges(np.append(a, b), np.append(b, a), np.ones(size), np.full(size, DECIDED, np.int8))

    def _without_never(self, edges: Edges) -> Edges:
        """Without the pairs that a person said are not duplicates, nor pairs of other copies of those texts."""
        if not self.never:
            return edges
        of_rank, text = self.text_of_rank, self.node_text
        pairs = {(int(of_rank[a]), int(of_rank[b])) for a, b in self.never}
        forbidden = np.array(sorted(a * self.nodes * 2 + b for p in pairs for a, b in (p, p[::-1])), np.int64)
        one, other = text[edges.keeps], text[edges.drops]  # numbers below that of nodes, so that the pairs are unique
        keep = (one != other) & ~np.isin(one * self.nodes * 2 + other, forbidden)
        return Edges(edges.keeps[keep], edges.drops[keep], edges.cover[keep], edges.relation[keep])

    # -- evidence

    def _prove(self) -> None:
        """The exact figures of each dropped node against its centre, and what is lost."""
        folder = self.folder
        dropped = np.flatnonzero(self.centre != np.arange(self.nodes))
        centre = self.centre[dropped]
        np.save(folder / "dropped.npy", np.stack((dropped, centre)))
        marked = np.zeros(self.nodes, bool)
        marked[dropped] = marked[centre] = True
        np.save(folder / "evidence_marks.npy", marked)
        groups = range(len(self.layout.groups))
        if not dropped.size:
            self.losses = None
            return
        self._map(overlap.gather_units, [(folder, g, "evidence_marks", "evidence_units") for g in groups])
        self._map(near.gather_shingles, [(folder, g, "evidence_marks", "evidence_shingles") for g in groups])
        tables = self._map(evidence.find_losses, [(folder, g) for g in groups])
        self.losses = pa.concat_tables(tables).sort_by("node")

    # -- the result

    def _report(self) -> Matching:
        """Everything by rank."""
        choice = Choice(self.edges, self.node_values, self.centre, self.reason)
        node_of_rank = self.node_of[self.document_of]
        canonical, relation = result.place(choice, self.node_rank, node_of_rank)
        why = result.explain_dropped(choice, self.losses, self.retold, set(self.origin_pairs.tolist()))
        table = result.tell_evidence(canonical, relation, self.losses, node_of_rank, why)
        figures = np.full((3, canonical.size), np.nan)
        rows = table["document"].to_numpy()
        for i, name in enumerate(("jaccard", "coverage", "coverage_back")):
            figures[i, rows] = table[name].to_numpy()
        size = np.bincount(canonical, minlength=canonical.size)
        alone = np.ones(self.nodes, bool)
        alone[node_of_rank] = size[canonical] == 1
        self.counts["duplicates"] = {
            name: int((relation == kind).sum()) for kind, name in enumerate(result.RELATIONS) if kind
        }
        return Matching(
            canonical,
            relation,
            figures[0],
            figures[1],
            figures[2],
            np.where(size[canonical] > 1, canonical, -1),
            result.explain_kept(choice, canonical, node_of_rank, self.config),
            table,
            result.tell_related([self.almost, self.almost_covered], choice, self.node_rank, alone),
            result.state_recall(self.bands, self.config.threshold),
            self.counts,
        )
