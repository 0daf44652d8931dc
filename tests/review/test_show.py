"""`show`: one document in the terminal, with nothing of the document obeyed by the terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from pipeline.decisions import append_decision, new_decision
from pipeline.review.show import show
from tests.report.corpus import make_corpus


def shown(clean: Path, source: str, width: int = 100) -> tuple[int, str]:
    out = io.StringIO()
    left = show(clean, source, Console(file=out, width=width, force_terminal=False))
    return left, out.getvalue()


def test_a_duplicate_shows_evidence_losses_and_changes(tame_clean: Path) -> None:
    """Relation, numbers, lost sentences, and each change with its rule beside it."""
    rows = make_corpus(400, seed=5).tables["evidence"].to_pylist()
    row = next(row for row in rows if row["relation"] == "overlap" and row["lost_sentence_count"])
    left, text = shown(tame_clean, row["source"])
    assert left == 0
    assert f"dropped for {row['canonical_source']}" in text
    assert f"{row['jaccard']:.3f}" in text
    assert "What you would lose" in text
    assert row["lost_sentences"][0][:30] in text


def test_a_change_stands_in_its_context(tame_clean: Path) -> None:
    """The removed line between the words around it, its stage and rule above."""
    edits = make_corpus(400, seed=5).tables["edits"].to_pylist()
    edit = next(edit for edit in edits if edit["rule"] == "ad-marker")
    left, text = shown(tame_clean, edit["source"], width=1000)
    assert left == 0
    assert "boilerplate / ad-marker" in text
    assert "⟦-Advertisement" in text
    assert " ↵ ⟦-" in text


def test_an_unknown_source_gets_the_nearest_names(tame_clean: Path) -> None:
    """A mistyped name: exit 1, and the name that was meant."""
    left, text = shown(tame_clean, "news/harbor/04/story-0000004.txt")
    assert left == 1
    assert "news/harbour/04/story-0000004.txt" in text


def test_decisions_about_the_document_are_shown(tame_clean: Path) -> None:
    """What a person decided stands with its state."""
    path = tame_clean / "decisions.jsonl"
    source = make_corpus(400, seed=5).sources[0]
    append_decision(path, new_decision("reject", who="ann", note="an advert", source=source))
    try:
        text = shown(tame_clean, source)[1]
    finally:
        path.unlink()
    assert "pending  reject  by ann" in text
    assert "an advert" in text


def test_no_control_character_reaches_the_terminal(hostile_clean: Path) -> None:
    """Every document of a hostile corpus: no escape, no bidi override, no markup of rich's is obeyed."""
    for source in make_corpus(60, seed=3, hostile=True).sources:
        for name in (source, source + "\x1b[31m\u202e[bold]"):
            text = shown(hostile_clean, name)[1]
            assert not any(ord(c) < 0x20 and c != "\n" for c in text)
            assert not set(text) & set("\x7f\x85\x9b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
