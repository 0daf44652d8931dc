"""What a run changes, measured against the corpus that was published before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = ["source", "raw_sha256", "status"]


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
    old = pq.read_table(published / "manifest.parquet", columns=COLUMNS)
    new = pq.read_table(proposed / "manifest.parquet", columns=COLUMNS)
    both = new.join(old.rename_columns(["source", "old_sha256", "old_status"]), keys="source", join_type="full outer")

    def named(mask: pa.ChunkedArray) -> tuple[str, ...]:
        return tuple(sorted(both.filter(pc.fill_null(mask, False)).column("source").to_pylist()))

    status, was = both.column("status"), both.column("old_status")
    return Changes(
        added=named(pc.is_null(was)),
        changed=named(pc.not_equal(both.column("raw_sha256"), both.column("old_sha256"))),
        removed=named(pc.is_null(status)),
        newly_duplicate=named(pc.and_(pc.equal(was, "kept"), pc.equal(status, "duplicate"))),
        promoted=named(pc.and_(pc.equal(was, "duplicate"), pc.equal(status, "kept"))),
    )
