"""How doubtful a merge is: a number from 0 to 100 made of four plain questions.

The report and the review app show the riskiest clusters first. The weights say what people said they fear most:
that two documents differ in the one number or name that matters; then thin evidence; then that the longer text was
the one dropped; then a large cluster, where one mistake costs much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]

DETAILS_WEIGHT = 45.0  # numbers and names that only the dropped document has
EVIDENCE_WEIGHT = 30.0  # how near the evidence is to the threshold
SHORTER_WEIGHT = 15.0  # the kept document is shorter than a dropped one
SIZE_WEIGHT = 10.0  # documents in the cluster
LARGE = 64  # a cluster of so many documents has the full size weight

EVIDENCE_COLUMNS = ("source", "canonical_source", "relation", "jaccard", "coverage", "coverage_back", "cluster_id")


def thresholds(config: Mapping[str, Any]) -> dict[str, float]:
    """The three thresholds evidence is held against: Jaccard, coverage both ways, share contained."""
    return {
        "jaccard": float(config.get("threshold", 0.8)),
        "coverage": float(config.get("coverage", 0.8)),
        "contained": float(config.get("overlap", {}).get("contained", 0.9)),
    }


def _share(excess: Floats, room: float) -> Floats:
    """How much of the room between threshold and 1 is missing: 0 at 1.0, 1 at the threshold or below."""
    return np.clip(excess / room, 0, 1) if room > 0 else np.where(excess > 0, 1.0, 0.0)


def evidence_gap(
    relation: Sequence[str | None], jaccard: Floats, there: Floats, back: Floats, limits: Mapping[str, float]
) -> Floats:
    """0 for evidence that could not be better, 1 for evidence at its threshold (or below: a person decided)."""
    relations = np.asarray(relation, dtype=object)
    near = _share(1 - jaccard, 1 - limits["jaccard"])
    retold = _share(1 - np.minimum(there, back), 1 - limits["coverage"])
    contained = _share(1 - np.maximum(there, back), 1 - limits["contained"])
    overlap = np.where(np.minimum(there, back) >= limits["coverage"], retold, contained)
    return np.where(relations == "near", near, np.where(relations == "overlap", overlap, 0.0))


def numbers_of(table: pa.Table, name: str) -> Floats:
    """A numeric column as floats, null as 0."""
    return np.asarray(pc.fill_null(table[name].cast(pa.float64()), 0.0).to_numpy(), dtype=np.float64)


def lengths_of(column: pa.ChunkedArray) -> Floats:
    """Length of each list, 0 for null."""
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(), dtype=np.float64)


def score(
    evidence: pa.Table, kept_characters: Floats, dropped_characters: Floats, size: Floats, limits: Mapping[str, float]
) -> Floats:
    """Risk of each row of `evidence` (columns `EVIDENCE_COLUMNS`, `lost_numbers`, `lost_names`), shape (rows,)."""
    numbers, names = lengths_of(evidence["lost_numbers"]), lengths_of(evidence["lost_names"])
    exact = np.asarray(pc.fill_null(pc.equal(evidence["relation"], "exact"), False))
    number_part = np.where(numbers > 0, 0.6 + 0.1 * np.minimum(numbers, 4), 0.0)
    name_part = np.where(names > 0, 0.4 + 0.1 * np.minimum(names, 4), 0.0)
    gap = evidence_gap(
        evidence["relation"].to_pylist(),
        numbers_of(evidence, "jaccard"),
        numbers_of(evidence, "coverage"),
        numbers_of(evidence, "coverage_back"),
        limits,
    )
    shorter = np.clip((dropped_characters - kept_characters) / np.maximum(dropped_characters, 1), 0, 1)
    large = np.clip(np.log2(np.maximum(size, 2) / 2) / np.log2(LARGE / 2), 0, 1)
    own = np.where(
        exact,
        0.0,
        DETAILS_WEIGHT * np.maximum(number_part, name_part) + EVIDENCE_WEIGHT * gap + SHORTER_WEIGHT * shorter,
    )
    return np.asarray(own + SIZE_WEIGHT * large, dtype=np.float64)


def reasons(member: Mapping[str, Any], size: int, limits: Mapping[str, float]) -> list[str]:
    """The score of one duplicate in words, the gravest first."""
    said = []
    for count, one, many in (
        (len(member["lost_numbers"]), "number", "numbers"),
        (len(member["lost_names"]), "name", "names"),
    ):
        if count:
            said.append(f"{count} {one if count == 1 else many} only in the dropped text")
    if (
        member["relation"] == "near"
        and member["jaccard"] is not None
        and member["jaccard"] < (1 + limits["jaccard"]) / 2
    ):
        said.append(f"Jaccard {member['jaccard']:.2f}, threshold {limits['jaccard']:.2f}")
    if member["relation"] == "overlap":
        said.append(f"covered {member['coverage'] or 0:.0%} one way, {member['coverage_back'] or 0:.0%} the other")
    kept, dropped = member["kept_characters"], member["dropped_characters"]
    if member["relation"] != "exact" and dropped > kept * 1.05:
        said.append(f"the kept text is {1 - kept / dropped:.0%} shorter")
    if size >= 10:
        said.append(f"{size:,} documents")
    return said
