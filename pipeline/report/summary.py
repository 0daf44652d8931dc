"""The numbers of the report: what came in, what became of it, and what was removed by which rule, site and language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.tables import Rows, Sources, Table, codes

RELATIONS = ("exact", "near", "overlap")
STATUSES = ("kept", "duplicate", "rejected", "failed")
BINS = 50  # of the similarity histograms: 0.02 wide
SIZE_CLASSES = (2, 3, 4, 5, 10, 20, 50, 100)  # least size of each class of clusters
SHOWN_SITES = 30
SHOWN_LANGUAGES = 20
SHOWN_REASONS = 50
SHOWN_DOCUMENTS = 100
EXAMPLE_POOL = 16  # candidates kept for each rule, of which the examples are chosen
LEAST_REMOVED = 40  # characters; below this a large share of a tiny document says nothing

Integers = npt.NDArray[np.int64]


@dataclass
class RuleTotals:
    """One rule of one stage over the whole corpus."""

    stage: str
    rule: str
    edits: Counter[str] = field(default_factory=Counter)  # by action
    documents: int = 0
    removed: int = 0  # characters taken out, less those put in their place
    pool: list[tuple[int, int]] = field(default_factory=list)  # (hash, row of edits.parquet): a sample without bias


@dataclass
class Removed:
    """What all edits did: by rule, and by row of the manifest."""

    rules: dict[tuple[str, str], RuleTotals]
    by_document: Integers
    rows: int


def read_manifest(table: Table) -> pa.Table:
    """The columns of the manifest that summaries need."""
    return table.columns(
        ["source", "status", "relation", "reason", "site", "language", "characters_in", "characters_out"]
    )


def count_documents(manifest: pa.Table) -> dict[str, Any]:
    """Documents by status and relation, and characters before, after cleaning and kept."""
    status = Counter(counts(manifest["status"]))
    relation = Counter(counts(manifest["relation"]))
    kept = pc.equal(manifest["status"], "kept")
    usable = pc.or_(kept, pc.equal(manifest["status"], "duplicate"))
    return {
        "documents": {
            "in": manifest.num_rows,
            **{name: int(status[name]) for name in STATUSES},
            "duplicates": {name: int(relation[name]) for name in RELATIONS},
        },
        "characters": {
            "in": _sum(manifest["characters_in"]),
            "usable_in": _sum(manifest["characters_in"].filter(usable)),
            "cleaned": _sum(manifest["characters_out"].filter(usable)),
            "kept": _sum(manifest["characters_out"].filter(kept)),
        },
    }


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column).as_py() or 0)


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value stands in a column, nulls left out."""
    column = pc.drop_null(column)
    return {pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(column)}


def count_reasons(manifest: pa.Table) -> list[dict[str, Any]]:
    """Why documents were rejected or failed: (status, reason) with counts, the commonest first."""
    gone = manifest.select(["status", "reason"]).filter(pc.is_in(manifest["status"], pa.array(["rejected", "failed"])))
    grouped = gone.group_by(["status", "reason"]).aggregate([([], "count_all")]).to_pylist()
    grouped.sort(key=lambda row: (-row["count_all"], row["status"], row["reason"] or ""))
    return [
        {"status": row["status"], "reason": row["reason"] or "", "documents": row["count_all"]}
        for row in grouped[:SHOWN_REASONS]
    ]


def list_unusable(manifest: pa.Table, limit: int) -> list[dict[str, Any]]:
    """Rejected and failed documents, failed first (they may be worth keeping), then in manifest order."""
    listed: list[dict[str, Any]] = []
    for status in ("failed", "rejected"):
        rows = np.flatnonzero(pc.equal(manifest["status"], status).to_numpy())[: limit - len(listed)]
        columns = ["source", "status", "reason", "site", "characters_in"]
        listed += manifest.select(columns).take(pa.array(rows)).to_pylist()
    return listed


def add_up_edits(edits: Table, sources: Sources) -> Removed:
    """One pass over `edits.parquet`: totals by rule, characters removed by document, a sample of each rule."""
    rules: dict[tuple[str, str], RuleTotals] = {}
    by_document = np.zeros(len(sources) + 1, dtype=np.int64)  # the last one takes sources the manifest lacks
    open_document = -1
    counted: set[tuple[str, str]] = set()  # rules already counted for the document that a batch ended in
    first = 0
    for batch in edits.batches(["source", "stage", "rule", "action", "before", "after"]):
        documents = sources.rows(batch["source"])
        lengths = [
            pc.fill_null(pc.utf8_length(batch[name]), 0).to_numpy().astype(np.int64) for name in ("before", "after")
        ]
        change = np.where(_equals(batch["action"], "flagged"), 0, lengths[0] - lengths[1])
        np.add.at(by_document, documents, change)
        sample = _scatter(np.arange(first, first + batch.num_rows, dtype=np.uint64))
        (stage, stages), (rule, rule_names), (action, actions) = (codes(batch[c]) for c in ("stage", "rule", "action"))
        key = stage.astype(np.int64) * (len(rule_names) + 1) + rule
        seen_here: set[tuple[str, str]] = set()
        for value in np.unique(key):
            at = np.flatnonzero(key == value)
            name = (str(stages[stage[at[0]]]), str(rule_names[rule[at[0]]]))
            totals = rules.setdefault(name, RuleTotals(*name))
            for number, many in zip(*np.unique(action[at], return_counts=True), strict=True):
                totals.edits[str(actions[number])] += int(many)
            totals.removed += int(change[at].sum())
            inside = np.unique(documents[at])
            totals.documents += len(inside) - int(name in counted and open_document in inside)
            if documents[-1] in inside:
                seen_here.add(name)
            best = at[np.argsort(sample[at], kind="stable")[:EXAMPLE_POOL]]
            pool = totals.pool + list(zip(sample[best].tolist(), (best + first).tolist(), strict=True))
            totals.pool = sorted(pool)[:EXAMPLE_POOL]
        counted = seen_here | (counted if open_document == documents[-1] else set())
        open_document = int(documents[-1])
        first += batch.num_rows
    return Removed(rules, by_document[:-1], first)


def _equals(column: pa.Array, value: str) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.equal(column, value), False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _scatter(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Row numbers in an order without pattern, the same on every machine (splitmix64's finalizer, Vigna 2015)."""
    mixed = (numbers + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def removed_by(column: pa.ChunkedArray, by_document: Integers, limit: int) -> list[dict[str, Any]]:
    """Characters removed and documents by value of a manifest column (site, language), the most removed first."""
    code, values = codes(column)
    place = np.where(code < 0, len(values), code)
    removed = np.bincount(place, weights=by_document, minlength=len(values) + 1)
    documents = np.bincount(place, minlength=len(values) + 1)
    named = [*values, None]
    listed = [
        {"name": named[n], "removed": int(removed[n]), "documents": int(documents[n])}
        for n in range(len(named))
        if documents[n]
    ]
    listed.sort(key=lambda row: (-row["removed"], str(row["name"])))
    return listed[:limit]


def lost_most(manifest: pa.Table, by_document: Integers) -> list[dict[str, Any]]:
    """Documents that lost the largest share of their text to cleaning (extraction from HTML is not counted)."""
    after = pc.fill_null(manifest["characters_out"], 0).to_numpy().astype(np.int64)
    usable = ~np.asarray(pc.is_in(manifest["status"], pa.array(["rejected", "failed"])).to_numpy())
    share = np.where(usable & (by_document >= LEAST_REMOVED), by_document / np.maximum(by_document + after, 1), 0.0)
    chosen = np.lexsort((np.arange(len(share)), -by_document, -share))[:SHOWN_DOCUMENTS]
    chosen = chosen[share[chosen] > 0]
    rows = manifest.select(["source", "status", "site", "language"]).take(pa.array(chosen)).to_pylist()
    return [
        {**row, "removed": int(by_document[n]), "characters_out": int(after[n]), "share": round(float(share[n]), 4)}
        for row, n in zip(rows, chosen, strict=True)
    ]


def histogram(values: npt.NDArray[np.float64]) -> list[int]:
    """Counts in `BINS` equal bins of 0..1; 1.0 falls into the last."""
    return [int(n) for n in np.histogram(values, bins=BINS, range=(0.0, 1.0))[0]]


def similarities(evidence: pa.Table, related: pa.Table, limits: Mapping[str, float]) -> dict[str, Any]:
    """Histograms of what was merged and of what was nearly merged: Jaccard of near pairs, coverage of overlaps.

    The coverage of a retold document is that of its lesser direction; where that does not reach the threshold, the
    document qualified by being contained, and the greater direction counts.
    """
    relation = evidence["relation"].combine_chunks()
    near, overlap = (_equals(relation, name) for name in ("near", "overlap"))
    there, back = _floats(evidence["coverage"]), _floats(evidence["coverage_back"])
    lesser = np.minimum(there, back)
    qualified = np.where(lesser >= limits["coverage"], lesser, np.maximum(there, back))
    apart = np.minimum(_floats(related["coverage_a"]), _floats(related["coverage_b"]))
    return {
        "bins": BINS,
        "jaccard": {
            "merged": histogram(_floats(evidence["jaccard"])[near]),
            "kept": histogram(_floats(related["jaccard"])),
        },
        "coverage": {"merged": histogram(qualified[overlap]), "kept": histogram(apart)},
        "exact": int(_equals(relation, "exact").sum()),
    }


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(), dtype=np.float64)


def size_classes(sizes: Rows) -> list[dict[str, Any]]:
    """Clusters by size: least and largest size of each class, clusters, documents."""
    edges = [*SIZE_CLASSES, None]
    listed = []
    for low, high in pairwise(edges):
        assert low is not None  # only the last edge is open
        inside = (sizes >= low) & ((sizes < high) if high is not None else True)
        largest = high - 1 if high is not None else None
        listed.append(
            {"from": low, "to": largest, "clusters": int(inside.sum()), "documents": int(sizes[inside].sum())}
        )
    return listed


def rule_rows(removed: Removed, examples: Mapping[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rules, those that took most characters first; then by edits, then by name."""
    listed: list[dict[str, Any]] = [
        {
            "stage": totals.stage,
            "rule": totals.rule,
            "removed": totals.removed,
            "documents": totals.documents,
            "edits": sum(totals.edits.values()),
            "actions": {name: totals.edits[name] for name in ("removed", "replaced", "flagged") if totals.edits[name]},
            "examples": examples.get(name, []),
        }
        for name, totals in removed.rules.items()
    ]
    listed.sort(key=lambda row: (-row["removed"], -row["edits"], row["stage"], row["rule"]))
    return listed
