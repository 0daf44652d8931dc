"""The last pass: documents, manifest, edits and evidence, block by block in source order.

Blocks are cut by fixed sizes in source order, so that their borders, and with them every byte of the output, do not
depend on workers, batches or what was cleaned when.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.corpus.output import document_id, json_line, markdown_document, markdown_paths
from pipeline.corpus.parts import ROW_GROUP, write_parquet
from pipeline.corpus.tables import DOCUMENTS, DROPPED, EDITS, EVIDENCE, LEARNED, MANIFEST, RELATED
from pipeline.dedup.stored import StoredTable
from pipeline.executors import Executor
from pipeline.run.matching import DUPLICATE, KEPT, RELATIONS, STATUSES, Fates
from pipeline.run.rows import Rows

BLOCK_DOCUMENTS = 10_000
BLOCK_CHARACTERS = 32_000_000
ROWS_AT_ONCE = 500
DOCUMENTS_GROUP = 500  # rows: what a reader decodes to see one text
SAME_FIELDS = ("title", "language", "url", "date", "author", "site", "kind", "format", "charset", "newlines")
COUNTED = ("characters_in", "characters_out", "raw_sha256", "clean_sha256")
OWN_FIELDS = ("source", "record_id", "status", "reason", "metadata", "text", "edits", *COUNTED)
FATES_FILE = "fates.arrow"
FATES_ROWS = 50_000
COMPARED_ROWS = 200_000  # hashes of exact duplicates: 13 MB
FATES = pa.schema(
    [
        ("part", pa.int32()),
        ("row", pa.int32()),
        ("status", pa.int8()),
        ("relation", pa.int8()),
        ("jaccard", pa.float64()),
        ("coverage", pa.float64()),
        ("canonical_source", pa.string()),
        ("cluster_id", pa.string()),
        ("output", pa.string()),
        ("same_text", pa.bool_()),
        ("why", pa.string()),
    ]
)
FRAGMENTED = {"manifest": MANIFEST, "edits": EDITS, "dropped": DROPPED}


def write_corpus(
    rows: Rows, fates: Fates, learned: pa.Table, config: Config, executor: Executor, folder: Path, scratch: Path,
    published: Path | None, dry_run: bool = False,
) -> None:  # fmt: skip
    """Writes every table, and unless `dry_run` the kept documents, into `folder`."""
    outputs, same = output_paths(fates, config), same_text(rows, fates)
    starts = range(0, len(rows), FATES_ROWS)
    tables = (fates_table(slice(at, at + FATES_ROWS), rows, fates, outputs, same) for at in starts)
    StoredTable.write(scratch / FATES_FILE, FATES, tables)
    names_path = scratch / "parts.json"
    names_path.write_text(json.dumps(rows.parts), encoding="utf-8")
    old = str(published) if published is not None else None
    arguments = [
        (str(rows.folder), str(scratch), str(folder), old, number, first, last, config, dry_run)
        for number, (first, last) in enumerate(blocks(rows))
    ]
    for _ in executor.map(write_block, arguments):
        pass
    count = len(arguments)
    for name, schema in FRAGMENTED.items():
        join_parquet([scratch / f"{name}-{number:06d}.parquet" for number in range(count)], schema, folder / name)
    if config.format == "jsonl" and not dry_run:
        with (folder / "documents.jsonl").open("wb") as out:
            for number in range(count):
                with (scratch / f"documents-{number:06d}.jsonl").open("rb") as fragment:
                    shutil.copyfileobj(fragment, out, 1 << 20)
    with pq.ParquetWriter(folder / "evidence.parquet", EVIDENCE, compression="zstd") as out:
        for table in evidence_tables(fates):
            out.write_table(table, row_group_size=ROW_GROUP)
    write_parquet(related_table(fates), folder / "related.parquet", "zstd")
    write_parquet(learned.select(LEARNED.names).cast(LEARNED), folder / "learned.parquet", "zstd")


def blocks(rows: Rows) -> list[tuple[int, int]]:
    """Runs of documents, `(first, last)`, that one worker writes at a time."""
    characters = rows.column("characters_out").to_numpy() if len(rows) else np.empty(0, np.int64)
    borders, first, size = [], 0, 0
    for index, count in enumerate(characters.tolist()):
        if index > first and (index - first >= BLOCK_DOCUMENTS or size + count > BLOCK_CHARACTERS):
            borders.append((first, index))
            first, size = index, 0
        size += count
    if first < len(rows):
        borders.append((first, len(rows)))
    return borders


def fates_table(some: slice, rows: Rows, fates: Fates, outputs: pa.Array, same: np.ndarray) -> pa.Table:
    """What the writing workers need of some documents.

    `outputs`, `same`: of all documents, what `output_paths` and `same_text` give.
    """
    canonical, cluster = fates.canonical[some], fates.cluster[some]
    canonical_sources = fates.sources.take(pa.array(canonical, mask=canonical < 0))
    names = fates.sources.take(pa.array(cluster, mask=cluster < 0)).to_pylist()
    return pa.table(
        [
            pa.array(rows.part[some], pa.int32()),
            pa.array(rows.row[some], pa.int32()),
            pa.array(fates.status[some], pa.int8()),
            pa.array(fates.relation[some], pa.int8()),
            pa.array(fates.jaccard[some], from_pandas=True),
            pa.array(fates.coverage[some], from_pandas=True),
            canonical_sources,
            pa.array([None if name is None else document_id(name) for name in names], pa.string()),
            outputs[some],
            pa.array(same[some], pa.bool_()),
            fates.why[some],
        ],
        schema=FATES,
    )


def output_paths(fates: Fates, config: Config) -> pa.Array:
    """Where each kept document is written, by index; null: not written, or a worker knows better (Parquet)."""
    kept = np.flatnonzero(fates.status == KEPT)
    if config.format == "parquet" or not len(kept):
        return pa.nulls(len(fates.status), pa.string())
    if config.format == "markdown":
        paths = pa.array(markdown_paths(fates.sources.take(pa.array(kept)).to_pylist()), pa.string())
    else:
        paths = pa.array(["documents.jsonl"], pa.string())
    place = np.full(len(fates.status), -1, np.int64)
    place[kept] = np.arange(len(kept)) if config.format == "markdown" else 0
    return paths.take(pa.array(place, mask=place < 0))


def same_text(rows: Rows, fates: Fates) -> np.ndarray:
    """bool, one a document: whether it is a duplicate whose text is, to the letter, the kept document's."""
    same = np.zeros(len(rows), bool)
    exact = np.flatnonzero(fates.relation == RELATIONS.index("exact"))
    for first in range(0, len(exact), COMPARED_ROWS):
        some = exact[first : first + COMPARED_ROWS]
        own, kept = (rows.column("clean_sha256", each).combine_chunks() for each in (some, fates.canonical[some]))
        same[some] = pc.fill_null(pc.equal(own, kept), False).to_numpy(zero_copy_only=False)
    return same


def read_fates(scratch: Path, first: int, last: int) -> pa.Table:
    """A run of the table of fates, mapped rather than read."""
    return StoredTable(scratch / FATES_FILE).table().slice(first, last - first)


def write_block(
    parts: str, scratch: str, folder: str, published: str | None, number: int, first: int, last: int,
    config: Config, dry_run: bool,
) -> int:  # fmt: skip
    """Writes one block of documents and its piece of each table; gives how many documents it kept."""
    plan = read_fates(Path(scratch), first, last)
    names = json.loads((Path(scratch) / "parts.json").read_text(encoding="utf-8"))
    rows = Rows(Path(parts), tuple(names), plan.column("part").to_numpy(), plan.column("row").to_numpy())
    documents, fates = rows.table([*SAME_FIELDS, *OWN_FIELDS]), plan.drop_columns(["part", "row"])
    tables: dict[str, list[pa.Table]] = {name: [schema.empty_table()] for name, schema in FRAGMENTED.items()}
    kept = 0
    with writer(config, Path(folder), Path(scratch), published, number, dry_run) as write:
        for at in range(0, len(documents), ROWS_AT_ONCE):  # as Python objects they take ten times the memory
            both = (table.slice(at, ROWS_AT_ONCE).to_pylist() for table in (documents, fates))
            some = list(zip(*both, strict=True))
            for row, fate in some:
                if fate["status"] == KEPT:
                    row["output"], row["output_sha256"] = write(row, fate)
                    kept += 1
            made = {
                "manifest": [manifest_row(row, fate) for row, fate in some],
                "edits": [{"source": row["source"], **edit} for row, _ in some for edit in row["edits"] or ()],
                "dropped": [dropped_row(row, fate) for row, fate in some if fate["status"] != KEPT],
            }
            for name, schema in FRAGMENTED.items():
                tables[name].append(pa.Table.from_pylist(made[name], schema=schema))
    for name in FRAGMENTED:
        write_parquet(pa.concat_tables(tables[name]).combine_chunks(), Path(scratch) / f"{name}-{number:06d}.parquet")
    return kept


@contextlib.contextmanager
def writer(
    config: Config, folder: Path, scratch: Path, published: str | None, number: int, dry_run: bool
) -> Iterator[Any]:
    """A function that writes one kept document: gives its `output` and `output_sha256`."""
    if dry_run:
        yield lambda _row, _fate: (None, None)
    elif config.format == "markdown":
        yield lambda row, fate: write_markdown(row, fate["output"], folder, published)
    elif config.format == "jsonl":
        with (scratch / f"documents-{number:06d}.jsonl").open("wb") as out:

            def write_line(row: dict[str, Any], fate: dict[str, Any]) -> tuple[str, str | None]:
                out.write(json_line({**row, "metadata": json.loads(row["metadata"] or "{}")}))
                return fate["output"], None

            yield write_line
    else:
        name, tables = f"documents/part-{number:05d}.parquet", [DOCUMENTS.empty_table()]
        gathered: list[dict[str, Any]] = []

        def gather() -> None:
            tables.append(pa.Table.from_pylist(gathered, schema=DOCUMENTS))
            gathered.clear()

        def keep(row: dict[str, Any], _fate: dict[str, Any]) -> tuple[str, None]:
            gathered.append({**row, "sha256": row["clean_sha256"], "canonical": True})
            if len(gathered) == ROWS_AT_ONCE:
                gather()
            return name, None

        yield keep
        gather()
        table = pa.concat_tables(tables)
        if len(table):
            (folder / "documents").mkdir(exist_ok=True)
            write_parquet(table, folder / name, "zstd", DOCUMENTS_GROUP)


def write_markdown(row: dict[str, Any], output: str, folder: Path, published: str | None) -> tuple[str, str]:
    """One document as a Markdown file; linked to the published one where not a byte has changed."""
    metadata = json.loads(row["metadata"] or "{}")
    data = markdown_document(
        {**row, "canonical": True, "sha256": row["clean_sha256"], "metadata": metadata}, row["text"]
    )
    path = folder / output
    path.parent.mkdir(parents=True, exist_ok=True)
    if published is None or not _linked(Path(published) / output, path, data):
        path.write_bytes(data)
    return output, hashlib.sha256(data).hexdigest()


def _linked(old: Path, new: Path, data: bytes) -> bool:
    try:
        if old.stat().st_size != len(data) or old.read_bytes() != data:
            return False
        os.link(old, new)
    except OSError:
        return False
    return True


def manifest_row(row: Mapping[str, Any], fate: Mapping[str, Any]) -> dict[str, Any]:
    """A row of manifest.parquet."""
    status = fate["status"]
    return {
        **{name: row[name] for name in SAME_FIELDS},
        "source": row["source"],
        "record_id": row["record_id"],
        "document_id": document_id(row["source"]),
        "status": STATUSES[status],
        "reason": fate["why"] or row["reason"],
        "canonical_source": fate["canonical_source"],
        "relation": RELATIONS[fate["relation"]] if status == DUPLICATE else None,
        "jaccard": fate["jaccard"],
        "coverage": fate["coverage"],
        "cluster_id": fate["cluster_id"],
        "characters_in": row["characters_in"],
        "characters_out": row["characters_out"],
        "raw_sha256": row["raw_sha256"],
        "clean_sha256": row["clean_sha256"],
        "output": row.get("output"),
        "output_sha256": row.get("output_sha256"),
    }


def dropped_row(row: Mapping[str, Any], fate: Mapping[str, Any]) -> dict[str, Any]:
    """A row of dropped.parquet: enough to bring the document back without RAW."""
    fields = {name: row[name] for name in ("source", "title", "url", "date", "author", "language", "metadata")}
    return {**fields, "status": STATUSES[fate["status"]], "text": None if fate["same_text"] else row["text"]}


def join_parquet(fragments: Sequence[Path], schema: pa.Schema, path: Path) -> None:
    """One Parquet file from the blocks' fragments; row groups end where they do, and empty ones leave no trace."""
    with pq.ParquetWriter(path.with_suffix(".parquet"), schema, compression="zstd") as out:
        for fragment in fragments:
            table = pq.read_table(fragment, schema=schema, partitioning=None)
            if table.num_rows:
                out.write_table(table, row_group_size=ROW_GROUP)
            fragment.unlink()


def evidence_tables(fates: Fates) -> Iterator[pa.Table]:
    """evidence.parquet, some rows at a time: the proof for every duplicate, indices turned into names."""
    for given in fates.evidence.tables() if fates.evidence is not None else ():
        canonical = fates.sources.take(given.column("canonical"))
        names = {
            "source": fates.sources.take(given.column("document")),
            "canonical_source": canonical,
            "cluster_id": pa.array([document_id(name) for name in canonical.to_pylist()], pa.string()),
        }
        columns = [
            names[field.name] if field.name in names else _column(given, field.name, field.type) for field in EVIDENCE
        ]
        yield pa.table(columns, schema=EVIDENCE)


def related_table(fates: Fates) -> pa.Table:
    """related.parquet: pairs that nearly qualify, both kept."""
    given = fates.related
    if not given.num_rows:
        return RELATED.empty_table()
    names = {
        f"source_{which}": fates.sources.take(pa.array(given.column(f"document_{which}").to_numpy())) for which in "ab"
    }
    return pa.table(
        [names[f.name] if f.name in names else _column(given, f.name, f.type) for f in RELATED], schema=RELATED
    )


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if name in table.column_names:
        return table.column(name).cast(kind)
    return pa.nulls(table.num_rows, kind)
