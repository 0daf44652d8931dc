"""A batch of slices in, cleaned and sketched documents out, as part files; and the same again for learned lines."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import workers
from pipeline.config import Config
from pipeline.corpus.parts import Batch, Span, commit_batch, read_documents, write_part
from pipeline.corpus.tables import LINES, PART
from pipeline.decisions import Decisions
from pipeline.dedup import sketch_batch
from pipeline.document import Document, Edit
from pipeline.errors import DocumentError, DocumentFailed
from pipeline.run.cleaning import Stopwatch, clean_document, clean_in_rounds, with_line_decisions
from pipeline.run.guarding import STORE, STORE_ALLOWANCE, Place, too_much_memory
from pipeline.run.tasks import Begun, CleanTask, FinishTask, digest
from pipeline.sources import RawDocument, Slice, read, to_document
from pipeline.stages.boilerplate import anchor_key, line_keys

PART_CHARACTERS = 16_000_000  # a part of a streamed container is closed at this size, to bound memory
CAREFUL_CHARACTERS = 1_000_000  # and at this, where storing a part of that size failed


def declared_origins(document: Document) -> tuple[str, ...]:
    """Where the document says it is from: url, videoId, guid, doi. Copies of one origin are likely one text."""
    said = [document.url, *(document.metadata.get(name) for name in ("videoId", "video_id", "guid", "doi"))]
    return tuple(str(value).strip() for value in said if value not in (None, ""))


def text_sha256(text: str) -> str:
    """SHA-256 (hex) of the text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def document_row(document: Document, **more: Any) -> dict[str, Any]:
    """A document as a row of `PART`."""
    origins = declared_origins(document)
    return {
        "source": document.source,
        "record_id": document.record_id,
        "kind": document.kind,
        "title": document.title,
        "url": document.url,
        "date": document.date,
        "author": document.author,
        "language": document.language,
        "site": document.site,
        "metadata": json.dumps(dict(document.metadata), ensure_ascii=False, sort_keys=True, default=str),
        "text": document.text,
        "edits": [
            {
                "stage": e.stage,
                "rule": e.rule,
                "action": e.action,
                "start": e.start,
                "before": e.before,
                "after": e.after,
                "step": e.step,
            }
            for e in document.edits
        ],
        "steps": document.steps,
        "characters_out": len(document.text),
        "clean_sha256": text_sha256(document.text),
        "origin": int(digest(*origins[:1])[:16], 16) if origins else 0,
        "passing": False,
        "learned": 0,
        **more,
    }


class PartBuilder:
    """Gathers cleaned documents and writes them as parts of one batch."""

    def __init__(self, folder: Path, name: str, config: Config, watch: Stopwatch, characters: int) -> None:
        self.folder, self.name, self.config, self.watch, self.most = folder, name, config, watch, characters
        self.rows: list[dict[str, Any]] = []
        self.documents: list[Document | None] = []
        self.characters = 0
        self.parts: list[str] = []
        self.units: dict[str, list[Span]] = {}
        self.again: set[str] = set()

    def add(self, unit: str, row: dict[str, Any], document: Document | None) -> bool:
        """One document, or a row that says why there is none. Gives whether a part was closed and stored."""
        part = self._part()
        spans = self.units.setdefault(unit, [])
        if spans and spans[-1].part == part:
            spans[-1] = Span(part, spans[-1].first, spans[-1].count + 1)
        else:
            spans.append(Span(part, len(self.rows), 1))
        if row["passing"]:
            self.again.add(unit)
        self.rows.append(row)
        self.documents.append(document)
        self.characters += len(row.get("text") or "")
        if self.characters >= self.most:
            self.close_part()
            return True
        return False

    def _part(self) -> str:
        return f"{self.name}-{len(self.parts):04d}"

    def close_part(self) -> None:
        """Writes what was gathered since the last part."""
        if not self.rows:
            return
        workers.at(STORE, len(self.parts), STORE_ALLOWANCE)
        start = time.perf_counter()
        lines = part_lines(self.documents, self.config)
        sketch = part_sketch(self.documents, self.config)
        self.watch.seconds["sketch"] = self.watch.seconds.get("sketch", 0.0) + time.perf_counter() - start
        start = time.perf_counter()
        write_part(self.folder, self._part(), self.rows, lines, sketch)
        self.watch.seconds["write"] = self.watch.seconds.get("write", 0.0) + time.perf_counter() - start
        self.parts.append(self._part())
        self.rows, self.documents, self.characters = [], [], 0


def part_lines(documents: Sequence[Document | None], config: Config) -> pa.Table | None:
    """The lines of a part that may turn out to recur; None where nothing is learned."""
    if not config.boilerplate.learn or "boilerplate" not in config.stages:
        return None
    columns: dict[str, list[Any]] = {name: [] for name in LINES.names}
    for row, document in enumerate(documents):
        keys = line_keys(document) if document is not None else ()
        if document is None or not keys:
            continue
        anchor, site = anchor_key(document), document.site
        for key, line in keys:
            columns["row"].append(row)
            columns["site"].append(site)
            columns["key"].append(signed(key))
            columns["line"].append(line)
            columns["anchor"].append(signed(anchor))
    return pa.table(columns, schema=LINES)


def part_sketch(documents: Sequence[Document | None], config: Config) -> pa.Table | None:
    """The sketches of a part, an empty one where there is no document; None where nothing is matched."""
    if not config.dedup:
        return None
    texts = [d.text if d is not None else "" for d in documents]
    titles = [d.title if d is not None else None for d in documents]
    origins = [declared_origins(d) if d is not None else () for d in documents]
    return sketch_batch(texts, titles, origins, config)


def try_alone(row: Mapping[str, Any], document: Document, config: Config, watch: Stopwatch) -> None:
    """Does with one document what storing a part does with many, so that it is known which of them stops it."""
    watch.enter("sketch")
    part_lines([document], config)
    part_sketch([document], config)
    pa.Table.from_pylist([row], schema=PART)


def signed(key: int) -> int:
    """A 64-bit key as Parquet's int64 holds it."""
    key &= 2**64 - 1
    return key - 2**64 if key >= 2**63 else key


def raw_documents(
    task: CleanTask, config: Config, abandoned: Mapping[int, DocumentFailed]
) -> Iterator[tuple[str, str, RawDocument]]:
    """Every document of the task with the key of its unit and the path of its file, in order.

    `abandoned` gives, by ordinal, where reading stopped a worker before: the rest of that slice becomes one failed row.
    """
    ordinal = 0
    for unit, piece in task.slices:
        reader, index = read(piece, config), 0
        while True:
            workers.at("read", ordinal)
            workers.doing("reading")
            try:
                if ordinal in abandoned:
                    raise abandoned[ordinal]
                raw = next(reader)
            except StopIteration:
                break
            except Exception as error:
                how = getattr(error, "reason", None) or (
                    f"reading: {too_much_memory(config)}"
                    if isinstance(error, MemoryError)
                    else f"reading: {type(error).__name__}: {error}"
                )
                fault = DocumentFailed(how[:500], getattr(error, "passing", False))
                yield unit, piece.file.path, unreadable(piece, index, fault)
                ordinal += 1
                break
            yield unit, piece.file.path, raw
            ordinal, index = ordinal + 1, index + 1


def unreadable(piece: Slice, index: int, fault: DocumentFailed) -> RawDocument:
    """The row for a file, or for what is left of a container, that cannot be read."""
    path = piece.file.path
    source = path if index == 0 and piece.start == 0 else f"{path}#{piece.first + index} and after"
    return RawDocument(
        source=source,
        index=piece.first + index,
        format="text",
        data=b"",
        kind="text",
        error=fault,
    )


def clean_batch(
    task: CleanTask,
    folder: str,
    config: Config,
    decisions: Decisions,
    begun: Begun,
    stopped: Mapping[Place, DocumentFailed],
    careful: bool,
) -> tuple[str, int, dict[str, float]]:
    """Cleans a batch in this process: its name, how many documents it holds, seconds by stage.

    `begun` is what an earlier call stored; `stopped` gives the places (reading, cleaning, sketching; ordinal in the
    batch) that stopped a worker before, with their faults. `careful` sketches each document alone before all together.
    Runs in a worker: it says at which document it is before it touches it.
    """
    abandoned = {ordinal: fault for (doing, ordinal), fault in stopped.items() if doing == "read"}
    watch = Stopwatch()
    builder = PartBuilder(Path(folder), task.name, config, watch, CAREFUL_CHARACTERS if careful else PART_CHARACTERS)
    builder.parts = list(begun.parts)
    builder.units = {unit: list(spans) for unit, spans in begun.units.items()}
    builder.again = set(begun.again)
    source, ordinal = raw_documents(task, config, abandoned), 0
    while True:
        start = time.perf_counter()
        following = next(source, None)
        watch.seconds["read"] = watch.seconds.get("read", 0.0) + time.perf_counter() - start
        if following is None:
            break
        unit, path, raw = following
        if ordinal >= begun.documents:
            workers.at("clean", ordinal)
            fault = stopped.get(("clean", ordinal)) or stopped.get(("sketch", ordinal))
            row, document = _clean_one(raw, path, config, decisions, watch, fault)
            if careful and document is not None:
                workers.at("sketch", ordinal)
                try:
                    try_alone(row, document, config, watch)
                except Exception as error:
                    row, document = _without_document(raw, row, error, config, watch), None
            if builder.add(unit, row, document):
                spans = {key: tuple(spans) for key, spans in builder.units.items()}
                workers.stored(Begun(ordinal + 1, tuple(builder.parts), spans, frozenset(builder.again)))
        ordinal += 1
    builder.close_part()
    units = {unit: tuple(builder.units.get(unit, ())) for unit, _ in task.slices}
    again = frozenset(builder.again)
    commit_batch(Path(folder), Batch(task.name, tuple(builder.parts), units, watch.seconds, again))
    return task.name, ordinal, watch.seconds


def _clean_one(
    raw: RawDocument, path: str, config: Config, decisions: Decisions, watch: Stopwatch, stopped: DocumentFailed | None
) -> tuple[dict[str, Any], Document | None]:
    """One raw document as a row of `PART`, and the cleaned document if it is one."""
    row: dict[str, Any] = {
        "path": path,
        "index": raw.index,
        "format": raw.format,
        "raw_sha256": raw.sha256,
        "characters_in": 0,
        "reason": None,
    }
    try:
        if stopped is not None:
            raise stopped
        watch.enter("decoding")
        start = time.perf_counter()
        document, charset, newlines = to_document(raw)
        watch.seconds["read"] = watch.seconds.get("read", 0.0) + time.perf_counter() - start
        row.update(charset=charset, newlines=newlines, characters_in=len(document.text))
        document = clean_document(document, config, watch, decisions, path)
        return document_row(document, status="clean", **row), document
    except Exception as error:
        return _without_document(raw, row, error, config, watch), None


def _without_document(
    raw: RawDocument, row: Mapping[str, Any], error: Exception, config: Config, watch: Stopwatch
) -> dict[str, Any]:
    """The row of a document that `error` stopped: as far as it came, and why."""
    if isinstance(error, DocumentError):
        status, reason = error.status, error.reason
    elif isinstance(error, MemoryError):
        status, reason = "failed", f"{watch.stage}: {too_much_memory(config)}"
    elif isinstance(error, RecursionError):
        status, reason = "failed", f"{watch.stage}: nested too deep to be read"
    else:
        status, reason = "failed", f"{watch.stage}: {type(error).__name__}: {error}"[:500]
    fields = raw.fields
    kept = ("path", "index", "format", "raw_sha256", "characters_in", "charset", "newlines")
    return {
        **{name: row[name] for name in kept if name in row},
        "source": raw.source,
        "record_id": fields.get("record_id"),
        "status": status,
        "reason": reason,
        "kind": raw.kind,
        "title": _text_or_none(fields.get("title")),
        "url": _text_or_none(fields.get("url")),
        "date": _text_or_none(fields.get("date")),
        "edits": [],
        "steps": 0,
        "characters_out": 0,
        "origin": 0,
        "passing": getattr(error, "passing", False),
        "learned": 0,
    }


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def document_of_row(row: dict[str, Any]) -> Document:
    """The document that a row of `PART` holds."""
    return Document(
        source=row["source"],
        text=row["text"],
        kind=row["kind"],
        title=row["title"],
        url=row["url"],
        date=row["date"],
        author=row["author"],
        language=row["language"],
        site=row["site"],
        record_id=row["record_id"],
        metadata=json.loads(row["metadata"]) if row["metadata"] else {},
        edits=tuple(Edit(**edit) for edit in row["edits"]),
        steps=row["steps"],
    )


def finish_batch(
    task: FinishTask,
    folder: str,
    config: Config,
    decisions: Decisions,
    stopped: Mapping[Place, DocumentFailed],
    careful: bool,
) -> str:
    """Cleans some documents of a part again, now with the learned lines; gives the name of the batch they make."""
    watch = Stopwatch()
    table = read_documents(Path(folder), task.part, rows=np.array(task.rows))
    finished: list[dict[str, Any]] = []
    documents: list[Document | None] = []
    for ordinal, (row, learned) in enumerate(zip(table.to_pylist(), task.lines, strict=True)):
        row = {**row, "learned": int(digest(repr(learned))[:16], 16)}
        document = None
        if row["status"] == "clean":
            workers.at("clean", ordinal)
            try:
                if ("clean", ordinal) in stopped or ("sketch", ordinal) in stopped:
                    raise stopped.get(("clean", ordinal)) or stopped["sketch", ordinal]
                document = with_line_decisions(document_of_row(row), decisions)
                document = clean_in_rounds(document, config, frozenset(learned), watch)
                row.update(document_row(document, learned=row["learned"]))
                if careful:
                    workers.at("sketch", ordinal)
                    try_alone(row, document, config, watch)
            except (DocumentError, MemoryError) as error:
                status, reason = getattr(error, "status", "failed"), getattr(error, "reason", None)
                reason = reason or f"{watch.stage}: {too_much_memory(config)}"
                passing = getattr(error, "passing", False)
                row.update(
                    status=status, reason=reason, text=None, characters_out=0, clean_sha256=None, passing=passing
                )
                document = None
        finished.append(row)
        documents.append(document)
    workers.at(STORE, 0, STORE_ALLOWANCE)
    part = f"{task.name}-0000"
    write_part(Path(folder), part, finished, None, part_sketch(documents, config))
    units, again, first = {}, set(), 0
    for key, count in task.units:
        units[key] = (Span(part, first, count),)
        if any(row["passing"] for row in finished[first : first + count]):
            again.add(key)
        first += count
    commit_batch(Path(folder), Batch(task.name, (part,), units, watch.seconds, frozenset(again)))
    return task.name
