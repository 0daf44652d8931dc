"""A person's decisions: `decisions.jsonl`, one JSON object a line, only ever appended to.

The review app writes them, the next run reads them. A decision that is taken back is not deleted: a line of
kind `undo` names it. Where two decisions contradict each other the later one counts, and of two about one
line of text the narrower scope does (document before site before everywhere).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.document import plain_line as normal_line

__all__ = [
    "Decision",
    "Decisions",
    "append_decision",
    "new_decision",
    "normal_line",
    "parse_decisions",
    "read_decisions",
]

Kind = Literal["not-duplicates", "duplicates", "keep-this", "keep-line", "remove-line", "reject", "restore", "undo"]
Scope = Literal["document", "site", "everywhere"]
Pair = tuple[str, str]

FILE_NAME = "decisions.jsonl"
KINDS: tuple[str, ...] = get_args(Kind)
_PAIR_KINDS = ("not-duplicates", "duplicates", "keep-this")
_LINE_KINDS = ("keep-line", "remove-line")
_SCOPES: tuple[Scope, ...] = ("everywhere", "site", "document")  # widest first: narrower ones override
MAX_LINE_BYTES = 1_000_000  # one decision; a longer line in the file is damage, not a decision


class Decision(BaseModel):
    """One decision. `source` is the document it is about, `other` the second one of a pair.

    For `keep-this`, `source` is the document to keep and `other` the one kept until now. `line` is the text of a
    line as `normal_line` gives it, `site` the site that scope `site` speaks of, `undoes` the id an `undo` takes back.
    `when` is ISO 8601 in UTC. Keys of later versions are let through and ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=100)
    kind: Kind
    who: str = ""
    when: str
    source: str | None = None
    other: str | None = None
    line: str | None = None
    scope: Scope | None = None
    site: str | None = None
    undoes: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Decision:
        """Each kind has what it needs; pydantic turns the ValueError into one message."""
        if self.kind == "undo":
            if not self.undoes:
                raise ValueError('an "undo" names the id of the decision in "undoes"')
            return self
        if self.kind in _PAIR_KINDS and (not self.source or not self.other or self.source == self.other):
            raise ValueError(f'"{self.kind}" needs two different documents, "source" and "other"')
        if self.kind in ("reject", "restore") and not self.source:
            raise ValueError(f'"{self.kind}" needs a "source"')
        if self.kind in _LINE_KINDS:
            if not self.line or not normal_line(self.line):
                raise ValueError(f'"{self.kind}" needs a "line"')
            missing = {"document": self.source, "site": self.site, "everywhere": "-", None: None}[self.scope]
            if not missing:
                raise ValueError(f'"{self.kind}" needs a "scope", and the "source" or "site" that the scope speaks of')
        return self

    @property
    def subject(self) -> tuple[str, ...]:
        """What the decision is about: of two decisions with one subject, the later one counts."""
        if self.kind in ("not-duplicates", "duplicates"):
            return ("pair", *_pair(self))
        if self.kind == "keep-this":
            return ("keep", *_pair(self))
        if self.kind in _LINE_KINDS:
            where = {"document": self.source, "site": self.site}.get(str(self.scope), "")
            return ("line", str(self.scope), where or "", normal_line(self.line or ""))
        return ("document", self.source or "")

    def as_json(self) -> str:
        """One line of `decisions.jsonl`, pure ASCII, without the line break."""
        return json.dumps(self.model_dump(exclude_none=True), ensure_ascii=True, separators=(",", ":"))


def new_decision(kind: Kind, *, who: str, note: str = "", **subject: Any) -> Decision:
    """Make a decision now, with a fresh id. `subject`: source, other, line, scope, site, undoes.

    Raises ValueError (pydantic's ValidationError is one) when the kind lacks what it needs.
    """
    if subject.get("line") is not None:
        subject["line"] = normal_line(subject["line"])
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Decision(id=uuid.uuid4().hex, kind=kind, who=who, when=when, note=note, **subject)


@dataclass(frozen=True)
class Decisions:
    """The decisions of one file, in file order. `problems` says which lines could not be used, and why."""

    all: tuple[Decision, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def undone(self) -> frozenset[str]:
        """Ids taken back. An undo can itself be undone: read from the end, each undo that stands cancels its target."""
        cancelled: set[str] = set()
        for decision in reversed(self.all):
            if decision.kind == "undo" and decision.undoes and decision.id not in cancelled:
                cancelled.add(decision.undoes)
        return frozenset(cancelled)

    @cached_property
    def standing(self) -> tuple[Decision, ...]:
        """The decisions that count: not undone, and the latest on their subject; in file order, without undos."""
        latest: dict[tuple[str, ...], Decision] = {}
        for decision in self.all:
            if decision.kind != "undo" and decision.id not in self.undone:
                latest.pop(decision.subject, None)
                latest[decision.subject] = decision
        return tuple(latest.values())

    @cached_property
    def digest(self) -> str:
        """A digest of the decisions that count: the same digest, the same effect."""
        return hashlib.sha256("\n".join(decision.as_json() for decision in self.standing).encode()).hexdigest()[:32]

    def never_pairs(self) -> frozenset[Pair]:
        """Pairs that are not duplicates, whatever the evidence: (smaller source, larger source)."""
        return frozenset(_pair(decision) for decision in self._of("not-duplicates"))

    def always_pairs(self) -> frozenset[Pair]:
        """Pairs that are duplicates, whatever the evidence: (smaller source, larger source)."""
        return frozenset(_pair(decision) for decision in self._of("duplicates"))

    def preferred(self) -> Mapping[str, int]:
        """Documents to keep rather than others of their cluster: source → rank, 0 for the latest decision."""
        latest_first = reversed([decision.source or "" for decision in self._of("keep-this")])
        return {source: rank for rank, source in enumerate(dict.fromkeys(latest_first))}

    def rejected(self) -> frozenset[str]:
        """Give the sources that a person rejected."""
        return frozenset(decision.source or "" for decision in self._of("reject"))

    def restored(self) -> frozenset[str]:
        """Give the sources to keep, whatever a rule or a cluster says."""
        return frozenset(decision.source or "" for decision in self._of("restore"))

    def kept_lines(self, source: str, site: str | None) -> frozenset[str]:
        """Lines (as `normal_line` gives them) that no rule may remove from this document."""
        return self._lines(source, site)["keep-line"]

    def removed_lines(self, source: str, site: str | None) -> frozenset[str]:
        """Lines (as `normal_line` gives them) to remove from this document wherever they stand."""
        return self._lines(source, site)["remove-line"]

    def touches_lines(self) -> bool:
        """Whether any decision speaks of lines: if not, no document need be asked."""
        return bool(self._line_verdicts)

    @cached_property
    def _line_verdicts(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """(scope, source or site or "") → line → kind."""
        verdicts: dict[tuple[str, str], dict[str, str]] = {}
        for decision in self._of("keep-line", "remove-line"):
            _, scope, where, line = decision.subject
            verdicts.setdefault((scope, where), {})[line] = decision.kind
        return verdicts

    def _lines(self, source: str, site: str | None) -> dict[str, frozenset[str]]:
        where = {"everywhere": "", "site": site, "document": source}
        verdict: dict[str, str] = {}
        for scope in _SCOPES:
            place = where[scope]
            if place is not None:
                verdict |= self._line_verdicts.get((scope, place), {})
        return {kind: frozenset(line for line, said in verdict.items() if said == kind) for kind in _LINE_KINDS}

    def _of(self, *kinds: str) -> Iterable[Decision]:
        return [decision for decision in self.standing if decision.kind in kinds]


def parse_decisions(data: bytes, origin: str = FILE_NAME) -> Decisions:
    """Read decisions from the bytes of a file; what cannot be used becomes a problem, never an error.

    A torn last line (the machine stopped while it was written), a kind this version does not know, a missing field.
    """
    decisions: list[Decision] = []
    problems: list[str] = []
    seen: set[str] = set()
    lines = data.split(b"\n")
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        where = f"{origin} line {number}"
        try:
            if len(raw) > MAX_LINE_BYTES:
                raise ValueError(f"longer than {MAX_LINE_BYTES:,} bytes")
            values = json.loads(raw)
            json.dumps(values, ensure_ascii=False).encode()  # half a surrogate pair names no document
        except (ValueError, RecursionError) as error:
            torn = number == len(lines)
            fault = "half a line: the writer was stopped" if torn else f"not JSON ({error})"
            problems.append(f"{where}: {fault}. It is ignored; decide again in `clean-corpus review`.")
            continue
        problem = _fault(values, seen)
        if problem is None:
            try:
                decision = Decision.model_validate(values)
            except ValidationError as error:
                problem = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
            else:
                decisions.append(decision)
                seen.add(decision.id)
                continue
        problems.append(f"{where}: {problem}. It is ignored; the line stays in the file.")
    return Decisions(tuple(decisions), tuple(problems))


def _fault(values: Any, seen: set[str]) -> str | None:
    """Say what is wrong with one line before its fields are looked at, or None."""
    if not isinstance(values, dict):
        return "not a JSON object"
    if values.get("kind") not in KINDS:
        return f"unknown kind {values.get('kind')!r} (made by a later version?)"
    if values.get("id") in seen:
        return f"a second decision with id {values['id']!r}"
    if values["kind"] == "undo" and values.get("undoes") not in seen:
        return f"it undoes {values.get('undoes')!r}, which is no earlier decision"
    return None


def read_decisions(path: Path) -> Decisions:
    """Read the decisions in a local file; none if there is no such file. Raises OSError if it cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Decisions()
    return parse_decisions(data, path.name)


def append_decision(path: Path, decision: Decision) -> None:
    """Put one decision at the end of the file; on disk when this returns, whole or not at all.

    Two writers never interleave (an exclusive lock on the file, one write in append mode). If an earlier writer left
    half a line, it is closed first, so that it spoils only itself. Raises OSError when the disk refuses; the file is
    then as it was.
    """
    line = decision.as_json().encode("ascii") + b"\n"
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(f"{path}: only {written} of {len(line)} bytes were written. Make room and decide again.")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _pair(decision: Decision) -> Pair:
    first, second = decision.source or "", decision.other or ""
    return (first, second) if first <= second else (second, first)
