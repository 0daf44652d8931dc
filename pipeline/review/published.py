"""One published generation, opened for reading: its tables, small columns of all rows in memory, the rest on demand.

At a million documents the columns in memory take some 300 MB; every page reads a few row groups more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup.compare import compare
from pipeline.document import Edit
from pipeline.errors import RunError
from pipeline.report.clusters import Ranking, rank
from pipeline.report.examples import edit_from
from pipeline.report.risk import thresholds
from pipeline.report.tables import Rows, Sources, codes, open_table
from pipeline.review.texts import KeptTexts

Mask = npt.NDArray[np.bool_]
LISTED = ("source", "title", "status", "relation", "reason", "site", "date", "characters_in", "characters_out")


def current_folder(clean: Path) -> Path:
    """The folder of the published generation: what `.current` points to, or CLEAN itself.

    Raises RunError when nothing was published there, or when `.current` points out of CLEAN.
    """
    link = clean / ".current"
    folder = clean / link.readlink() if link.is_symlink() else clean
    if not folder.resolve().is_relative_to(clean.resolve()):
        raise RunError(f"{link}: points out of {clean}. Run `clean-corpus RAW {clean}` again.")
    if not (folder / "manifest.parquet").is_file():
        raise RunError(f"{clean}: no manifest.parquet there. Run `clean-corpus RAW {clean}` first.")
    return folder


class Published:
    """The generation that was published in `clean` when this was made."""

    def __init__(self, clean: Path) -> None:
        self.clean = clean
        self.folder = current_folder(clean)
        try:
            self.report: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
            self.manifest, self.edits, self.evidence, self.dropped, self.related, self.learned = (
                open_table(self.folder, name)
                for name in ("manifest", "edits", "evidence", "dropped", "related", "learned")
            )
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise RunError(f"{self.folder}: {error}. Run `clean-corpus RAW {clean}` again.") from None
        self.listed = self.manifest.columns([*LISTED, "language"]).combine_chunks()
        columns = self.listed
        self.sources = Sources(columns["source"])
        self.status, self.statuses = codes(columns["status"])
        self.relation, self.relations = codes(columns["relation"])
        self.site, self.sites = codes(columns["site"])
        self.language, self.languages = codes(columns["language"])
        self.characters = pc.fill_null(columns["characters_out"], 0).to_numpy().astype(np.int64)
        kept = self.status == (self.statuses.index("kept") if "kept" in self.statuses else -2)
        self._place: Rows = np.cumsum(kept) - 1  # number among the kept documents
        self._texts = KeptTexts(clean, self.folder)
        self.limits = thresholds(self.report.get("config", {}))
        self._found = lru_cache(maxsize=64)(self._find)
        self._related = lru_cache(maxsize=16)(self._related_order)
        self._by_name = lru_cache(maxsize=256)(self._document)

    def is_current(self) -> bool:
        """Whether this is still what CLEAN shows; False after a run published something else."""
        try:
            return current_folder(self.clean) == self.folder
        except (RunError, OSError):
            return False

    @cached_property
    def ranking(self) -> Ranking:
        """Every cluster, the riskiest first."""
        return rank(self.proofs, self.sources, self.characters, self.limits)

    @cached_property
    def cluster_place(self) -> dict[str, int]:
        """Kept document of a cluster → its place in the ranking."""
        return {source: place for place, source in enumerate(self.ranking.canonical)}

    @cached_property
    def proofs(self) -> pa.Table:
        """The evidence of every duplicate but for its lost sentences, in memory: lists ask for rows from everywhere."""
        names = [name for name in self.evidence.file.schema_arrow.names if name != "lost_sentences"]
        return self.evidence.columns(names).combine_chunks()

    @cached_property
    def evidence_sources(self) -> Sources:
        """Rows of evidence by the dropped document."""
        return Sources(self.proofs["source"])

    @cached_property
    def dropped_sources(self) -> Sources:
        """Rows of dropped.parquet by source."""
        return Sources(self.dropped.column("source"))

    @cached_property
    def edit_rules(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """The rule of every edit as a small number, and the rules as `stage/rule`."""
        small = self.edits.columns(["stage", "rule"])
        stage, stages = codes(small["stage"])
        rule, rules = codes(small["rule"])
        pair = stage.astype(np.int64) * max(1, len(rules)) + rule
        values, inverse = np.unique(pair, return_inverse=True)
        names = [f"{stages[value // len(rules)]}/{rules[value % len(rules)]}" for value in values.tolist()]
        return inverse.astype(np.int32), names

    def warm(self) -> Published:
        """Read what the first pages need, so that each of them is quick."""
        _ = self.cluster_place, self.members, self.dropped_sources, self.edit_rules
        compare("A first word.", "A first word.")  # reads the word list that comparing weighs with
        return self

    def short_proofs(self, rows: Rows) -> list[dict[str, Any]]:
        """Some rows of evidence, without the lost sentences."""
        taken: list[dict[str, Any]] = self.proofs.take(pa.array(rows)).to_pylist()
        return [{**row, "lost_sentences": None} for row in taken]

    def document(self, source: str) -> dict[str, Any] | None:
        """The manifest's row of a document; None if there is none."""
        return self._by_name(source)

    def _document(self, source: str) -> dict[str, Any] | None:
        row = self.sources.row(source)
        return None if row is None else self.manifest.take([row])[0]

    def proof(self, source: str) -> dict[str, Any] | None:
        """The evidence on which a document was dropped; None if it was not."""
        row = self.evidence_sources.row(source)
        return None if row is None else self.evidence.take([row])[0]

    def edits_of(self, source: str) -> list[Edit]:
        """Every edit of a document, in order."""
        return [edit_from(row) for row in self.edits.take(self.edits.where("source", source))]

    def text(self, source: str) -> str | None:
        """The cleaned text of a document, kept or dropped; None if it has none or it was not written."""
        about = self.document(source)
        if about is None:
            return None
        if about["status"] == "kept":
            if not about["output"]:
                return None
            row = self.sources.row(source)
            assert row is not None  # `about` was found
            try:
                return self._texts.read(source, about["output"], int(self._place[row]))
            except (KeyError, OSError, UnicodeDecodeError, ValueError):
                return None
        row = self.dropped_sources.row(source)
        text = self.dropped.take([row], ["text"])[0]["text"] if row is not None else None
        if text is None and about["relation"] == "exact" and about["canonical_source"]:
            return self.text(about["canonical_source"])
        return text

    def find(self, status: str = "", site: str = "", language: str = "", words: str = "") -> Rows:
        """Rows of the manifest that fit; an empty string fits all. `words` is looked for in the source's name."""
        return self._found(status, site, language, words)

    def _find(self, status: str, site: str, language: str, words: str) -> Rows:
        mask = np.ones(len(self.sources), dtype=np.bool_)
        if status in ("exact", "near", "overlap"):
            mask &= _is(self.relation, self.relations, status)
        elif status:
            mask &= _is(self.status, self.statuses, status)
        if site:
            mask &= _is(self.site, self.sites, site)
        if language:
            mask &= _is(self.language, self.languages, language)
        if words:
            mask &= contains(self.sources.names, words)
        return np.flatnonzero(mask)

    def find_clusters(self, relation: str = "", site: str = "", words: str = "") -> Rows:
        """Places in the ranking of the clusters of which some member fits."""
        found: Rows = self._found_clusters(relation, site, words)
        return found

    @cached_property
    def members(self) -> tuple[Rows, Rows, Rows]:
        """Manifest rows of dropped documents and of kept ones; the place of each dropped one's cluster."""
        ranking = self.ranking
        place = np.empty(len(self.evidence_sources), dtype=np.int64)
        place[ranking.members] = np.repeat(np.arange(len(ranking.canonical)), np.diff(ranking.first))
        kept = self.sources.rows(pa.array(ranking.canonical, pa.large_string()))
        return self.sources.rows(self.evidence_sources.names), kept, place

    def listed_rows(self, rows: Rows) -> list[dict[str, Any]]:
        """Some rows of the manifest, the columns `LISTED` of them, from memory; a row of -1 gives nothing but nulls."""
        padded = pa.array(np.where(rows < 0, 0, rows), mask=rows < 0)
        taken: list[dict[str, Any]] = self.listed.take(padded).to_pylist() if len(self.listed) else []
        return taken

    @cached_property
    def _found_clusters(self) -> Any:
        return lru_cache(maxsize=64)(self._find_clusters)

    def _find_clusters(self, relation: str, site: str, words: str) -> Rows:
        ranking = self.ranking
        if not (relation or site or words):
            return np.arange(len(ranking.canonical), dtype=np.int64)
        names = self.evidence_sources.names
        mask = np.ones(len(names), dtype=np.bool_)
        rows, kept, place = self.members
        if relation:
            mask &= _is(self.relation, self.relations, relation)[rows]
        if site:
            here = _is(self.site, self.sites, site)
            mask &= here[rows] | here[kept[place]]
        if words:
            fits = contains(pa.array(ranking.canonical, pa.large_string()), words)
            mask &= contains(names, words) | fits[place]
        return np.unique(place[mask])

    def find_related(self, words: str = "") -> Rows:
        """Rows of related pairs, the most alike first; `words` is looked for in both names."""
        return self._related(words)

    def _related_order(self, words: str) -> Rows:
        table = self.related.columns(["source_a", "source_b", "jaccard", "coverage_a", "coverage_b"])
        lesser = pc.min_element_wise(table["coverage_a"], table["coverage_b"])
        nearness = pc.fill_null(pc.max_element_wise(table["jaccard"], lesser), 0.0)
        order = pc.sort_indices(
            pa.table({"n": nearness, "a": table["source_a"], "b": table["source_b"]}),
            sort_keys=[("n", "descending"), ("a", "ascending"), ("b", "ascending")],
        ).to_numpy()
        if words:
            fits = contains(table["source_a"], words) | contains(table["source_b"], words)
            order = order[fits[order]]
        return np.asarray(order, dtype=np.int64)

    def find_edits(self, rule: str) -> Rows:
        """Rows of the edits that a rule (`stage/rule`) made."""
        code, names = self.edit_rules
        return np.flatnonzero(code == names.index(rule)) if rule in names else np.zeros(0, dtype=np.int64)

    def nearest_names(self, source: str, limit: int = 5) -> list[str]:
        """Sources that a mistyped name may have meant: those that contain it, then the most alike of their folder."""
        import difflib

        inside = np.flatnonzero(contains(self.sources.names, source))[:limit]
        found: list[str] = [self.sources.names[int(row)].as_py() for row in inside]
        stem = source.rsplit("/", 1)[-1][:4]
        pool: Sequence[str] = self.sources.names.filter(pa.array(contains(self.sources.names, stem))).to_pylist()[:5000]
        if len(pool) < limit:
            pool = self.sources.names.slice(0, 5000).to_pylist()
        found += difflib.get_close_matches(source, pool, n=limit, cutoff=0.5)
        return list(dict.fromkeys(found))[:limit]


def contains(names: pa.Array | pa.ChunkedArray, words: str) -> Mask:
    """Which names contain `words`, whatever the case."""
    found = pc.match_substring(names, words, ignore_case=True)
    return np.asarray(pc.fill_null(found, False), dtype=np.bool_)


def _is(code: npt.NDArray[np.int32], values: list[Any], value: str) -> Mask:
    return np.asarray(code == (values.index(value) if value in values else -2), dtype=np.bool_)
