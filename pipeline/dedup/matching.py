"""Sketches in, clusters out: exact, near and overlapping documents, each dropped one proved against the kept one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.allocator import give_back
from pipeline.config import Config
from pipeline.dedup import evidence, near, overlap, result, stars
from pipeline.dedup.lookup import distinct, places
from pipeline.dedup.minhash import choose_bands
from pipeline.dedup.near import pack, unpack
from pipeline.dedup.parts import (
    Executor,
    Layout,
    SketchPart,
    even_cuts,
    load,
    load_all,
    make_layout,
    ranges,
    save,
)
from pipeline.dedup.rarity import background, from_counts, spread
from pipeline.dedup.result import JUST_BELOW, Almost, Choice, DocumentColumns, Matching
from pipeline.dedup.stars import DECIDED, EXACT, NEAR, Edges
from pipeline.dedup.texts import find_texts
from pipeline.dedup.words import Positions
from pipeline.workers import rest_shared_pools

CORPUS_DOCUMENTS = 2_000  # from so many on, the corpus itself says which words are rare
SMALL_CHARACTERS = 15_000_000  # up to here matching takes a second or two: less than two workers take to start


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
    job = _Job(make_layout(parts, folder, columns.characters), columns, config, executor, folder, never, always, prefer)
    del columns  # the job lets go of them, too, when it has found the texts
    return job.run()


@dataclass
class _Job:
    """One matching: the arrays that its phases share."""

    layout: Layout
    columns: DocumentColumns | None
    config: Config
    executor: Executor
    folder: Path
    never: set[tuple[int, int]]
    always: set[tuple[int, int]]
    prefer: set[int]
    counts: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Matching:
        """All phases, in order."""
        give_back()
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
        give_back()  # a phase takes several times the memory that it leaves something in
        self.counts.setdefault("seconds", {})[name] = round(time.perf_counter() - start, 3)

    def _map(self, step: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run one step for each of its arguments: here, if starting workers would cost more than the work."""
        if self.small:
            return [step(*some) for some in arguments]
        return list(self.executor.map(step, arguments))

    def _find_nodes(self) -> None:
        """Equal texts become one node."""
        assert self.columns is not None
        self.small = self.columns.characters.sum(dtype=np.int64) <= SMALL_CHARACTERS
        groups = range(len(self.layout.groups))
        self._map(near.read_hashes, [(self.folder, g) for g in groups])
        self.texts = find_texts(self.layout, self.columns, self.config.keep, self.never, self.prefer)
        self.columns = None
        self.nodes = self.texts.count
        self.words = self.texts.words
        self.counts["documents"], self.counts["texts"] = self.layout.count, self.nodes

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
            for side in unpack(load(folder / f"candidates-{band}", "all")):
                marked[side] = True
        save(folder / "near_marks", all=marked)
        groups = range(len(self.layout.groups))
        if marked.any():
            self._map(near.gather_shingles, [(folder, g, "near_marks", "near_shingles") for g in groups])
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
        why = np.full(nan.size, JUST_BELOW, np.int8)
        self.almost = Almost(found["a"][short], found["b"][short], jaccard[short], nan, nan, why)
        a, b = found["a"][is_near], found["b"][is_near]
        a_of_b = found["shared"][is_near] / np.maximum(1, found["in_b"][is_near])
        b_of_a = found["shared"][is_near] / np.maximum(1, found["in_a"][is_near])
        near_edges = stars.both_ways(a, b, a_of_b, b_of_a, NEAR, jaccard[is_near])
        self.certain_edges = self._join_edges([near_edges, self._decided()])
        self.near_pairs = pack(a, b)  # ascending
        self.near_shingles = np.stack([found[name][is_near] for name in ("shared", "in_a", "in_b")])
        self.counts["near"] = {"candidate_pairs": sum(counts), "verified_pairs": int(a.size)}

    # -- overlapping documents

    def _find_overlaps(self) -> None:
        """Coverage of the pairs that share rare word pairs or an origin."""
        config = self.config
        certain = self.certain_edges
        self.near_choice = stars.choose(certain, self.texts.values, config.keep == "best")
        centre = self.near_choice[0]
        eligible = (centre == np.arange(self.nodes)) & (self.words >= config.overlap.own_words)
        pairs = self._share_rare_words(eligible & config.overlap.find)
        marked = self._mark(centre, *unpack(pairs), certain.keeps, certain.drops)
        self._weigh_words(eligible, bool(marked.any()))
        if marked.any():
            groups = range(len(self.layout.groups))
            save(self.folder / "marks", all=marked)
            self._map(overlap.gather_units, [(self.folder, g, "marks", "units") for g in groups])
            unknown = certain.at(certain.relation != NEAR)  # what near pairs share is known
            save(self.folder / "marks", all=self._mark(centre, *unpack(pairs), unknown.keeps, unknown.drops))
            self._map(near.gather_shingles, [(self.folder, g, "marks", "shingles") for g in groups])
        first = self._measure("overlap", pairs)
        more = np.setdiff1d(self._with_near_duplicates(*first.partners(), centre), pairs)
        second = self._measure("overlap_near", more)
        self.overlap_edges = stars.join([first.edges(), second.edges()])
        self.almost_covered = [first.almost(), second.almost()]
        self.retold = np.union1d(first.retold(), second.retold())
        self.counts["overlap"] = {
            "candidate_pairs": int(pairs.size + more.size),
            "verified_pairs": int(self.overlap_edges.keeps.size),
            "scale": self.scale,
            "word_rarity": self.rarity_from,
        }

    def _mark(self, centre: Positions, *nodes: Positions) -> NDArray[np.bool_]:
        """bool, one a node: whether it is among `nodes`, or its centre is."""
        marked = np.zeros(self.nodes, bool)
        for some in nodes:
            marked[some] = True
        return marked | marked[centre]

    def _share_rare_words(self, eligible: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """The candidate pairs: documents that share enough rare 2-word shingles, or declare one origin."""
        folder, config, count = self.folder, self.config, int(eligible.sum())
        groups = range(len(self.layout.groups))
        self.scale = overlap.frac_scale(count, config)
        pieces = overlap.count_pieces(count)
        save(folder / "eligible", all=eligible)
        if count < 2:
            save(folder / "templates", all=np.zeros(0, np.uint64))
            return np.zeros(0, np.uint64)
        self._map(overlap.post, [(folder, g, self.scale, pieces, config) for g in groups])
        self._map(overlap.join, [(folder, p, config) for p in range(pieces)])
        save(folder / "telling", all=overlap.telling_shingles(folder, pieces, self.nodes))
        paths = [folder / "joined" / str(p) for p in range(pieces)]
        save(folder / "templates", all=distinct(np.concatenate([load(path, "templates") for path in paths])))
        blocks = overlap.cut_blocks(folder, pieces, self.nodes)
        pairs = self._map(overlap.add_up, [(folder, pieces, low, high) for low, high in blocks])
        a, b = unpack(self.texts.origin_pairs)
        origins = self.texts.origin_pairs[eligible[a] & eligible[b]]
        return np.union1d(np.concatenate([np.zeros(0, np.uint64), *pairs]), origins)

    def _measure(self, name: str, pairs: NDArray[np.uint64]) -> overlap.Measured:
        """The coverage of some pairs and what follows from it."""
        a, b = unpack(pairs)
        size = (self.words[a] + self.words[b]).astype(np.int64)
        save(self.folder / name, a=a, b=b, words=size)
        cuts = even_cuts(size, overlap.BLOCK)
        found = self._map(overlap.measure, [(self.folder, name, low, high, self.config) for low, high in cuts])
        return overlap.Measured.of(a, b, np.concatenate([np.zeros((0, 10)), *found]), self.words, self.config)

    def _with_near_duplicates(self, a: Positions, b: Positions, centre: Positions) -> NDArray[np.uint64]:
        """Of pairs of centres that overlap, the pairs of each with the other's near duplicates.

        Whichever of the two is kept in the end, what lay under the other has then been compared with it.
        """
        under = np.flatnonzero(centre != np.arange(self.nodes))
        under = under[np.argsort(centre[under], kind="stable")]
        first = np.searchsorted(centre[under], np.arange(self.nodes + 1))
        more = [np.zeros(0, np.uint64)]
        for one, other in ((a, b), (b, a)):
            length = first[one + 1] - first[one]
            more.append(pack(under[ranges(first[one], length)], np.repeat(other, length)))
        return distinct(np.concatenate(more))

    def _weigh_words(self, eligible: NDArray[np.bool_], needed: bool) -> None:
        """How rare words are: counted in a sample of the corpus, or a language's list where the corpus is small."""
        folder = self.folder
        self.rarity_from = "nothing"
        if not needed:
            save(folder / "rarity", stem=np.zeros(0, np.uint64), weight=np.zeros(0, np.int64))
            return
        candidates = np.flatnonzero(eligible)
        if candidates.size < CORPUS_DOCUMENTS:
            language = self._language()
            rarity, self.rarity_from = background(language), f"frequency list {language}"
        else:
            sample = np.zeros(self.nodes, bool)
            sample[candidates[spread(candidates.size)]] = True
            save(folder / "sample", all=sample)
            self._map(overlap.count_stems, [(folder, g) for g in range(len(self.layout.groups))])
            counted = [load_all(folder / "stems" / str(g)) for g in range(len(self.layout.groups))]
            stem, place = np.unique(np.concatenate([c["stem"] for c in counted]), return_inverse=True)
            documents = np.bincount(place, np.concatenate([c["documents"] for c in counted]), stem.size)
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

    # -- who is kept

    def _choose(self) -> None:
        """Stars over everything that was proved and everything that a person decided."""
        self.edges = self._join_edges([self.certain_edges, self.overlap_edges])
        centre, reason = self.near_choice
        dropped = np.flatnonzero(reason >= 0)
        edge = self.certain_edges.at(reason[dropped])
        known = self.edges.keeps * np.int64(self.nodes) + self.edges.drops
        reason = reason.copy()
        reason[dropped] = np.searchsorted(known, edge.keeps * np.int64(self.nodes) + edge.drops)  # among all
        values = self.texts.values
        centre, reason = stars.merge(self.edges, values, centre, reason, self.config.keep == "best")
        self.centre, self.reason = stars.move(self.edges, values, centre, reason)
        del self.certain_edges, self.overlap_edges, self.near_choice

    def _join_edges(self, every: Sequence[Edges]) -> Edges:
        """Edges of several kinds as one, without what a person forbade."""
        return stars.strongest(self._without_never(stars.join(every)))

    def _decided(self) -> Edges:
        """What a person said are duplicates: each may stand for the other."""
        nodes = self.texts.node_of_rank
        pairs = sorted({(int(nodes[a]), int(nodes[b])) for a, b in self.always} if self.always else set())
        pairs = [(a, b) for a, b in pairs if a != b]
        a, b = np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64)
        return stars.both_ways(a, b, np.ones(a.size), np.ones(a.size), DECIDED, np.ones(a.size))

    def _without_never(self, edges: Edges) -> Edges:
        """Without the pairs that a person said are not duplicates, nor pairs of other copies of those texts."""
        if not self.never:
            return edges
        of_rank, text = self.texts.text_of_rank, self.texts.text_of_node
        pairs = {(int(of_rank[a]), int(of_rank[b])) for a, b in self.never}
        forbidden = np.array(sorted(a * self.nodes * 2 + b for p in pairs for a, b in (p, p[::-1])), np.int64)
        one, other = text[edges.keeps], text[edges.drops]  # numbers below that of nodes, so that the pairs are unique
        keep = (one != other) & ~np.isin(one * self.nodes * 2 + other, forbidden)
        return edges.at(keep)

    # -- evidence

    def _prove(self) -> None:
        """The exact figures of each dropped node against its centre, and what is lost."""
        folder = self.folder
        dropped = np.flatnonzero(self.centre != np.arange(self.nodes))
        self.losses: evidence.Losses | None = None
        if not dropped.size:
            return
        centre = self.centre[dropped]
        size = (self.words[dropped] + self.words[centre]).astype(np.int64)
        at = places(pack(dropped, centre), self.near_pairs)
        known = np.full((3, dropped.size), -1, np.int64)
        known[:, at >= 0] = self.near_shingles[:, at[at >= 0]]
        turned = dropped > centre
        known[1:, turned] = known[:0:-1, turned]
        shared, in_node, in_centre = known
        save(
            folder / "dropped",
            node=dropped, centre=centre, words=size, shared=shared, in_node=in_node, in_centre=in_centre,
        )  # fmt: skip
        groups = len(self.layout.groups)
        self._map(evidence.find_losses, [(folder, g) for g in range(groups)])
        self.losses = evidence.Losses(folder, groups)

    # -- the result

    def _report(self) -> Matching:
        """Everything by rank. No step follows: the workers of this process, if it has any, need not wait."""
        rest_shared_pools()
        choice = Choice(self.edges, self.texts.values, self.centre, self.reason)
        node_of_rank, node_rank = self.texts.node_of_rank, self.texts.rank
        canonical, relation = result.place(choice, node_rank, node_of_rank)
        losses, origins = self.losses, self.texts.origin_pairs
        table = result.tell_evidence(
            self.folder / "evidence",
            canonical,
            relation,
            losses,
            node_of_rank,
            lambda nodes: result.explain_dropped(choice, losses, nodes, self.retold, origins) if losses else [],
        )
        figures = np.full((3, canonical.size), np.nan)
        figures[:, relation == EXACT] = 1.0
        if losses is not None:
            others = np.flatnonzero(relation > EXACT)
            for i, name in enumerate(evidence.FIGURES):
                figures[i, others] = losses.figures[name][losses.places(node_of_rank[others])]
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
            result.tell_related([self.almost, *self.almost_covered], choice, node_rank, alone),
            result.state_recall(self.bands, self.config.threshold),
            self.counts,
        )
