"""The first pass: a batch of slices in, cleaned and sketched documents out, as part files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import workers
from pipeline.config import Config
from pipeline.corpus.parts import Batch, Span, commit_batch, write_part
from pipeline.corpus.tables import LINES, PART
from pipeline.decisions import Decisions
from pipeline.dedup import sketch_batch
from pipeline.document import Change, Document, plain_line
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.run.guarding import STORE, STORE_ALLOWANCE, guarded, too_much_memory
from pipeline.sources import RawDocument, Slice, read, to_document
from pipeline.stages.boilerplate import anchor_key, line_keys, strip_boilerplate
from pipeline.stages.encoding import fix_encoding
from pipeline.stages.extract import extract_html
from pipeline.stages.garbled import mend_garbled
from pipeline.stages.language import identify_language
from pipeline.stages.markup import strip_markup
from pipeline.stages.repeats import strip_repeats

ROUNDS = 3  # boilerplate → repeats → garbled run again while they change the text; more than two is rare
IN_ROUNDS = ("boilerplate", "repeats", "garbled")
PART_CHARACTERS = 16_000_000  # a part of a streamed container is closed at this size, to bound memory
CAREFUL_CHARACTERS = 1_000_000  # and at this, where storing a part of that size failed

NO_DECISIONS = Decisions()

Step = Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class CleanTask:
    """One batch: its slices with their unit keys, and the name under which it is stored."""

    name: str
    slices: tuple[tuple[str, Slice], ...]


@dataclass
class Stopwatch:
    """Seconds by stage, in one worker, and the stage that it is in."""

    seconds: dict[str, float] = field(default_factory=dict)
    stage: str = ""

    def enter(self, name: str) -> None:
        """Names the stage that follows, for the row of a document that does not come out of it."""
        self.stage = name
        workers.doing(name)

    def run(self, name: str, step: Step, document: Document) -> Document:
        """`step(document)`, timed under `name`. What a stage raises becomes a reason that names the stage."""
        self.enter(name)
        start = time.perf_counter()
        try:
            return step(document)
        except DocumentFailed as error:
            raise DocumentFailed(f"{name}: {error.reason}") from None
        except (DocumentError, MemoryError):
            raise
        except RecursionError:
            raise DocumentFailed(f"{name}: nested too deep to be read") from None
        except Exception as error:
            raise DocumentFailed(f"{name}: {type(error).__name__}: {error}"[:500]) from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def clean_document(
    document: Document,
    config: Config,
    watch: Stopwatch | None = None,
    decisions: Decisions = NO_DECISIONS,
    path: str | None = None,
) -> Document:
    """One document through every stage that is switched on, without what is learned from the corpus.

    `path` is the file that it came in, relative to RAW. Raises DocumentRejected when nothing is left,
    DocumentFailed when a stage could not do its work.
    """
    watch = watch or Stopwatch()
    first: dict[str, Step] = {
        "extract": lambda d: extract_html(d, config.extract, config.extractor, config.limits.nesting),
        "encoding": fix_encoding,
        "markup": strip_markup,
    }
    for name, step in first.items():
        if name in config.stages:
            document = watch.run(name, step, document)
    document = watch.run("language", identify_language, document)
    document = document.with_fields(site=site_of(document, path if path is not None else document.source))
    document = with_line_decisions(document, decisions)
    if document.source not in decisions.restored():
        return clean_in_rounds(document, config, frozenset(), watch)
    try:
        return clean_in_rounds(document, config, frozenset(), watch)
    except DocumentRejected:
        return document  # a person wants it as it is


def with_line_decisions(document: Document, decisions: Decisions) -> Document:
    """The document without the lines that a person wants removed, and armed against losing those to be kept."""
    if not decisions.touches_lines():
        return document
    document = document.with_fields(protected=decisions.kept_lines(document.source, document.site))
    unwanted = decisions.removed_lines(document.source, document.site)
    changes, start = [], 0
    for line in document.text.splitlines(keepends=True) if unwanted else ():
        if plain_line(line) in unwanted:
            changes.append(Change(start, start + len(line), "", "decided-line"))
        start += len(line)
    return document.edited("boilerplate", changes)


def clean_in_rounds(
    document: Document, config: Config, learned: frozenset[int], watch: Stopwatch | None = None
) -> Document:
    """The stages that work on lines and sentences, again and again until the text stays as it is.

    A flag belongs to the text it was raised on, so a new round drops the flags of the one before.
    """
    watch = watch or Stopwatch()
    steps: dict[str, Step] = {
        "boilerplate": lambda d: strip_boilerplate(d, config.boilerplate, learned),
        "repeats": lambda d: strip_repeats(d, config.repeats),
        "garbled": lambda d: mend_garbled(d, config.garbled),
    }
    for _ in range(ROUNDS):
        given = document
        flags = [edit for edit in given.edits if edit.action == "flagged" and edit.stage in IN_ROUNDS]
        if flags:
            document = replace(document, edits=tuple(edit for edit in given.edits if edit not in flags))
        for name, step in steps.items():
            if name in config.stages:
                document = watch.run(name, step, document)
        if document.text == given.text and document.title == given.title:
            break
    if config.stages:
        document = outer_blanks(document)
    if not document.text.strip():
        what = sorted({f"{edit.stage}/{edit.rule}" for edit in document.edits if edit.action == "removed"})
        raise DocumentRejected("nothing left after cleaning" + (f" (removed by {', '.join(what[:5])})" if what else ""))
    return document


def declared_origins(document: Document) -> tuple[str, ...]:
    """Where the document says it is from: url, videoId, guid, doi. Copies of one origin are likely one text."""
    said = [document.url, *(document.metadata.get(name) for name in ("videoId", "video_id", "guid", "doi"))]
    return tuple(str(value).strip() for value in said if value not in (None, ""))


def digest(*parts: str | bytes) -> str:
    """First 32 hex digits of a SHA-256 over the parts, each delimited by its length."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.hexdigest()[:32]


def outer_blanks(document: Document) -> Document:
    """The document without blank lines around its text, so that writing and reading it again changes nothing."""
    text = document.text
    inner = text.strip()
    if len(inner) == len(text) or not inner:
        return document
    start = text.index(inner)
    ends = ((0, start), (start + len(inner), len(text)))
    return document.edited("markup", [Change(a, b, "", "outer-blank") for a, b in ends if a < b])


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

    def add(self, unit: str, row: dict[str, Any], document: Document | None) -> bool:
        """One document, or a row that says why there is none. Gives whether a part was closed and stored."""
        part = self._part()
        spans = self.units.setdefault(unit, [])
        if spans and spans[-1].part == part:
            spans[-1] = Span(part, spans[-1].first, spans[-1].count + 1)
        else:
            spans.append(Span(part, len(self.rows), 1))
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


def site_of(document: Document, path: str) -> str:
    """The site a document belongs to: its host, else the container or folder it lies in."""
    if document.site:
        return document.site
    return path if document.source != path else path.rpartition("/")[0]


def raw_documents(
    task: CleanTask, config: Config, abandoned: Mapping[int, str]
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
                    raise DocumentFailed(abandoned[ordinal])
                raw = next(reader)
            except StopIteration:
                break
            except Exception as error:
                how = getattr(error, "reason", None) or (
                    f"reading: {too_much_memory(config)}"
                    if isinstance(error, MemoryError)
                    else f"reading: {type(error).__name__}: {error}"
                )
                yield unit, piece.file.path, unreadable(piece, index, how[:500])
                ordinal += 1
                break
            yield unit, piece.file.path, raw
            ordinal, index = ordinal + 1, index + 1


def unreadable(piece: Slice, index: int, how: str) -> RawDocument:
    """The row for a file, or for what is left of a container, that cannot be read."""
    path = piece.file.path
    source = path if index == 0 and piece.start == 0 else f"{path}#{piece.first + index} and after"
    return RawDocument(
        source=source,
        index=piece.first + index,
        format="text",
        data=b"",
        kind="text",
        error=DocumentFailed(how),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call got before it was stopped: documents stored in whole parts, and where those parts stand."""

    documents: int = 0
    parts: tuple[str, ...] = ()
    units: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


def clean_batch(
    task: CleanTask,
    folder: str,
    config: Config,
    decisions: Decisions,
    begun: Progress,
    stopped: Mapping[tuple[str, int], str],
    careful: bool,
) -> tuple[str, int, dict[str, float]]:
    """Cleans a batch in this process: its name, how many documents it holds, seconds by stage.

    `begun` is what an earlier call stored; `stopped` gives the places (reading, cleaning, sketching; ordinal in the
    batch) that stopped a worker before, and how. `careful` sketches each document alone before all together. Runs in
    a worker: it says at which document it is before it touches it.
    """
    abandoned = {ordinal: how for (doing, ordinal), how in stopped.items() if doing == "read"}
    watch = Stopwatch()
    builder = PartBuilder(Path(folder), task.name, config, watch, CAREFUL_CHARACTERS if careful else PART_CHARACTERS)
    builder.parts = list(begun.parts)
    builder.units = {unit: list(spans) for unit, spans in begun.units.items()}
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
            how = stopped.get(("clean", ordinal)) or stopped.get(("sketch", ordinal))
            row, document = _clean_one(raw, path, config, decisions, watch, how)
            if careful and document is not None:
                workers.at("sketch", ordinal)
                try:
                    try_alone(row, document, config, watch)
                except Exception as error:
                    row, document = _without_document(raw, row, error, config, watch), None
            if builder.add(unit, row, document):
                done = Progress(ordinal + 1, tuple(builder.parts), {u: tuple(s) for u, s in builder.units.items()})
                workers.stored(done)
        ordinal += 1
    builder.close_part()
    units = {unit: tuple(builder.units.get(unit, ())) for unit, _ in task.slices}
    commit_batch(Path(folder), Batch(task.name, tuple(builder.parts), units, watch.seconds))
    return task.name, ordinal, watch.seconds


def _clean_one(
    raw: RawDocument, path: str, config: Config, decisions: Decisions, watch: Stopwatch, stopped: str | None
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
            raise DocumentFailed(stopped)
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
        "learned": 0,
    }


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def clean_task(
    task: CleanTask, folder: str, config: Config, decisions: Decisions, pool_size: int
) -> tuple[str, int, dict[str, float]]:
    """`clean_batch` in a killable worker process: a document that stops its worker becomes a `failed` row.

    Runs inline in a task of any executor; the worker processes belong to the process that the task runs in.
    """
    begun = Progress()

    def remember(done: Progress) -> None:
        nonlocal begun
        begun = done

    return guarded(
        clean_batch,
        lambda stopped, careful: (task, folder, config, decisions, begun, stopped, careful),
        config,
        pool_size,
        remember,
    )


__all__ = ["CleanTask", "clean_batch", "clean_document", "clean_in_rounds", "clean_task"]
