"""The document and the record of what was done to it.

A `Document` is a value: a stage takes one and gives one. What a stage changed is kept on the
document as `Edit`s, so that every change can be shown and undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Action = Literal["removed", "replaced", "flagged"]
Kind = Literal["html", "text", "markdown"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Edit(NamedTuple):
    """One change, or one flag, made by one rule. A tuple, because a document may have thousands.

    `start` counts characters (code points) in the text that the stage was given; `before` is what
    stood there and `after` what stands there now. A flag changes nothing: `after == before`.
    `step` numbers the stage applications of one document from 0: a stage that runs twice has two steps.
    """

    stage: str
    rule: str
    action: Action
    start: int
    before: str
    after: str
    step: int = 0


class Change(NamedTuple):
    """What a stage proposes: replace `text[start:end]` by `after`, by this rule. `flag=True` changes nothing."""

    start: int
    end: int
    after: str
    rule: str
    flag: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One document on its way through the stages.

    `source` is its path relative to RAW (`news/a.txt`, `feed.jsonl#12`); `kind` says what `text`
    holds now (`html` until the extract stage has run). Fields that nobody stated are None.
    `metadata` holds what else the document said of itself (front matter, JSON fields), JSON-able.
    """

    source: str
    text: str
    kind: Kind = "text"
    title: str | None = None
    url: str | None = None
    date: str | None = None
    author: str | None = None
    language: str | None = None
    site: str | None = None
    record_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    edits: tuple[Edit, ...] = ()
    steps: int = 0
    protected: frozenset[str] = frozenset()  # lines, as `plain_line` gives them, that a person wants kept

    def edited(self, stage: str, changes: Iterable[Change]) -> Document:
        """This document after `changes`, each recorded as an `Edit`; the same object if there are none.

        `changes` may come in any order but must not overlap (two insertions at one place overlap).
        A change whose `after` equals what stands there is dropped, unless it is a flag. A removal spares the lines
        that are `protected`: what lies around them is removed, they are not.
        Raises ValueError on overlap or on offsets outside the text.
        """
        ordered = sorted(changes, key=lambda change: (change.start, change.end))
        if ordered and self.protected:
            ordered = [spared for change in ordered for spared in _sparing(change, self.text, self.protected)]
        if not ordered:
            return self
        text, position, pieces, edits = self.text, 0, [], []
        for change in ordered:
            if change.flag:
                quoted = text[change.start : change.end]
                edits.append(Edit(stage, change.rule, "flagged", change.start, quoted, quoted, self.steps))
                continue
            if change.start < position or change.end < change.start or change.end > len(text):
                raise ValueError(f"{self.source}: {stage}/{change.rule} overlaps or leaves the text at {change.start}")
            before = text[change.start : change.end]
            if before == change.after:
                continue
            action: Action = "replaced" if change.after else "removed"
            edits.append(Edit(stage, change.rule, action, change.start, before, change.after, self.steps))
            pieces.append(text[position : change.start])
            pieces.append(change.after)
            position = change.end
        if not edits:
            return self
        pieces.append(text[position:])
        return replace(self, text="".join(pieces), edits=(*self.edits, *edits), steps=self.steps + 1)

    def with_fields(self, **fields: Any) -> Document:
        """This document with some of its fields (title, url, date, …) set; the text is not a field."""
        if "text" in fields:
            raise ValueError("text changes only through edited()")
        return replace(self, **fields)


def plain_line(line: str) -> str:
    r"""A line as decisions compare it: no white space at its ends, single spaces within.

    >>> plain_line("  Also\u00a0Read:  the   tide \n")
    'Also Read: the tide'
    """
    return " ".join(line.split())


def _sparing(change: Change, text: str, protected: frozenset[str]) -> list[Change]:
    """The change, or where it would remove a protected line the pieces of it around that line."""
    if change.flag or change.after:
        return [change]
    start = text.rfind("\n", 0, change.start) + 1  # the whole lines that the change touches
    pieces, begin = [], change.start
    while start < change.end:
        stop = text.find("\n", start) + 1 or len(text)
        if plain_line(text[start:stop]) in protected:
            if start > begin:
                pieces.append(Change(begin, start, "", change.rule))
            begin = stop
        start = stop
    if begin < change.end:
        pieces.append(Change(begin, change.end, "", change.rule))
    return pieces


def undo(text: str, edits: Sequence[Edit]) -> str:
    """The text as it was before `edits` were made, step by step backwards.

    >>> done = Document("a.txt", "One. Two.. Three.").edited("garbled", [Change(8, 10, ".", "double-stop")])
    >>> done.text, undo(done.text, done.edits)
    ('One. Two. Three.', 'One. Two.. Three.')

    Raises ValueError where the text is not what the edits left behind.
    """
    for step in sorted({edit.step for edit in edits}, reverse=True):
        shift, position, pieces = 0, 0, []
        made = [edit for edit in edits if edit.step == step and edit.action != "flagged"]
        for edit in sorted(made, key=lambda edit: (edit.start, len(edit.before))):
            at = edit.start + shift
            if text[at : at + len(edit.after)] != edit.after or at < position:
                raise ValueError(f"{edit.stage}/{edit.rule}: the text does not hold {edit.after!r} at {at}")
            pieces.append(text[position:at])
            pieces.append(edit.before)
            position = at + len(edit.after)
            shift += len(edit.after) - len(edit.before)
        pieces.append(text[position:])
        text = "".join(pieces)
    return text
