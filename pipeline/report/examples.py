"""Examples of what each rule did, in context: chosen without bias, spread over sites, rebuilt by undoing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pipeline.document import Edit, undo
from pipeline.report.summary import Removed
from pipeline.report.tables import Sources, Table

SHOWN_EXAMPLES = 6  # of each rule
CONTEXT = 90  # characters before and after an edit
LONGEST_QUOTE = 600  # characters of the removed text itself


def edit_from(row: Mapping[str, Any]) -> Edit:
    """One row of `edits.parquet` as an `Edit`."""
    return Edit(
        row["stage"], row["rule"], row["action"], row["start"], row["before"] or "", row["after"] or "", row["step"]
    )


def text_at(final: str, edits: Iterable[Edit], step: int) -> str:
    """The text that `step` was given: every edit of that step and later undone. Raises ValueError as `undo` does."""
    return undo(final, [edit for edit in edits if edit.step >= step])


def in_context(edit: Edit, final: str | None, edits: Sequence[Edit]) -> dict[str, Any]:
    """The edit with the text around it; without, if the document's text is not to be had."""
    around = {"left": "", "right": ""}
    if final is not None:
        try:
            text = text_at(final, edits, edit.step)
        except ValueError:
            text = None
        if text is not None:
            end = edit.start + len(edit.before)
            around = {"left": text[max(0, edit.start - CONTEXT) : edit.start], "right": text[end : end + CONTEXT]}
    return {
        "action": edit.action,
        "before": shorten(edit.before),
        "after": shorten(edit.after),
        **around,
    }


def shorten(text: str, limit: int = LONGEST_QUOTE) -> str:
    """A long quotation with its middle left out."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - limit // 3]} […] {text[-limit // 3 :]}"


def spread(rows: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Up to `limit` of `rows`: different removed texts first, each site in turn, in the order given."""
    fresh: dict[Any, list[dict[str, Any]]] = {}
    again: list[dict[str, Any]] = []
    quoted: set[str] = set()
    for row in rows:
        if row["before"] in quoted:
            again.append(row)
        else:
            quoted.add(row["before"])
            fresh.setdefault(row["site"], []).append(row)
    chosen: list[dict[str, Any]] = []
    queues = list(fresh.values())
    while queues and len(chosen) < limit:
        chosen += [queue.pop(0) for queue in queues]
        queues = [queue for queue in queues if queue]
    return (chosen + again)[:limit]


def describe(names: Collection[str], manifest: Table, sources: Sources) -> dict[str, dict[str, Any]]:
    """What the manifest says of some documents."""
    at = {name: row for name in names if (row := sources.row(name)) is not None}
    columns = ["site", "language", "status", "canonical_source"]
    found = dict(zip(at, manifest.take(list(at.values()), columns), strict=True))
    return {name: found.get(name, {"site": None, "language": None}) for name in names}


def choose_examples(
    removed: Removed, edits: Table, manifest: Table, sources: Sources, final_text: Callable[[str, Any], str | None]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Examples of every rule. `final_text(source, manifest row)` gives a document's cleaned text, None if unknown."""
    pools = {name: [row for _, row in totals.pool] for name, totals in removed.rules.items()}
    wanted = sorted({row for rows in pools.values() for row in rows})
    read = dict(zip(wanted, edits.take(wanted), strict=True))
    about = describe({row["source"] for row in read.values()}, manifest, sources)
    chosen = {
        name: spread([{**read[row], "site": about[read[row]["source"]]["site"]} for row in rows], SHOWN_EXAMPLES)
        for name, rows in pools.items()
    }
    of_source = edits.rows_of("source", {row["source"] for rows in chosen.values() for row in rows})
    made: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name, rows in chosen.items():
        made[name] = []
        for row in rows:
            source = row["source"]
            all_edits = [edit_from(other) for other in of_source[source]]
            example = in_context(edit_from(row), final_text(source, about[source]), all_edits)
            made[name].append(
                {"source": source, "site": row["site"], "language": about[source].get("language"), **example}
            )
    return made
