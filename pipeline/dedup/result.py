"""What matching gives, by the documents' place in source order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup import evidence, stars
from pipeline.dedup.lookup import is_in
from pipeline.dedup.minhash import Bands
from pipeline.dedup.near import Pairs, pack
from pipeline.dedup.parts import column, spread_strings, string_lists, strings
from pipeline.dedup.stars import EXACT, OVERLAP, Edges, Nodes
from pipeline.dedup.stored import BATCH_ROWS, StoredTable
from pipeline.dedup.words import Positions

RELATIONS = ("kept", "exact", "near", "overlap", "decided")  # what the numbers in `Matching.relation` mean

RELATED_SCHEMA = pa.schema(
    [
        ("document_a", pa.int64()),
        ("document_b", pa.int64()),
        ("jaccard", pa.float64()),
        ("coverage_a", pa.float64()),
        ("coverage_b", pa.float64()),
        ("why", pa.string()),
    ]
)


@dataclass(frozen=True)
class DocumentColumns:
    """What matching needs beyond the sketches; one entry a document, in the order of the parts' rows.

    `rank` int64: its place in source order, a permutation of 0 to n - 1: the tie-breaker, and the number by which
    everything in `Matching` is indexed; `characters` int32 of clean text; `date` datetime64[s] or NaT; `published`:
    was kept in the last published corpus.
    """

    rank: NDArray[np.int64]
    characters: NDArray[np.int32]
    date: NDArray[np.datetime64]
    published: NDArray[np.bool_]


@dataclass(frozen=True)
class Matching:
    """What was found. Arrays are indexed by rank.

    `canonical` int64: the document kept in its place (its own rank if kept); `relation` int8, see `RELATIONS`;
    `jaccard`, `coverage`, `coverage_back` float64, NaN if kept: exact, against the canonical document; `cluster`
    int64: the canonical document of a cluster of two or more, else -1; `kept_why`: why each canonical document of a
    cluster was kept, else null. `evidence` (a file in the folder of the matching) has the columns of
    `evidence.SCHEMA`, `related` of `RELATED_SCHEMA`; `recall`: bands, rows and what they are expected to find;
    `counts`: pairs, and seconds of each phase.
    """

    canonical: NDArray[np.int64]
    relation: NDArray[np.int8]
    jaccard: NDArray[np.float64]
    coverage: NDArray[np.float64]
    coverage_back: NDArray[np.float64]
    cluster: NDArray[np.int64]
    kept_why: pa.StringArray
    evidence: StoredTable
    related: pa.Table
    recall: dict[str, Any]
    counts: dict[str, Any]


JUST_BELOW, TOO_SHORT, VERSIONS, NOT_ENOUGH, STANDS_ELSEWHERE = range(5)
WHY_ALMOST = (
    "just below the threshold",
    "too few words of their own to judge",
    "versions of one text",
    "covered one way only, or not enough",
    "near duplicate of a document that stands under one it is not near to itself",
)


@dataclass(frozen=True)
class Almost:
    """Pairs of nodes that nearly qualify: figures (NaN where not measured) and one of `WHY_ALMOST` (int8) each."""

    a: Positions
    b: Positions
    jaccard: NDArray[np.float64]
    coverage_a: NDArray[np.float64]
    coverage_b: NDArray[np.float64]
    why: NDArray[np.int8]


@dataclass(frozen=True)
class Choice:
    """Who stands for whom: each node's `centre`, the edge that says why (-1 if kept); what there was to choose from."""

    edges: Edges
    nodes: Nodes
    centre: Positions
    reason: Positions


def state_recall(bands: Bands, threshold: float) -> dict[str, Any]:
    """The bands and how likely they find a pair of a given Jaccard."""
    expected = {f"{jaccard:.1f}": round(bands.recall(jaccard), 6) for jaccard in (0.7, 0.8, 0.9)}
    expected["threshold"] = round(bands.recall(threshold), 6)
    return {"bands": bands.bands, "rows": bands.rows, "threshold": threshold, "expected": expected}


def place(choice: Choice, node_rank: Positions, node_of_rank: Positions) -> tuple[Positions, NDArray[np.int8]]:
    """For each rank the rank of its canonical document and the relation to it."""
    canonical = node_rank[choice.centre[node_of_rank]]
    by_node = np.full(choice.centre.size, EXACT, np.int8)
    dropped = choice.reason >= 0
    by_node[dropped] = choice.edges.relation[choice.reason[dropped]]
    relation = by_node[node_of_rank]
    relation[canonical == np.arange(canonical.size)] = 0
    return canonical, relation


def explain_kept(choice: Choice, canonical: Positions, node_of_rank: Positions, config: Config) -> pa.StringArray:
    """Why each canonical document of a cluster was kept, by rank; null for all others.

    "of 3 others" counts all documents that are connected with it by evidence, also those that stand elsewhere.
    """
    size = np.bincount(canonical, minlength=canonical.size)
    labels = stars.components(choice.centre.size, choice.edges)
    reach = np.bincount(labels, choice.nodes.weight)[labels].astype(np.int64)
    policy = {"newest": ", the newest", "oldest": ", the oldest", "first": ", the first"}.get(config.keep, "")
    reasons, chosen = [], size > 1
    for rank in np.flatnonzero(chosen).tolist():
        node = int(node_of_rank[rank])
        said = f"kept: covers {size[rank] - 1:,} of {reach[node] - 1:,} others"
        said += f", {choice.nodes.characters[node]:,} characters{policy}"
        if choice.nodes.preferred[node]:
            said += "; a person preferred it"
        reasons.append(said)
    return spread_strings(reasons, chosen)


def tell_evidence(
    path: Path,
    canonical: Positions,
    relation: NDArray[np.int8],
    losses: evidence.Losses | None,
    node_of_rank: Positions,
    explain: Callable[[Positions], list[str]],
) -> StoredTable:
    """One row for every duplicate, by rank; copies of a dropped text share its figures.

    `explain`: why some dropped nodes stand under their centres.
    """
    dropped = np.flatnonzero(relation > 0)

    def tables() -> Iterator[pa.Table]:
        for low in range(0, dropped.size, BATCH_ROWS):
            ranks = dropped[low : low + BATCH_ROWS]
            equal = relation[ranks] == EXACT
            others = node_of_rank[ranks[~equal]]
            said = np.full(ranks.size, "equal text", object)
            table = _equal_texts(int(equal.sum()))
            if losses is not None and others.size:
                table = pa.concat_tables([table, losses.take(others)])
                said[~equal] = explain(others)
            place = np.empty(ranks.size, np.int64)  # equal texts stand first in `table`
            place[np.argsort(~equal, kind="stable")] = np.arange(ranks.size)
            table = table.take(column(place))
            own = {"document": ranks, "canonical": canonical[ranks], "cluster": canonical[ranks]}
            for name, values in own.items():
                table = table.append_column(name, column(values))
            kinds = [RELATIONS[kind] for kind in relation[ranks].tolist()]
            table = table.append_column("relation", strings(kinds)).append_column("why", strings(said.tolist()))
            yield table.select(evidence.SCHEMA.names)

    return StoredTable.write(path, evidence.SCHEMA, tables())


def _equal_texts(count: int) -> pa.Table:
    """What `Losses.take` gives, for documents that lose nothing."""
    one, nothing = column(np.ones(count)), string_lists([[]] * count)
    filled = {
        "shared_shingles": pa.nulls(count, pa.int64()),
        "lost_sentence_count": column(np.zeros(count, np.int32)),
        **dict.fromkeys(("lost_sentences", "lost_numbers", "lost_names"), nothing),
    }
    return pa.table([filled.get(name, one) for name in evidence.LOSSES.names], schema=evidence.LOSSES)


def explain_dropped(
    choice: Choice, losses: evidence.Losses, nodes: Positions, retold: Pairs, origins: Pairs
) -> list[str]:
    """In words why dropped nodes stand under their centres; which pairs of nodes are retold, declare one origin."""
    at, pairs = losses.places(nodes), pack(nodes, choice.centre[nodes])
    reasons = []
    columns = (
        choice.edges.relation[choice.reason[nodes]],
        is_in(pairs, retold),
        is_in(pairs, origins),
        *(losses.figures[name][at] for name in evidence.FIGURES),
    )
    for relation, told, origin, jaccard, coverage, back in zip(*(each.tolist() for each in columns), strict=True):
        if relation == OVERLAP:
            how = "retold" if told else "contained"
            said = f"{how}: {coverage:.2f} of it is covered by the kept one, {back:.2f} the other way"
        elif relation == stars.NEAR:
            said = f"{jaccard:.3f} of the shingles of both are shared"
        else:
            said = "a person said that they are duplicates" if relation == stars.DECIDED else "equal text"
        reasons.append(said + ("; same declared origin" if origin else ""))
    return reasons


def tell_related(almost: list[Almost], choice: Choice, node_rank: Positions, alone: NDArray[np.bool_]) -> pa.Table:
    """Pairs of kept documents that nearly qualify, and documents kept although a near duplicate was dropped.

    The latter happens where the near duplicate stands under a document that this one is not near to.
    """
    kept = choice.reason < 0
    edges = choice.edges
    missed = alone[edges.keeps] & ~kept[edges.drops] & (edges.relation == stars.NEAR)
    a, b = edges.keeps[missed], edges.drops[missed]
    nan = np.full(a.size, np.nan)
    why = np.full(a.size, STANDS_ELSEWHERE, np.int8)
    every = [*almost, Almost(a, b, nan, nan, nan, why)]
    tables = []
    for i, some in enumerate(every):
        use = np.ones(some.a.size, bool) if i == len(every) - 1 else kept[some.a] & kept[some.b]
        first, second = node_rank[some.a[use]], node_rank[some.b[use]]
        turned = first > second
        forth, back = some.coverage_a[use], some.coverage_b[use]
        tables.append(
            pa.table(
                {
                    "document_a": column(np.minimum(first, second)),
                    "document_b": column(np.maximum(first, second)),
                    "jaccard": column(some.jaccard[use]),
                    "coverage_a": column(np.where(turned, back, forth)),
                    "coverage_b": column(np.where(turned, forth, back)),
                    "why": strings(WHY_ALMOST).take(column(some.why[use])),
                }
            ).cast(RELATED_SCHEMA)
        )
    keys = [("document_a", "ascending"), ("document_b", "ascending"), ("why", "ascending")]
    return pa.concat_tables(tables).sort_by(keys)
