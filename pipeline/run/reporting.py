"""What the report needs beyond the tables: the texts to compare, and what became of a person's decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

import pipeline
from pipeline.config import Config, Gates
from pipeline.decisions import Decision, Decisions
from pipeline.dedup import compare
from pipeline.report import Passage, RunFacts, write_report
from pipeline.report.tables import Sources
from pipeline.run.changes import Changes
from pipeline.run.matching import DUPLICATE, FAILED, KEPT, Fates, places
from pipeline.run.rows import Rows


def report(
    folder: Path, rows: Rows, config: Config, fates: Fates, changes: Changes | None, decisions: Decisions
) -> dict[str, Any]:
    """Writes report.json and report.html beside the tables in `folder`; gives the report."""
    facts = RunFacts(
        version=pipeline.__version__,
        config=config.model_dump(mode="json"),
        recall=dict(fates.recall) or None,
        changes=asdict(changes) if changes is not None else None,
        decisions=list(verdicts(fates, decisions)),
        decision_problems=decisions.problems,
        gates=gates(config.gates, shares(fates, folder)),
    )
    sources = Sources(fates.sources)
    return write_report(folder, facts, texts(rows, sources), sides, sources)


def texts(rows: Rows, sources: Sources) -> Any:
    """`text_of(source)`: the cleaned text of a document of this run. Raises KeyError for another."""

    @lru_cache(maxsize=256)
    def text_of(source: str) -> str:
        index = sources.row(source)
        if index is None:
            raise KeyError(source)
        text = rows.column("text", np.array([index]))[0].as_py()
        if text is None:
            raise KeyError(source)
        return str(text)

    return text_of


def sides(dropped: str, kept: str) -> tuple[list[Passage], list[Passage]]:
    """Both texts sentence by sentence, as the report shows them beside each other."""
    compared = compare(dropped, kept)
    return (
        [Passage(s.text, s.match != "only") for s in compared.sentences_a],
        [Passage(s.text, s.match != "only") for s in compared.sentences_b],
    )


def shares(fates: Fates, folder: Path) -> dict[str, float]:
    """What the gates are held against, each between 0 and 1.

    The share of characters removed counts text: what the edits took out of what the stages were given. The markup of
    a page is no text, and is not counted.
    """
    total = max(1, len(fates.status))
    removed = 0
    edits = pq.ParquetFile(folder / "edits.parquet")
    for batch in edits.iter_batches(columns=["before", "after"]):
        before, after = (pc.sum(pc.utf8_length(batch.column(name))).as_py() or 0 for name in ("before", "after"))
        removed += before - after
    left = pc.sum(pq.read_table(folder / "manifest.parquet", columns=["characters_out"]).column(0)).as_py() or 0
    return {
        "max_duplicate_share": float((fates.status == DUPLICATE).sum()) / total,
        "max_failed_share": float((fates.status == FAILED).sum()) / total,
        "max_removed_share": max(0.0, removed / (removed + left)) if removed + left > 0 else 0.0,
    }


def gates(limits: Gates, measured: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The gates that were set, each with its limit and the share it is held against."""
    return {
        name: {"limit": getattr(limits, name), "value": share}
        for name, share in measured.items()
        if getattr(limits, name) < 1.0
    }


def verdicts(fates: Fates, decisions: Decisions) -> Iterator[Mapping[str, Any]]:
    """Every standing decision, with whether it took effect and, if not, why."""
    named = {name for d in decisions.standing for name in (d.source, d.other) if name}
    at = places(fates.sources, named)
    for decision in decisions.standing:
        state, why = verdict(decision, at, fates)
        yield {**decision.model_dump(mode="json", exclude_none=True), "state": state, "why": why}


def verdict(decision: Decision, at: Mapping[str, int], fates: Fates) -> tuple[str, str]:
    """`effective` or `not-applicable`, and a sentence."""
    gone = [name for name in (decision.source, decision.other) if name and name not in at]
    if gone:
        return "not-applicable", f"{gone[0]} did not come in"
    if decision.kind in ("keep-this", "duplicates") and decision.source and decision.other:
        a, b = at[decision.source], at[decision.other]
        home_a, home_b = (int(fates.canonical[i]) if fates.canonical[i] >= 0 else i for i in (a, b))
        if home_a != home_b:
            return "not-applicable", "the two stand in different clusters"
    if decision.kind == "restore" and decision.source and fates.status[at[decision.source]] != KEPT:
        return "not-applicable", "the document could not be read"
    return "effective", "the run obeyed it"
