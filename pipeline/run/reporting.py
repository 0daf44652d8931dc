"""What the report needs beyond the tables: the texts to compare, and what became of a person's decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.config import Config, Gates
from pipeline.decisions import Decision, Decisions
from pipeline.dedup import compare
from pipeline.report import Passage, RunFacts, write_report
from pipeline.run.changes import Changes
from pipeline.run.matching import DUPLICATE, KEPT, Fates, places
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
        gates=gates(config.gates, fates, rows),
    )
    return write_report(folder, facts, texts(rows, fates), sides)


def texts(rows: Rows, fates: Fates) -> Any:
    """`text_of(source)`: the cleaned text of a document of this run. Raises KeyError for another."""

    @lru_cache(maxsize=256)
    def text_of(source: str) -> str:
        index = places(fates.sources, [source]).get(source)
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


def gates(set_gates: Gates, fates: Fates, rows: Rows) -> dict[str, dict[str, float]]:
    """The gates that were set, each with its limit and the share it is held against."""
    total = max(1, len(rows))
    came = sum(rows.column("characters_in").to_pylist())
    left = sum(rows.column("characters_out").to_pylist())
    shares = {
        "max_duplicate_share": float((fates.status == DUPLICATE).sum()) / total,
        "max_failed_share": float((fates.status > DUPLICATE + 1).sum()) / total,
        "max_removed_share": 1 - left / came if came else 0.0,
    }
    return {
        name: {"limit": getattr(set_gates, name), "value": share}
        for name, share in shares.items()
        if getattr(set_gates, name) < 1.0
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
