"""After the fact: whether a published corpus is still what its manifest says, and dropping old state."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.corpus.folder import CleanFolder, generation_id
from pipeline.dedup import compare
from pipeline.errors import RunError

JACCARD_SLACK = 1e-6  # evidence.parquet holds 32-bit floats
STATUSES = {"kept", "duplicate", "rejected", "failed"}


def verify(clean: Path, pairs: int | None = None) -> Iterator[str]:
    """What is wrong with the published corpus, a sentence each; nothing when all is as the manifest says.

    Every output exists and has its hash, every document has one row, every duplicate names a kept document, and its
    Jaccard, computed again from both texts, is the one on record and meets the threshold (for `pairs` duplicates at
    most, in the manifest's order). Raises RunError when nothing is published.
    """
    generation = CleanFolder(clean).generation()
    if generation is None:
        raise RunError(f"{clean}: nothing is published there. Name a folder that clean-corpus has written.")
    if generation_id(generation) != generation.name:
        yield f"{generation}: a table or the report was changed since it was published"
    rows = pq.read_table(generation / "manifest.parquet").to_pylist()
    yield from _rows(rows)
    if (generation / "documents.jsonl").exists() or (generation / "documents").exists():
        yield from _outputs(generation, rows)
        yield from _evidence(generation, rows, pairs)


def _rows(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Each document once, each duplicate under a kept one."""
    status = {row["source"]: row["status"] for row in rows}
    for source, count in Counter(row["source"] for row in rows).items():
        if count > 1:
            yield f"{source}: {count} rows in the manifest"
    for row in rows:
        if row["status"] not in STATUSES:
            yield f"{row['source']}: unknown status {row['status']!r}"
        if row["status"] == "duplicate" and status.get(row["canonical_source"]) != "kept":
            yield f"{row['source']}: a duplicate of {row['canonical_source']}, which is not kept"


def _outputs(generation: Path, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Each kept document where the manifest says, with the hash it says."""
    texts = _texts(generation)
    for row in rows:
        if row["status"] != "kept":
            continue
        if row["output_sha256"]:
            path = generation / row["output"]
            if not path.is_file():
                yield f"{row['source']}: its output {row['output']} is not there"
            elif hashlib.sha256(path.read_bytes()).hexdigest() != row["output_sha256"]:
                yield f"{row['source']}: its output {row['output']} was changed"
            continue
        text = texts(row["source"])
        if text is None:
            yield f"{row['source']}: not in {row['output']}"
        elif hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != row["clean_sha256"]:
            yield f"{row['source']}: its text in {row['output']} was changed"


def _evidence(generation: Path, rows: list[dict[str, Any]], pairs: int | None) -> Iterator[str]:
    """Each near duplicate's Jaccard, computed again."""
    config = json.loads((generation / "report.json").read_text(encoding="utf-8"))["config"]
    shingle_words, threshold = int(config["near"]["shingle_words"]), float(config["threshold"])
    near = [row for row in rows if row["status"] == "duplicate" and row["relation"] == "near"][:pairs]
    if not near:
        return
    dropped = pq.read_table(generation / "dropped.parquet", columns=["source", "text"]).to_pylist()
    text_of = {row["source"]: row["text"] for row in dropped}
    kept, outputs = _texts(generation), {row["source"]: row["output"] for row in rows}
    for row in near:
        mine = text_of.get(row["source"])
        theirs = kept(row["canonical_source"])
        if theirs is None:
            theirs = _markdown_text(generation / str(outputs[row["canonical_source"]]))
        if mine is None or theirs is None:
            yield f"{row['source']}: a text to prove it with is not there"
            continue
        found = compare(mine, theirs, shingle_words=shingle_words).jaccard
        if abs(found - row["jaccard"]) > JACCARD_SLACK:
            yield f"{row['source']}: Jaccard {found:.4f} to {row['canonical_source']}, {row['jaccard']:.4f} on record"
        elif found < threshold - JACCARD_SLACK:
            yield f"{row['source']}: Jaccard {found:.4f} to {row['canonical_source']} is below {threshold}"


def _texts(generation: Path) -> Callable[[str], str | None]:
    """The text of a kept document in JSONL or Parquet by its source; None for Markdown, which has files of its own."""
    jsonl, parts = generation / "documents.jsonl", sorted((generation / "documents").glob("part-*.parquet"))
    found: dict[str, str] = {}
    if jsonl.exists():
        with jsonl.open(encoding="utf-8", errors="surrogatepass") as lines:
            found = {record["source"]: record["text"] for record in map(json.loads, lines)}
    for part in parts:
        table = pq.read_table(part, columns=["source", "text"], partitioning=None)
        found |= dict(zip(table.column("source").to_pylist(), table.column("text").to_pylist(), strict=True))
    return found.get


def _markdown_text(path: Path) -> str | None:
    """The text under the front matter of an output file."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogatepass")
    except OSError:
        return None
    return text.split("\n---\n", 1)[-1].strip("\n")


def state_bytes(clean: Path) -> int:
    """Bytes on disk that make the next run incremental."""
    return sum(path.stat().st_size for path in CleanFolder(clean).state.rglob("*") if path.is_file())


def drop_state(clean: Path) -> int:
    """Deletes what makes the next run incremental; gives the bytes freed. It costs the next run time, nothing else.

    Raises RunError while a run holds CLEAN.
    """
    folder = CleanFolder(clean)
    with folder.lock():
        freed = state_bytes(clean)
        for path in sorted(folder.state.rglob("*"), reverse=True):
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
    return freed
