"""How far clusters agree with labels that somebody else gave, and how far they could.

    python bench/labels.py LABELLED.jsonl [--threshold 0.8] [--list]

LABELLED.jsonl holds `id`, `text` and `cluster` (the label), one JSON object a line. The command line deduplicates the
texts as they are (no stage runs); its clusters are compared with the labels by the adjusted Rand index (ARI). Beside it
stand clusterings made with the exact Jaccard of all pairs, some of them with knowledge of the labels, that no program
could have: what stars (each document compared with the very one kept in its place) and chains could reach at best.
`--list` prints every label whose texts were dropped under a text of another label, and what those would lose.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.dedup import shingles, unite

Pair = tuple[int, int]


def adjusted_rand(labels: Sequence[Any], clusters: Sequence[Any]) -> float:
    """The adjusted Rand index of two partitions (Hubert and Arabie 1985)."""

    def pairs(groups: Iterable[Any]) -> float:
        return sum(n * (n - 1) / 2 for n in Counter(groups).values())

    both, one, other = pairs(zip(labels, clusters, strict=True)), pairs(labels), pairs(clusters)
    chance = one * other / (len(labels) * (len(labels) - 1) / 2)
    return (both - chance) / ((one + other) / 2 - chance)


def similar_pairs(texts: Sequence[str], threshold: float) -> list[Pair]:
    """Every pair whose exact Jaccard over 5-word shingles is at least `threshold`."""
    number: dict[str, int] = {}
    sets = [{number.setdefault(one, len(number)) for one in shingles(text)} for text in texts]
    holders: dict[int, list[int]] = defaultdict(list)
    for document, some in enumerate(sets):
        for one in some:
            holders[one].append(document)
    sizes, found = np.array([len(some) for some in sets]), list[Pair]()
    for a, some in enumerate(sets):
        shared = np.zeros(len(texts), np.int64)
        for one in some:
            shared[holders[one]] += 1
        alike = shared >= threshold * (len(some) + sizes - shared)
        found += [(a, b) for b in np.flatnonzero(alike & (shared > 0)).tolist() if b > a]
    return found


def stars(pairs: Iterable[Pair], count: int) -> list[int]:
    """The document with the most partners takes them all; then again with what is left."""
    near: dict[int, set[int]] = defaultdict(set)
    for a, b in pairs:
        near[a].add(b)
        near[b].add(a)
    home, left = list(range(count)), set(near)
    while left:
        centre = max(left, key=lambda one: (len(near[one] & left), -one))
        mine = (near[centre] & left) | {centre}
        for one in mine:
            home[one] = centre
        left -= mine
    return home


def told(name: str, labels: Sequence[str], home: Sequence[int]) -> None:
    """One line: ARI, how many documents stand under another label."""
    wrong = sum(labels[one] != labels[kept] for one, kept in enumerate(home))
    print(f"  {name:62} ARI {adjusted_rand(labels, home):.3f}   {wrong:4} under another label")


def list_merges(rows: Sequence[dict[str, Any]], label: dict[str, str], evidence: dict[str, dict[str, Any]]) -> None:
    """Each pair of labels with a merge across them, most merges first."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["status"] == "duplicate" and label[row["source"]] != label[row["canonical_source"]]:
            groups[label[row["source"]], label[row["canonical_source"]], row["relation"]].append(row)
    for (dropped, kept, relation), some in sorted(groups.items(), key=lambda each: (-len(each[1]), each[0])):
        low = min(row["jaccard"] for row in some)
        print(f"  {len(some):3}  {dropped} under {kept}, {relation}, Jaccard from {low:.2f}")
        lost = evidence[some[0]["source"]]
        for sentence in lost["lost_sentences"][:2]:
            print(f"         loses: {' '.join(sentence.split())[:150]}")
        if lost["lost_numbers"] or lost["lost_names"]:
            print(f"         numbers and names: {' '.join([*lost['lost_numbers'], *lost['lost_names']][:10])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    with options.labelled.open(encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    labels, count = [one["cluster"] for one in documents], len(documents)
    with tempfile.TemporaryDirectory() as folder:
        raw, clean = Path(folder) / "raw.jsonl", Path(folder) / "clean"
        raw.write_text("".join(json.dumps({"id": str(i), "text": d["text"]}) + "\n" for i, d in enumerate(documents)))
        command = [sys.executable, "-m", "pipeline.cli", str(raw), str(clean), "--stages", "", "--format", "jsonl"]
        subprocess.run([*command, "--threshold", str(options.threshold), "--quiet"], check=True)
        rows = pq.read_table(clean / "manifest.parquet").to_pylist()
        evidence = {row["source"]: row for row in pq.read_table(clean / "evidence.parquet").to_pylist()}
    number = {row["source"]: int(row["record_id"]) for row in rows}
    home = list(range(count))
    for row in rows:
        if row["status"] == "duplicate":
            home[number[row["source"]]] = number[row["canonical_source"]]
    pairs = similar_pairs([one["text"] for one in documents], options.threshold)
    same = [(a, b) for a, b in pairs if labels[a] == labels[b]]
    print(f"{count:,} texts, {len(set(labels)):,} labels; {len(pairs):,} pairs of Jaccard >= {options.threshold},")
    print(f"{len(pairs) - len(same):,} of them of two labels; {sum(h == i for i, h in enumerate(home)):,} texts kept")
    told("this project", labels, home)
    told("stars over those pairs", labels, stars(pairs, count))
    told("stars over those of one label (knows the labels)", labels, stars(same, count))
    told("chains over those pairs (no direct evidence)", labels, unite(count, pairs))
    told("chains over those of one label (knows the labels)", labels, unite(count, same))
    if options.list:
        list_merges(rows, {row["source"]: labels[number[row["source"]]] for row in rows}, evidence)


if __name__ == "__main__":
    main()
