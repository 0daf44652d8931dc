"""The second pass: documents that hold a learned line are cleaned of it, and sketched again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import workers
from pipeline.config import Config
from pipeline.corpus.parts import Batch, Span, commit_batch, read_batch, read_documents, write_part
from pipeline.decisions import Decisions
from pipeline.document import Document, Edit
from pipeline.errors import DocumentError, DocumentFailed
from pipeline.executors import Executor
from pipeline.run.cleaning import (
    Stopwatch,
    clean_in_rounds,
    digest,
    document_row,
    part_sketch,
    try_alone,
    with_line_decisions,
)
from pipeline.run.guarding import STORE, STORE_ALLOWANCE, guarded, too_much_memory
from pipeline.run.learning import Learned
from pipeline.run.rows import Rows


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


def finish(rows: Rows, learned: Learned, config: Config, executor: Executor, decisions: Decisions) -> Rows:
    """The rows of the run after the learned lines were taken out. What was finished before is found by its name."""
    tasks, places = [], []
    for part, (documents, keys) in learned.touched.items():
        row_numbers = rows.row[documents]
        name = "finish-" + digest(part, row_numbers.tobytes(), repr(keys))[:20]
        places.append((documents, name))
        if read_batch(rows.folder / f"{name}.json") is None:
            tasks.append(
                (str(rows.folder), part, name, row_numbers.tolist(), keys, config, decisions, executor.workers)
            )
    for _ in executor.map(finish_part, tasks, inline=True):
        pass
    return rows.replaced(
        (documents, f"{name}-0000", np.arange(len(documents), dtype=np.int32)) for documents, name in places
    )


def finish_part(
    folder: str,
    part: str,
    name: str,
    rows: Sequence[int],
    keys: Sequence[tuple[int, ...]],
    config: Config,
    decisions: Decisions,
    pool_size: int,
) -> dict[str, float]:
    """`finish_batch` in a killable worker process: a document that stops its worker becomes a `failed` row."""
    return guarded(
        finish_batch,
        lambda stopped, careful: (folder, part, name, rows, keys, config, decisions, stopped, careful),
        config,
        pool_size,
    )


def finish_batch(
    folder: str,
    part: str,
    name: str,
    rows: Sequence[int],
    keys: Sequence[tuple[int, ...]],
    config: Config,
    decisions: Decisions,
    stopped: Mapping[tuple[str, int], str],
    careful: bool,
) -> dict[str, float]:
    """Cleans some documents of a part again, now with the learned lines; gives seconds by stage."""
    watch = Stopwatch()
    table = read_documents(Path(folder), part).take(list(rows))
    finished: list[dict[str, Any]] = []
    documents: list[Document | None] = []
    for ordinal, (row, learned) in enumerate(zip(table.to_pylist(), keys, strict=True)):
        row = {**row, "learned": int(digest(repr(learned))[:16], 16)}
        document = None
        if row["status"] == "clean":
            workers.at("clean", ordinal)
            try:
                if ("clean", ordinal) in stopped or ("sketch", ordinal) in stopped:
                    raise DocumentFailed(stopped.get(("clean", ordinal)) or stopped["sketch", ordinal])
                document = with_line_decisions(document_of_row(row), decisions)
                document = clean_in_rounds(document, config, frozenset(learned), watch)
                row.update(document_row(document, learned=row["learned"]))
                if careful:
                    workers.at("sketch", ordinal)
                    try_alone(row, document, config, watch)
            except (DocumentError, MemoryError) as error:
                status, reason = getattr(error, "status", "failed"), getattr(error, "reason", None)
                reason = reason or f"{watch.stage}: {too_much_memory(config)}"
                row.update(status=status, reason=reason, text=None, characters_out=0, clean_sha256=None)
                document = None
        finished.append(row)
        documents.append(document)
    workers.at(STORE, 0, STORE_ALLOWANCE)
    write_part(Path(folder), f"{name}-0000", finished, None, part_sketch(documents, config))
    span = Span(f"{name}-0000", 0, len(finished))
    commit_batch(Path(folder), Batch(name, (span.part,), {name: (span,)}, watch.seconds))
    return watch.seconds
