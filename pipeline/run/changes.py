"""What a run changes, measured against the corpus that was published before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.tables import Sources, open_table

DIGITS = 16
DIGEST = np.dtype(f"S{DIGITS}")


@dataclass(frozen=True)
class Changes:
    """Sources, sorted. `promoted`: kept now, a duplicate before; `newly_duplicate`: the other way round."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    newly_duplicate: tuple[str, ...]
    promoted: tuple[str, ...]


def changes_since(published: Path | None, proposed: Path) -> Changes | None:
    """How the manifest in `proposed` differs from the published one; None on a first run."""
    if published is None or not (published / "manifest.parquet").is_file():
        return None
    old_file, new_file = open_table(published, "manifest"), open_table(proposed, "manifest")
    old = old_file.columns(["source", "status"])
    sources, was = Sources(old["source"]), old["status"].combine_chunks()
    old_digests = np.concatenate([np.empty(0, DIGEST), *map(digests, old_file.batches(["raw_sha256"]))])
    seen = np.zeros(len(sources), bool)
    found: dict[str, list[str]] = {name: [] for name in ("added", "changed", "newly_duplicate", "promoted")}
    for batch in new_file.batches(["source", "status", "raw_sha256"]):
        row = sources.rows(batch["source"])
        known = row >= 0
        seen[row[known]] = True
        before = was.take(pa.array(row, mask=~known))
        other = np.zeros(len(row), bool)
        other[known] = digests(batch)[known] != old_digests[row[known]]
        masks = {
            "added": pa.array(~known),
            "changed": pa.array(other),
            "newly_duplicate": pc.and_(pc.equal(before, "kept"), pc.equal(batch["status"], "duplicate")),
            "promoted": pc.and_(pc.equal(before, "duplicate"), pc.equal(batch["status"], "kept")),
        }
        for name, mask in masks.items():
            found[name] += batch["source"].filter(mask).to_pylist()
    removed = sources.names.filter(pa.array(~seen)).to_pylist()
    return Changes(removed=tuple(sorted(removed)), **{name: tuple(sorted(named)) for name, named in found.items()})


def digests(batch: pa.RecordBatch) -> np.ndarray:
    """The first 64 bits of `raw_sha256`, in hexadecimal digits (`DIGEST`): enough to tell two versions apart."""
    padded = pc.utf8_slice_codeunits(pc.ascii_rpad(pc.fill_null(batch["raw_sha256"], ""), DIGITS), 0, DIGITS)
    return np.frombuffer(padded.buffers()[2], DIGEST, len(padded), padded.offset * DIGITS)
