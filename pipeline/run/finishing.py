"""The second pass: documents that hold a learned line are cleaned of it, and sketched again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.corpus.parts import Batch, Span, commit_batch, read_batch, read_documents, write_part
from pipeline.dedup import sketch_batch
from pipeline.decisions import Decisions
from pipeline.document import Document, Edit
from pipeline.errors import DocumentError
from pipeline.executors import Executor
from pipeline.run.cleaning import (
    Stopwatch,
    clean_in_rounds,
    declared_origins,
    digest,
    document_row,
    with_line_decisions,
)
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
            tasks.append((str(rows.folder), part, name, row_numbers.tolist(), keys, config, decisions))
    for _ in executor.map(finish_part, tasks):
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
) -> dict[str, float]:
    """Cleans some documents of a part again, now with the learned lines; gives seconds by stage."""
    watch = Stopwatch()
    table = read_documents(Path(folder), part).take(list(rows))
    finished: list[dict[str, Any]] = []
    documents: list[Document | None] = []
    for row, learned in zip(table.to_pylist(), keys, strict=True):
        mark = int(digest(repr(learned))[:16], 16)
        if row["status"] != "clean":
            finished.append({**row, "learned": mark})
            documents.append(None)
            continue
        try:
            document = with_line_decisions(document_of_row(row), decisions)
            document = clean_in_rounds(document, config, frozenset(learned), watch)
        except DocumentError as error:
            gone = {"text": None, "characters_out": 0, "clean_sha256": None, "learned": mark}
            finished.append({**row, **gone, "status": error.status, "reason": error.reason})
            documents.append(None)
            continue
        finished.append({**row, **document_row(document), "learned": mark})
        documents.append(document)
    texts = [d.text if d is not None else "" for d in documents]
    titles = [d.title if d is not None else None for d in documents]
    origins = [declared_origins(d) if d is not None else () for d in documents]
    sketch = sketch_batch(texts, titles, origins, config) if config.dedup else None
    write_part(Path(folder), f"{name}-0000", finished, None, sketch)
    span = Span(f"{name}-0000", 0, len(finished))
    commit_batch(Path(folder), Batch(name, (span.part,), {name: (span,)}, watch.seconds))
    return watch.seconds
