"""The corpus-level step in the middle: which documents are duplicates, and what that makes of each document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.corpus.parts import part_file
from pipeline.decisions import Decisions
from pipeline.dedup import DocumentColumns, Matching, SketchPart, match
from pipeline.dedup.result import RELATED_SCHEMA
from pipeline.dedup.stored import StoredTable
from pipeline.executors import Executor
from pipeline.run.rows import Rows

KEPT, DUPLICATE, REJECTED, FAILED = range(4)
STATUSES = ("kept", "duplicate", "rejected", "failed")
RELATIONS = (None, "exact", "near", "overlap", "decided")


@dataclass(frozen=True)
class Evidence:
    """The proof for every duplicate: rows of `dedup.evidence.SCHEMA` by document, read from a file piece by piece."""

    by_rank: StoredTable
    clean: np.ndarray  # the index of each rank, ascending

    def tables(self) -> Iterator[pa.Table]:
        """All rows, some at a time, with indices in `document`, `canonical` and `cluster`."""
        for table in self.by_rank.batches():
            yield in_source_order(table, ("document", "canonical", "cluster"), self.clean)


def in_source_order(table: pa.Table, names: Iterable[str], clean: np.ndarray) -> pa.Table:
    """A table with the ranks in some of its columns turned into indices."""
    for name in names:
        indices = pa.array(clean[table.column(name).to_numpy()], pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, indices)
    return table


@dataclass(frozen=True)
class Fates:
    """What becomes of each document, by index in source order; n documents.

    `status` int8 (`STATUSES`), `canonical` int64 (index of the kept document; -1 unless a duplicate), `relation` int8
    (`RELATIONS`), `jaccard` and `coverage` float64 (nan unless a duplicate), `cluster` int64 (index of the canonical
    document of a cluster of two or more, else -1), `why` a string or null: why a kept document was kept, a rejected
    rejected. `evidence` (None: nothing was matched) and `related` name documents by index.
    """

    sources: pa.ChunkedArray
    status: np.ndarray
    canonical: np.ndarray
    relation: np.ndarray
    jaccard: np.ndarray
    coverage: np.ndarray
    cluster: np.ndarray
    why: pa.Array
    evidence: Evidence | None
    related: pa.Table
    recall: Mapping[str, object]
    counts: Mapping[str, object]


def fates(
    rows: Rows, config: Config, executor: Executor, scratch: Path, decisions: Decisions, published: Path | None
) -> Fates:
    """Matches every clean document against every other, under the decisions of a person."""
    total = len(rows)
    sources = rows.column("source")
    came = rows.column("status").combine_chunks()
    status = np.full(total, KEPT, np.int8)
    status[pc.equal(came, "rejected").to_numpy(zero_copy_only=False)] = REJECTED
    status[pc.equal(came, "failed").to_numpy(zero_copy_only=False)] = FAILED
    why: dict[int, str] = {}
    for index, reason in decided_against(sources, decisions).items():
        if status[index] == KEPT:
            status[index], why[index] = REJECTED, reason
    alone = restored(sources, decisions, status)
    why.update(dict.fromkeys(alone.tolist(), "kept: restored by a person's decision"))
    clean = np.setdiff1d(np.flatnonzero(status == KEPT), alone)
    matching = None
    if config.dedup and len(clean):
        matching = match_documents(rows, clean, sources, config, executor, scratch, decisions, published)
    before = Fates(
        sources,
        status,
        np.full(total, -1, np.int64),
        np.zeros(total, np.int8),
        np.full(total, np.nan),
        np.full(total, np.nan),
        np.full(total, -1, np.int64),
        pa.array([why.get(index) for index in range(total)], pa.string()),
        None,
        RELATED_SCHEMA.empty_table(),
        {},
        {},
    )
    return before if matching is None else with_matching(before, clean, matching)


def decided_against(sources: pa.ChunkedArray, decisions: Decisions) -> dict[int, str]:
    """The documents that a person rejected, by index, with the reason."""
    rejected = decisions.rejected()
    return {index: f"rejected by a person's decision ({source})" for source, index in places(sources, rejected).items()}


def restored(sources: pa.ChunkedArray, decisions: Decisions, status: np.ndarray) -> np.ndarray:
    """Indices of the documents that a person restored: kept, and matched against nothing."""
    found = sorted(places(sources, decisions.restored()).values())
    return np.array([index for index in found if status[index] == KEPT], np.int64)


def places(sources: pa.ChunkedArray, wanted: object) -> dict[str, int]:
    """Where the named sources stand; those that did not come in are left out."""
    names = sorted(set(wanted))  # type: ignore[call-overload]
    if not names:
        return {}
    found = pc.index_in(pa.array(names, pa.string()), value_set=sources.combine_chunks())
    return {name: index for name, index in zip(names, found.to_pylist(), strict=True) if index is not None}


def match_documents(
    rows: Rows,
    clean: np.ndarray,
    sources: pa.ChunkedArray,
    config: Config,
    executor: Executor,
    scratch: Path,
    decisions: Decisions,
    published: Path | None,
) -> Matching:
    """`dedup.match` over the clean documents; its ranks count clean documents in source order."""
    parts, order = [], []
    for part, run in rows.by_part(clean):
        parts.append(
            SketchPart(
                str(part_file(rows.folder, part, "sketch.arrow")),
                str(part_file(rows.folder, part, "documents.parquet")),
                rows.row[run],
            )
        )
        order.append(np.searchsorted(clean, run))

    def pairs(named: object) -> set[tuple[int, int]]:
        listed = [tuple(pair) for pair in named]  # type: ignore[attr-defined]
        at = places(sources, [name for pair in listed for name in pair])
        rank = ranks(at, clean)
        both = [(rank[a], rank[b]) for a, b in listed if a in rank and b in rank]
        return {(min(pair), max(pair)) for pair in both}

    never, always = pairs(decisions.never_pairs()), pairs(decisions.always_pairs())
    preferred = set(ranks(places(sources, decisions.preferred()), clean).values())
    own = scratch / "matching"
    own.mkdir(exist_ok=True)
    return match(
        parts, document_columns(rows, clean, order, sources, published), config, executor, own, never, always, preferred
    )


def ranks(at: Mapping[str, int], clean: np.ndarray) -> dict[str, int]:
    """The place among the `clean` documents (their indices, ascending) of those that stand at some indices."""
    found = {name: int(np.searchsorted(clean, index)) for name, index in at.items()}
    return {name: rank for name, rank in found.items() if rank < len(clean) and clean[rank] == at[name]}


def document_columns(
    rows: Rows, clean: np.ndarray, order: list[np.ndarray], sources: pa.ChunkedArray, published: Path | None
) -> DocumentColumns:
    """What matching needs of the clean documents, in the order of their parts; `order`: the ranks part by part."""
    rank = np.concatenate(order)
    order.clear()  # what is not needed while documents are matched is not held for each of them
    return DocumentColumns(
        rank=rank,
        characters=rows.column("characters_out", clean).to_numpy().astype(np.int32)[rank],
        date=dates(rows.column("date", clean))[rank],
        published=was_published(sources, clean, published)[rank],
    )


def dates(column: pa.ChunkedArray) -> np.ndarray:
    """ISO dates as datetime64[s]; NaT where there is none or it is no date."""
    out = np.full(len(column), np.datetime64("NaT"), "datetime64[s]")
    for index, value in enumerate(column.to_pylist()):
        if value:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            out[index] = np.datetime64(moment.replace(tzinfo=None), "s")
    return out


def was_published(sources: pa.ChunkedArray, clean: np.ndarray, published: Path | None) -> np.ndarray:
    """bool, one a clean document: whether the last published corpus kept it."""
    if published is None or not (published / "manifest.parquet").is_file():
        return np.zeros(len(clean), bool)
    kept = pq.read_table(published / "manifest.parquet", columns=["source", "status"])
    kept = kept.filter(pc.equal(kept.column("status"), "kept")).column("source").combine_chunks()
    return np.asarray(pc.is_in(sources.take(pa.array(clean)), value_set=kept).to_numpy(zero_copy_only=False), bool)


def with_matching(before: Fates, clean: np.ndarray, matching: Matching) -> Fates:
    """The fates after matching, its ranks among clean documents turned into indices among all; fills those given."""
    own = np.arange(len(clean))
    dropped = matching.canonical != own
    lost = clean[dropped]
    before.status[lost] = DUPLICATE
    before.canonical[lost] = clean[matching.canonical[dropped]]
    before.relation[lost] = matching.relation[dropped]
    before.jaccard[lost], before.coverage[lost] = matching.jaccard[dropped], matching.coverage[dropped]
    inside = matching.cluster >= 0
    before.cluster[clean[inside]] = clean[matching.cluster[inside]]
    rank_of = np.full(len(before.status), -1, np.int64)
    rank_of[clean] = own
    why = pc.coalesce(before.why, matching.kept_why.take(pa.array(rank_of, mask=rank_of < 0)))

    return replace(
        before,
        why=why,
        evidence=Evidence(matching.evidence, clean),
        related=in_source_order(matching.related, ("document_a", "document_b"), clean),
        recall=matching.recall,
        counts=matching.counts,
    )
