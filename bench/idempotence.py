"""Cleaning a cleaned corpus changes nothing: the command line, run on documents and then on what it made of them.

    python bench/idempotence.py RAW [--format markdown] [--show 3]

RAW is a folder or file as for `clean-corpus`; duplicates are left in. Prints how many documents the second run changed
in title or text, and by which rules; leaves with 1 if there is one. `--show` prints the changes of the first few.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent


def clean(raw: Path, into: Path, kind: str) -> list[dict[str, Any]]:
    """One run; gives the manifest's rows, in source order."""
    command = [sys.executable, "-m", "pipeline.cli", str(raw), str(into), "--no-dedup", "--quiet", "--format", kind]
    subprocess.run(command, check=True, cwd=ROOT)
    rows: list[dict[str, Any]] = pq.read_table(into / "manifest.parquet").to_pylist()
    return rows


def documents(into: Path) -> dict[str, tuple[str, str]]:
    """Title and text of each kept document, by source."""
    with (into / "documents.jsonl").open(encoding="utf-8") as lines:
        return {row["source"]: (row["title"] or "", row["text"]) for row in map(json.loads, lines)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--format", choices=["markdown", "jsonl"], default="jsonl")
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first, again, second = (Path(folder) / name for name in ("first", "markdown", "second"))
        rows = [row for row in clean(options.raw.resolve(), first, "jsonl") if row["status"] == "kept"]
        if options.format == "markdown":
            rows = [row for row in clean(options.raw.resolve(), again, "markdown") if row["status"] == "kept"]
            made = {row["output"].removeprefix("documents/"): row["source"] for row in rows}
            clean((again / "documents").resolve(), second, "jsonl")
        else:
            found = clean((first / "documents.jsonl").resolve(), second, "jsonl")
            made = {row["source"]: old["source"] for row, old in zip(found, rows, strict=True)}
        once, twice = documents(first), documents(second)
        changed = [(new, old) for new, old in made.items() if twice.get(new) != once[old]]
        edits = pq.read_table(second / "edits.parquet", columns=["source", "stage", "rule", "action"]).to_pylist()
        which = {new for new, _ in changed}
        rules = Counter((e["stage"], e["rule"]) for e in edits if e["source"] in which and e["action"] != "flagged")
        print(f"{len(rows):,} documents, {len(changed)} changed by the second run ({options.format})", dict(rules))
        for new, old in changed[: options.show]:
            before, after = ("\n".join(some).splitlines() for some in (once[old], twice.get(new, ("", "(not kept)"))))
            print(f"-- {old}", *difflib.unified_diff(before, after, lineterm="", n=1), sep="\n")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
