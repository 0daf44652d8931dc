"""Reports made from generated corpora, with the facts a run would give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipeline.report import Passage, RunFacts, write_report
from tests.report.corpus import HOSTILE, Corpus


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


def compare(dropped: str, kept: str) -> tuple[list[Passage], list[Passage]]:
    """Sentences that are equal are shared; enough for corpora whose sentences are."""
    ours, theirs = sentences(dropped), sentences(kept)
    return (
        [Passage(text, text in set(theirs)) for text in ours],
        [Passage(text, text in set(ours)) for text in theirs],
    )


def facts(hostile: bool = False, **changed: Any) -> RunFacts:
    """What a second run of defaults would say."""
    odd = HOSTILE[0] if hostile else ""
    values: dict[str, Any] = {
        "version": "0.1.0",
        "config": {
            "threshold": 0.8,
            "coverage": 0.8,
            "overlap": {"contained": 0.9},
            "reading": {"text_field": odd or "text"},
        },
        "recall": {
            "permutations": 128,
            "bands": 21,
            "rows": 6,
            "expected": {"0.7": 0.9278, "0.8": 0.9983, "0.9": 0.99999},
        },
        "changes": {
            "added": [f"a/b{odd}.txt", "c.txt"],
            "changed": 3,
            "removed": 0,
            "newly_duplicate": ["x.txt"],
            "promoted": 0,
        },
        "decisions": [
            {
                "id": "d1",
                "kind": "not-duplicates",
                "source": f"a{odd}.txt",
                "other": "b.txt",
                "who": f"ann{odd}",
                "when": "2026-01-02T03:04:05Z",
                "note": odd,
                "state": "effective",
                "why": odd,
            }
        ],
        "decision_problems": [f"decisions.jsonl line 3: {odd or 'half a line'}"],
        "gates": {"max_duplicate_share": {"limit": 0.5, "value": 0.229}},
    }
    return RunFacts(**(values | changed))


def make_report(folder: Path, corpus: Corpus, **changed: Any) -> dict[str, Any]:
    hostile = corpus.sources[0].startswith("evil/")
    return write_report(folder, facts(hostile, **changed), corpus.text_of, compare)
