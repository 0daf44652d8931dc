"""One document in the terminal: what came in, what changed and why, what it duplicates, what was decided.

Documents are hostile: every string goes through `visible` into `rich.text.Text`, which knows no markup, so that no
control character of a document reaches the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.decisions import FILE_NAME, read_decisions
from pipeline.report.display import number, percent
from pipeline.report.examples import shorten
from pipeline.review.deciding import WORDS, Told, about_document, tell
from pipeline.review.pages import changes_in_context
from pipeline.review.published import Published
from pipeline.terminal import visible

_LINE_END = re.compile(r"(?<!\s)[^\S\n]*\n\s*")
SHOWN_CHANGES = 200  # of one document; the review shows all of them
SHOWN_LOST = 20  # sentences
COLOURS = {
    "kept": "green",
    "exact": "cyan",
    "near": "blue",
    "overlap": "magenta",
    "duplicate": "cyan",
    "rejected": "yellow",
    "failed": "red",
}
FIELDS = ("title", "url", "date", "author", "language", "site", "record_id", "format", "charset", "output")


def show(clean: Path, source: str, console: Console) -> int:
    """Print what is known of `source`; 0, or 1 when the corpus has no such document (the nearest names are printed).

    Raises RunError when nothing is published in `clean`.
    """
    published = Published(clean)
    about = published.document(source)
    if about is None:
        _unknown(published, source, console)
        return 1
    told = about_document(tell(read_decisions(clean / FILE_NAME), published.report), source)
    _heading(about, console)
    _evidence(about, published.proof(source), console)
    _decisions(told, console)
    _changes(published, source, console)
    return 0


def say(*parts: str | tuple[str, str]) -> Text:
    """Text made of plain and styled parts, safe for a terminal."""
    made = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        made.append(visible(text), style)
    return made


def _unknown(published: Published, source: str, console: Console) -> None:
    console.print(say("No document ", (source, "bold"), f" in {published.clean}."))
    names = published.nearest_names(source)
    if names:
        console.print("Nearest names:")
        for name in names:
            console.print(say("  ", name), soft_wrap=True)
    else:
        console.print("A source is a path relative to RAW, with #number for a record in a container.")


def _heading(about: Mapping[str, Any], console: Console) -> None:
    state = about["relation"] or about["status"]
    console.print(say((about["source"], "bold"), "  ", (state, COLOURS.get(state, ""))), soft_wrap=True)
    if about["status"] == "duplicate":
        console.print(say("dropped for ", (about["canonical_source"] or "", "bold")), soft_wrap=True)
    elif about["reason"]:
        console.print(say("why kept: " if about["status"] == "kept" else "reason: ", about["reason"]))
    grid = Table.grid(padding=(0, 2))
    for name in FIELDS:
        if about[name]:
            grid.add_row(Text(name.replace("_", " "), "dim"), say(shorten(about[name], 300)))
    came, left = about["characters_in"], about["characters_out"]
    grid.add_row(Text("characters", "dim"), Text(f"{number(came)} came in, {number(left)} after cleaning"))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _evidence(about: Mapping[str, Any], proof: Mapping[str, Any] | None, console: Console) -> None:
    if proof is None:
        return
    console.print()
    console.print(Text("Evidence", "bold"))
    grid = Table.grid(padding=(0, 2))
    for name, shown in (
        ("why", proof["why"] or ""),
        ("Jaccard", "" if proof["jaccard"] is None else f"{proof['jaccard']:.3f}"),
        ("dropped covered by kept", _share(proof["coverage"])),
        ("kept covered by dropped", _share(proof["coverage_back"])),
        ("containment", "" if proof["containment"] is None else f"{proof['containment']:.3f}"),
        ("numbers only here", ", ".join(proof["lost_numbers"] or [])),
        ("names only here", ", ".join(proof["lost_names"] or [])),
    ):
        if shown:
            grid.add_row(Text(name, "dim"), say(shown))
    console.print(Padding(grid, (0, 0, 0, 2)))
    lost = proof["lost_sentences"] or []
    if not lost:
        console.print(say(f"  Nothing is lost: {about['canonical_source']} says all of it."))
        return
    many = int(proof["lost_sentence_count"] or len(lost))
    console.print(f"  What you would lose, {many} {'sentence' if many == 1 else 'sentences'}:")
    for sentence in lost[:SHOWN_LOST]:
        console.print(Padding(say(("- " + shorten(sentence, 400), "red")), (0, 0, 0, 4)))
    if many > SHOWN_LOST:
        console.print(f"    … and {many - SHOWN_LOST:,} more")


def _share(value: float | None) -> str:
    return "" if value is None else percent(value, 1)


def _decisions(told: list[Told], console: Console) -> None:
    if not told:
        return
    console.print()
    console.print(Text("Decisions", "bold"))
    for one in told:
        decision = one.decision
        about = f": {decision.line}" if decision.line else ""
        if decision.other:
            about = f": {decision.source} and {decision.other}"
        who = f"  by {decision.who}, {decision.when}" + (f": {decision.note}" if decision.note else "")
        state = (f"{one.state}  ", "yellow" if "pending" in one.state else "dim")
        console.print(say("  ", state, WORDS[decision.kind] + shorten(about, 200), (who, "dim")))


def _changes(published: Published, source: str, console: Console) -> None:
    edits = published.edits_of(source)
    console.print()
    if not edits:
        console.print("Cleaning changed nothing.")
        return
    console.print(Text(f"{len(edits):,} {'change' if len(edits) == 1 else 'changes'}", "bold"))
    for change in changes_in_context(published.text(source), edits, edits[:SHOWN_CHANGES]):
        rule = f"{change['stage']} / {change['rule']}"
        console.print(say("  ", (rule, "bold"), (f"  {change['action']} at {change['start']:,}", "dim")))
        console.print(Padding(_in_words(change), (0, 0, 1, 4)))
    if len(edits) > SHOWN_CHANGES:
        console.print(f"  … and {len(edits) - SHOWN_CHANGES:,} more; `clean-corpus review` shows them all.")


def _in_words(change: Mapping[str, Any]) -> Text:
    """One change with the text around it: what was taken out struck, with signs that need no colour."""
    left, right, before, after = (_LINE_END.sub(" ↵ ", change[name]) for name in ("left", "right", "before", "after"))
    made = say((f"…{left}" if left else "", "dim"))
    if change["action"] == "flagged":
        made.append_text(say(("⟦?", "yellow"), (before, "yellow underline"), ("?⟧", "yellow")))
    else:
        made.append_text(say(("⟦-", "red"), (before, "red strike"), ("-⟧", "red")))
        if after:
            made.append_text(say(("⟦+", "green"), (after, "green"), ("+⟧", "green")))
    made.append_text(say((f"{right}…" if right else "", "dim")))
    return made
