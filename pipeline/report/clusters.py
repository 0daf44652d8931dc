"""The riskiest clusters with their members, evidence and texts side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.risk import reasons, score
from pipeline.report.sides import Compare, fold
from pipeline.report.tables import Rows, Sources, Table

SHOWN_CLUSTERS = 500
SHOWN_MEMBERS = 12  # of one cluster, the riskiest first
COMPARED_MEMBERS = 2  # of one cluster, shown side by side
SHOWN_SENTENCES = 5  # of what a member that is not compared would lose
SIDE_CHARACTERS = 2_000  # of one side of one comparison
SIDES_BYTES = 1_500_000  # of all comparisons in the report: half of the 3 MB that report.html may weigh
RISKY = 40.0  # from here on a merge "deserves a look"

TextOf = Callable[[str], str]


@dataclass(frozen=True)
class Ranking:
    """Every cluster, the riskiest first. `members[first[n]:first[n + 1]]` are rows of evidence, riskiest first."""

    canonical: tuple[str, ...]
    risk: npt.NDArray[np.float64]
    size: Rows  # documents, the kept one included
    first: Rows
    members: Rows
    member_risk: npt.NDArray[np.float64]  # by row of evidence


def rank(evidence: pa.Table, sources: Sources, characters: Rows, limits: Mapping[str, float]) -> Ranking:
    """Rank the clusters of `evidence` by their riskiest member; ties by the kept document's source.

    `characters` are `characters_out` by row of the manifest, which `sources` finds.
    """
    encoded = evidence["canonical_source"].combine_chunks().dictionary_encode()
    cluster = encoded.indices.to_numpy().astype(np.int64)
    names = encoded.dictionary.to_pylist()
    duplicates = np.bincount(cluster, minlength=len(names))
    padded = np.append(characters, 0)
    kept = padded[sources.rows(evidence["canonical_source"].combine_chunks())].astype(np.float64)
    dropped = padded[sources.rows(evidence["source"].combine_chunks())].astype(np.float64)
    member_risk = score(evidence, kept, dropped, (duplicates[cluster] + 1).astype(np.float64), limits)
    risk = np.zeros(len(names))
    np.maximum.at(risk, cluster, member_risk)
    by_name = np.argsort(np.asarray(names, dtype=object), kind="stable") if names else np.zeros(0, dtype=np.int64)
    order = by_name[np.argsort(-risk[by_name], kind="stable")]
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    members = np.lexsort((np.arange(len(cluster)), -member_risk, place[cluster]))
    first = np.concatenate([[0], np.cumsum(duplicates[order])]).astype(np.int64)
    canonical = tuple(names[n] for n in order)
    return Ranking(canonical, risk[order], duplicates[order] + 1, first, members, member_risk)


def riskiest(
    ranking: Ranking,
    evidence: Table,
    manifest: Table,
    dropped: Table,
    sources: Sources,
    text_of: TextOf,
    compare: Compare,
    limits: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Describe the first `SHOWN_CLUSTERS` clusters for the report; comparisons as far as `SIDES_BYTES` goes."""
    shown = min(SHOWN_CLUSTERS, len(ranking.canonical))
    rows = [ranking.members[ranking.first[n] : ranking.first[n + 1]][:SHOWN_MEMBERS] for n in range(shown)]
    flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    about = dict(zip(flat.tolist(), evidence.take(flat), strict=True))
    kept = sources.rows(pa.array(ranking.canonical[:shown], pa.string()))
    kept_rows = _manifest_rows(manifest, kept)
    dropped_rows = _manifest_rows(
        manifest, sources.rows(pa.array([about[n]["source"] for n in flat.tolist()], pa.string()))
    )
    of_row = dict(zip(flat.tolist(), dropped_rows, strict=True))
    compared = [about[row] for group in rows for row in group[:COMPARED_MEMBERS].tolist()]
    dropped_text = dropped_texts(dropped, [row["source"] for row in compared])
    left = SIDES_BYTES
    clusters = []
    for n in range(shown):
        keeper = kept_rows[n]
        members = []
        for place, row in enumerate(rows[n].tolist()):
            member = describe_member(about[row], of_row[row], keeper, float(ranking.member_risk[row]))
            member["reasons"] = reasons(member, int(ranking.size[n]), limits)
            if place < COMPARED_MEMBERS and left > 0 and member["source"] in dropped_text:
                sides = side_by_side(dropped_text[member["source"]], text_of(ranking.canonical[n]), compare)
                size = len(json.dumps(sides, ensure_ascii=False).encode("utf-8", "replace"))
                left -= size
                if left > 0:
                    member["sides"] = sides
            members.append(member)
        clusters.append(
            {
                "cluster_id": about[int(rows[n][0])]["cluster_id"],
                "risk": round(float(ranking.risk[n]), 1),
                "size": int(ranking.size[n]),
                "kept": {
                    "source": ranking.canonical[n],
                    "title": keeper.get("title"),
                    "site": keeper.get("site"),
                    "language": keeper.get("language"),
                    "date": keeper.get("date"),
                    "characters": keeper.get("characters_out"),
                    "why": (keeper.get("reason") or "").removeprefix("kept: ") or None,
                },
                "members": members,
            }
        )
    return clusters


def _manifest_rows(manifest: Table, rows: Rows) -> list[dict[str, Any]]:
    """Rows of the manifest; an empty dict where the manifest lacks the document."""
    columns = ["source", "title", "site", "language", "date", "characters_out", "reason"]
    known = rows >= 0
    found = iter(manifest.take(rows[known], columns))
    return [next(found) if here else {} for here in known.tolist()]


def describe_member(
    evidence: Mapping[str, Any], row: Mapping[str, Any], keeper: Mapping[str, Any], risk: float
) -> dict[str, Any]:
    """Describe one dropped document: its evidence, and what of it would be lost."""
    rounded = {
        name: None if evidence[name] is None else round(float(evidence[name]), 4)
        for name in ("jaccard", "coverage", "coverage_back", "containment")
    }
    return {
        "source": evidence["source"],
        "title": row.get("title"),
        "site": row.get("site"),
        "date": row.get("date"),
        "relation": evidence["relation"],
        "risk": round(risk, 1),
        **rounded,
        "shared_shingles": evidence["shared_shingles"],
        "why": evidence["why"],
        "kept_characters": int(keeper.get("characters_out") or 0),
        "dropped_characters": int(row.get("characters_out") or 0),
        "lost_numbers": list(evidence["lost_numbers"] or [])[:20],
        "lost_names": list(evidence["lost_names"] or [])[:20],
        "lost_sentence_count": int(evidence["lost_sentence_count"] or 0),
        "lost_sentences": [text[:400] for text in (evidence["lost_sentences"] or [])[:SHOWN_SENTENCES]],
    }


def side_by_side(dropped: str, kept: str, compare: Compare) -> dict[str, Any]:
    """Show two texts beside each other, shared passages folded."""
    ours, theirs = compare(dropped, kept)
    folded_dropped, whole = fold(ours, SIDE_CHARACTERS)
    folded_kept, _ = fold(theirs, SIDE_CHARACTERS)
    return {"dropped": folded_dropped, "kept": folded_kept, "whole": whole}


def totals(evidence: pa.Table, ranking: Ranking) -> dict[str, Any]:
    """Say in numbers what merging took: sentences, numbers and names that only dropped documents had."""
    lost = pc.fill_null(evidence["lost_sentence_count"], 0).to_numpy()
    numbers = pc.fill_null(pc.list_value_length(evidence["lost_numbers"]), 0).to_numpy()
    names = pc.fill_null(pc.list_value_length(evidence["lost_names"]), 0).to_numpy()
    return {
        "clusters": len(ranking.canonical),
        "largest": int(ranking.size.max()) if len(ranking.size) else 0,
        "risky": int((ranking.risk >= RISKY).sum()),
        "risky_from": RISKY,
        "documents_losing_sentences": int((lost > 0).sum()),
        "sentences_lost": int(lost.sum()),
        "documents_losing_numbers": int((numbers > 0).sum()),
        "documents_losing_names": int((names > 0).sum()),
    }


def dropped_texts(dropped: Table, sources: Sequence[str]) -> Mapping[str, str]:
    """The texts of some dropped documents, read at once; an exact duplicate has none of its own."""
    rows = Sources(dropped.column("source")).rows(pa.array(sources, pa.string()))
    read = dropped.take(np.unique(rows[rows >= 0]), ["source", "text"])
    return {row["source"]: row["text"] for row in read if row["text"] is not None}
