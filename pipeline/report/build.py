"""From the tables of one generation to the report: a dictionary, report.json and report.html.

The report says only what input, config and decisions determine: no clock, no duration, no machine, so that the same
run gives the same bytes. The seconds of a run stand apart, in `.state` (see `pipeline.report.times`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report import clusters, summary
from pipeline.report.clusters import TextOf
from pipeline.report.examples import choose_examples
from pipeline.report.page import render_page
from pipeline.report.risk import EVIDENCE_COLUMNS, thresholds
from pipeline.report.sides import Compare
from pipeline.report.tables import Sources, open_table

SCHEMA_VERSION = 1
DECISION_FIELDS = (
    *("id", "kind", "who", "when", "source", "other", "line", "scope", "site", "note"),  # of a `Decision`
    *("state", "why"),  # what became of it
)
SHOWN_UNUSABLE = 500  # rejected and failed documents
SHOWN_LEARNED = 300  # lines
SHOWN_RELATED = 200  # pairs
SHOWN_CHANGES = 50  # sources of each kind of change


@dataclass(frozen=True)
class RunFacts:
    """What the tables do not say.

    `config`: `Config.model_dump(mode="json")`. `recall`: `{"permutations", "bands", "rows", "expected": {"0.7": p,
    "0.8": p, "0.9": p}}`, p the probability that a pair of that Jaccard is found; None without deduplication.
    `changes` since the last run: `added`, `changed`, `removed`, `newly_duplicate`, `promoted`, each a count or a list
    of sources; None on a first run. `decisions`: one mapping each, the fields of a `Decision` and `state`
    (`effective` or `not-applicable`) and `why`. `decision_problems`: lines of decisions.jsonl that could not be used.
    `gates`: `{"max_duplicate_share": {"limit": 0.5, "value": 0.2}, …}`, those that were set.
    """

    version: str
    config: Mapping[str, Any]
    recall: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] | None = None
    decisions: Sequence[Mapping[str, Any]] = ()
    decision_problems: Sequence[str] = ()
    gates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def write_report(
    folder: Path, facts: RunFacts, text_of: TextOf, compare: Compare, sources: Sources | None = None
) -> dict[str, Any]:
    """Write report.json and report.html into `folder`, a generation about to be published; returns the report.

    Reads manifest, edits, evidence, related, dropped and learned from there. `text_of(source)` gives the cleaned text
    of a kept document (KeyError or OSError when it cannot), `compare(dropped, kept)` the passages of both; `sources`
    finds rows of the manifest, for those who have it at hand.
    Raises OSError when a table is missing or the disk refuses.
    """
    report = build_report(folder, facts, text_of, compare, sources)
    text = json.dumps(report, ensure_ascii=False, indent=1, sort_keys=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    (folder / "report.html").write_text(render_page(report), encoding="utf-8", newline="\n")
    return report


def build_report(
    folder: Path, facts: RunFacts, text_of: TextOf, compare: Compare, sources: Sources | None = None
) -> dict[str, Any]:
    """The report as JSON-able values; its schema is docs/report.schema.json."""
    manifest_file, edits = open_table(folder, "manifest"), open_table(folder, "edits")
    evidence_file, dropped = open_table(folder, "evidence"), open_table(folder, "dropped")
    manifest = summary.read_manifest(manifest_file)
    sources = sources if sources is not None else Sources(manifest["source"])
    limits = thresholds(facts.config)
    characters = pc.fill_null(manifest["characters_out"], 0).to_numpy().astype(np.int64)
    evidence = evidence_file.columns([*EVIDENCE_COLUMNS, "lost_numbers", "lost_names", "lost_sentence_count"])
    related = open_table(folder, "related").columns(
        ["source_a", "source_b", "jaccard", "coverage_a", "coverage_b", "why"]
    )
    ranking = clusters.rank(evidence, sources, characters, limits)
    removed = summary.add_up_edits(edits, sources)
    examples = choose_examples(removed, edits, manifest_file, sources, _final_text(text_of))
    removed_total = int(removed.by_document.sum())
    return {
        "schema_version": SCHEMA_VERSION,
        "version": facts.version,
        **summary.count_documents(manifest),
        "changes": _changes(facts.changes),
        "recall": dict(facts.recall) if facts.recall else None,
        "thresholds": limits,
        "similarities": summary.similarities(evidence, related, limits),
        "cluster_sizes": summary.size_classes(ranking.size),
        "merging": clusters.totals(evidence, ranking),
        "clusters": clusters.riskiest(
            ranking, evidence_file, manifest_file, dropped, sources, _or_empty(text_of), compare, limits
        ),
        "related": {"pairs": related.num_rows, "closest": _closest(related)},
        "removed": {
            "characters": removed_total,
            "edits": removed.rows,
            "by_rule": summary.rule_rows(removed, examples),
            "by_site": summary.removed_by(manifest["site"], removed.by_document, summary.SHOWN_SITES),
            "by_language": summary.removed_by(manifest["language"], removed.by_document, summary.SHOWN_LANGUAGES),
            "documents": summary.lost_most(manifest, removed.by_document),
        },
        "unusable": {
            "reasons": summary.count_reasons(manifest),
            "documents": summary.list_unusable(manifest, SHOWN_UNUSABLE),
        },
        "learned": _learned(folder),
        "decisions": [{name: decision.get(name) for name in DECISION_FIELDS} for decision in facts.decisions],
        "decision_problems": list(facts.decision_problems),
        "gates": {name: dict(gate) for name, gate in sorted(facts.gates.items())},
        "config": dict(facts.config),
    }


def _final_text(text_of: TextOf) -> Callable[[str, Any], str | None]:
    """The cleaned text of a kept document; None for others, whose edits are shown without context."""

    def final(source: str, row: Any) -> str | None:
        if row.get("status") != "kept":
            return None
        try:
            return text_of(source)
        except (KeyError, OSError):
            return None

    return final


def _or_empty(text_of: TextOf) -> TextOf:
    def text(source: str) -> str:
        try:
            return text_of(source)
        except (KeyError, OSError):
            return ""

    return text


def _changes(changes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Each kind of change as a count and some sources."""
    if changes is None:
        return None
    told = {}
    for name, value in changes.items():
        many = value if isinstance(value, int) else len(value)
        told[name] = {"count": many, "sources": [] if isinstance(value, int) else sorted(value)[:SHOWN_CHANGES]}
    return told


def _closest(related: pa.Table) -> list[dict[str, Any]]:
    """The pairs that came nearest to being merged."""
    chosen = related if related.num_rows <= SHOWN_RELATED else _nearest(related)
    rows: list[dict[str, Any]] = chosen.to_pylist()
    for row in rows:
        for name in ("jaccard", "coverage_a", "coverage_b"):
            row[name] = None if row[name] is None else round(row[name], 4)
    rows.sort(key=lambda row: (-_nearness(row), row["source_a"], row["source_b"]))
    return rows


def _nearness(row: Mapping[str, Any]) -> float:
    return max(row["jaccard"] or 0.0, min(row["coverage_a"] or 0.0, row["coverage_b"] or 0.0))


def _nearest(related: pa.Table) -> pa.Table:
    values = [pc.fill_null(related[name], 0.0).to_numpy() for name in ("jaccard", "coverage_a", "coverage_b")]
    nearness = np.maximum(values[0], np.minimum(values[1], values[2]))
    return related.take(pa.array(np.argsort(-nearness, kind="stable")[:SHOWN_RELATED]))


def _learned(folder: Path) -> dict[str, Any]:
    """Learned lines, the commonest first."""
    table = open_table(folder, "learned").columns(["site", "line", "documents", "example_source"])
    rows = table.sort_by([("documents", "descending"), ("site", "ascending"), ("line", "ascending")])
    return {"lines": table.num_rows, "commonest": rows.slice(0, SHOWN_LEARNED).to_pylist()}
