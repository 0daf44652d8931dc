"""From a form of the review app to decisions in decisions.jsonl, and what each decision waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import unquote

from pipeline.decisions import (
    FILE_NAME,
    Decision,
    Decisions,
    Kind,
    append_decision,
    new_decision,
    normal_line,
    read_decisions,
)

NOTE_CHARACTERS = 2_000
LINES_AT_ONCE = 50  # decisions that one form about a removed passage may make
WORDS = {
    "not-duplicates": "not duplicates",
    "duplicates": "duplicates after all",
    "keep-this": "keep this one instead",
    "keep-line": "keep this line",
    "remove-line": "always remove this line",
    "reject": "reject",
    "restore": "restore",
    "undo": "undo",
}


@dataclass(frozen=True)
class Told:
    """A decision and how it stands: `pending`, `effective`, `not-applicable`, `undone`, `replaced`, `undo pending`."""

    decision: Decision
    state: str
    why: str = ""


def decide(clean: Path, form: Mapping[str, str], who: str, published: Any) -> list[Decision]:
    """Write the decision that a form asks for; a passage of several lines makes one for each.

    `source`, `other` and `line` come percent-encoded (`templating.packed`), `typed` is a line that a person wrote.

    Raises ValueError that says what the form lacks, OSError when the disk refuses.
    """
    kind = form.get("kind", "")
    if kind not in get_args(Kind):
        raise ValueError(f"no such decision: {kind}")
    fields: dict[str, Any] = {name: unquote(form[name]) for name in ("source", "other") if form.get(name)}
    for name in ("source", "other"):
        if name in fields and published.document(fields[name]) is None:
            raise ValueError(f"no document {fields[name]} in this corpus")
    note = form.get("note", "")[:NOTE_CHARACTERS].strip()
    made: list[Decision] = []
    if kind == "undo":
        if form.get("undoes") not in {decision.id for decision in read_decisions(clean / FILE_NAME).all}:
            raise ValueError("the decision to undo is not in decisions.jsonl")
        made = [new_decision("undo", who=who, note=note, undoes=form["undoes"])]
    elif kind in ("keep-line", "remove-line"):
        scope = form.get("scope", "")
        if scope == "site":
            about = published.document(fields["source"]) if "source" in fields else None
            fields["site"] = about["site"] if about else None
        said = unquote(form.get("line", "")) or form.get("typed", "")
        lines = list(dict.fromkeys(line for line in map(normal_line, said.splitlines()) if line))
        if not lines or len(lines) > LINES_AT_ONCE:
            raise ValueError(f"give 1 to {LINES_AT_ONCE} lines")
        made = [
            new_decision(cast("Kind", kind), who=who, note=note, scope=scope or None, line=line, **fields)
            for line in lines
        ]
    else:
        made = [new_decision(cast("Kind", kind), who=who, note=note, **fields)]
    for decision in made:
        append_decision(clean / FILE_NAME, decision)
    return made


def tell(decisions: Decisions, report: Mapping[str, Any]) -> list[Told]:
    """Every decision but the undos, the latest first, with its state by the last run's report."""
    reported = {row["id"]: row for row in report.get("decisions", [])}
    standing = {decision.id for decision in decisions.standing}
    told = []
    for decision in reversed(decisions.all):
        if decision.kind == "undo":
            continue
        seen = reported.get(decision.id)
        if decision.id in decisions.undone:
            state = "undo pending" if seen and seen["state"] == "effective" else "undone"
        elif decision.id not in standing:
            state = "replaced"
        else:
            state = seen["state"] if seen else "pending"
        told.append(Told(decision, state, (seen or {}).get("why") or ""))
    return told


def about_document(told: list[Told], source: str) -> list[Told]:
    """Those that name a document."""
    return [one for one in told if source in (one.decision.source, one.decision.other)]
