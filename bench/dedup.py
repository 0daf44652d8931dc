"""Near-duplicate detection side by side: this project, datasketch's own loop, rensa.

    python bench/dedup.py --size 20000 [--seed 1] [--workers 2] [--only ours-near,ours,datasketch,rensa]

Each contestant runs in a process of its own on the same JSONL and is timed from the file to clusters: seconds on the
clock and seconds of CPU, workers included; peak memory is that process's plus, for each worker, the largest worker's.
`ours-near` does what the others do, `ours` also finds overlapping documents; both prove each pair exactly and write
down what each dropped document loses, where the others stop at components of estimated Jaccard. Truth is exact Jaccard
over 5-word shingles of documents of one origin.
All use 128 permutations, 21 bands of 6 rows. rensa is given its default hashing and the same bands.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
WORD = re.compile(r"\w+")
BATCH = 500
WARM = 1_000  # documents that everyone is given before the clock runs


def shingles(text: str) -> set[str]:
    words = WORD.findall(text.lower())
    return {" ".join(words[i : i + 5]) for i in range(len(words) - 4)}


class Processes:
    """Steps in worker processes."""

    def __init__(self, workers: int) -> None:
        from pipeline.allocator import keep_freed_memory

        # Forked before any thread runs: as a run's workers, they find the modules imported already, and as children
        # they are counted in what this process used.
        self.pool = ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("fork"), initializer=keep_freed_memory
        )

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of `arguments`."""
        futures = [self.pool.submit(function, *some) for some in arguments]
        return (future.result() for future in futures)


def write_batch(path: str, start: int, end: int, folder: str, number: int, overlap: bool) -> tuple[str, str, list[int]]:
    """Sketch the documents of one stretch of the file, as a run's workers do."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.config import Config, Overlap
    from pipeline.dedup import sketch_batch
    from pipeline.dedup.parts import strings

    with Path(path).open("rb") as file:
        file.seek(start)
        texts = [json.loads(line)["text"] for line in file.read(end - start).splitlines()]
    table = sketch_batch(texts, [None] * len(texts), [()] * len(texts), Config(overlap=Overlap(find=overlap)))
    sketch, documents = f"{folder}/sketch-{number}.arrow", f"{folder}/documents-{number}.parquet"
    with pa.OSFile(sketch, "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(pa.table({"text": strings(texts)}), documents, compression="none", use_dictionary=False)
    return sketch, documents, [len(text) for text in texts]


def ours(path: Path, workers: int) -> tuple[list[int], dict[str, Any]]:
    """Exact, near and overlapping documents, with evidence of what each dropped one loses."""
    return with_this(path, workers, overlap=True)


def ours_near(path: Path, workers: int) -> tuple[list[int], dict[str, Any]]:
    """The job that the others do: exact and near duplicates; proved and with evidence all the same."""
    return with_this(path, workers, overlap=False)


def with_this(path: Path, workers: int, overlap: bool) -> tuple[list[int], dict[str, Any]]:
    import pyarrow.parquet  # noqa: F401  before the workers are forked

    from pipeline.config import Config, Overlap
    from pipeline.dedup import DocumentColumns, SketchPart, match

    started = time.perf_counter()
    executor = Processes(workers)
    cuts, at = [0], 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            at += len(line)
            if number % BATCH == 0:
                cuts.append(at)
    if cuts[-1] != at:
        cuts.append(at)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        steps = [(str(path), low, high, folder, i, overlap) for i, (low, high) in enumerate(pairwise(cuts))]
        batches = list(executor.map(write_batch, steps))
        sketched = time.perf_counter()
        count = sum(len(lengths) for *_, lengths in batches)
        columns = DocumentColumns(
            np.arange(count),
            np.array([length for *_, lengths in batches for length in lengths], np.int32),
            np.full(count, "NaT", "datetime64[s]"),
            np.zeros(count, bool),
        )
        scratch = Path(folder) / "matching"
        scratch.mkdir()
        parts = [SketchPart(sketch, documents) for sketch, documents, _ in batches]
        found = match(parts, columns, Config(overlap=Overlap(find=overlap)), executor, scratch, set(), set(), set())
        executor.pool.shutdown()
    seconds = {"sketch": round(sketched - started, 2), "match": round(time.perf_counter() - sketched, 2)}
    return found.canonical.tolist(), {"seconds": seconds, **found.counts}


def with_datasketch(path: Path, _: int) -> tuple[list[int], dict[str, Any]]:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=128, params=(21, 6))
    signatures = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            signature = MinHash(128, scheme="affine32", hashfunc=xxhash.xxh32_intdigest)
            signature.update_batch([shingle.encode() for shingle in shingles(json.loads(line)["text"])])
            signatures.append(signature)
            index.insert(number, signature)
    pairs = (
        (i, j) for i, s in enumerate(signatures) for j in index.query(s) if j < i and s.jaccard(signatures[j]) >= 0.8
    )
    return unite(len(signatures), pairs), {}


def with_rensa(path: Path, _: int) -> tuple[list[int], dict[str, Any]]:
    from rensa import RMinHash, RMinHashLSH

    index, signatures = RMinHashLSH(threshold=0.8, num_perm=126, num_bands=21), []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            signature = RMinHash(num_perm=126, seed=1)
            signature.update(list(shingles(json.loads(line)["text"])))
            signatures.append(signature)
            index.insert(number, signature)
    pairs = (
        (i, j) for i, s in enumerate(signatures) for j in index.query(s) if j < i and s.jaccard(signatures[j]) >= 0.8
    )
    return unite(len(signatures), pairs), {}


def unite(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Connected components by union-find, as users of these libraries write it."""
    home = list(range(count))

    def find(node: int) -> int:
        while home[node] != node:
            home[node] = home[home[node]]
            node = home[node]
        return node

    for a, b in pairs:
        x, y = find(a), find(b)
        home[max(x, y)] = min(x, y)
    return [find(node) for node in range(count)]


CONTESTANTS = {"ours-near": ours_near, "ours": ours, "datasketch": with_datasketch, "rensa": with_rensa}


def true_pairs(path: Path) -> tuple[dict[tuple[int, int], float], list[set[int]]]:
    """Pairs at or above 0.8 within the documents of one origin, and every document's shingles as hashes."""
    sets, families = [], defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            sets.append({hash(shingle) for shingle in shingles(row["text"])})
            families[row["origin"]].append(number)
    truth = {}
    for members in families.values():
        for a, b in combinations(members[:60], 2):
            jaccard = len(sets[a] & sets[b]) / max(1, len(sets[a] | sets[b]))
            if jaccard >= 0.8:
                truth[a, b] = jaccard
    return truth, sets


def run_one(name: str, path: Path, workers: int) -> None:
    """In a process of its own: print what one contestant found."""
    started = time.perf_counter()
    home, told = CONTESTANTS[name](path, workers)
    seconds = time.perf_counter() - started
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, others))
    peak = (own.ru_maxrss + workers * others.ru_maxrss) / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "home": home, "told": told}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="ours-near,ours,datasketch,rensa")
    parser.add_argument("--no-truth", action="store_true", help="skip recall and wrong merges (they need memory)")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_one(options.run, options.corpus, options.workers)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        make = [sys.executable, str(HERE / "generate.py"), str(options.size), str(path), "--seed", str(options.seed)]
        subprocess.run(make, check=True)
        size = path.stat().st_size / 1e6
        print(f"{options.size:,} documents, {size:.0f} MB, {options.workers} workers", flush=True)
        few = Path(folder) / "few.jsonl"
        with path.open("rb") as lines:
            few.write_bytes(b"".join(islice(lines, WARM)))
        done = {}
        for corpus in (few, path):  # first a few documents, so that what is read from disk once is read for all
            for name in options.only.split(","):  # before the truth is known: a child inherits its parent's peak memory
                call = [sys.executable, __file__, "--run", name, "--corpus", str(corpus)]
                call += ["--workers", str(options.workers)]
                told = subprocess.run(call, check=True, capture_output=True, text=True).stdout
                done[name] = json.loads(told.splitlines()[-1])
        truth, sets = ({}, []) if options.no_truth else true_pairs(path)
    report(done, truth, sets, options.size)


def report(
    done: dict[str, dict[str, Any]], truth: dict[tuple[int, int], float], sets: list[set[int]], size: int
) -> None:
    """Print a line for each contestant; ratios are to the first."""
    first = next(iter(done.values()))
    for name, one in done.items():
        home, seconds, cpu = one["home"], one["seconds"], one["cpu"]
        line = (
            f"{name:11} {seconds:7.1f} s {cpu:7.1f} s CPU {size / seconds:8,.0f} documents/s {one['peak_mb']:6,.0f} MB"
        )
        if sets:
            found = sum(home[a] == home[b] for a, b in truth) / max(1, len(truth))
            merged = [(i, h) for i, h in enumerate(home) if i != h]
            wrong = sum(len(sets[i] & sets[h]) < 0.5 * min(len(sets[i]), len(sets[h])) for i, h in merged)
            line += f" recall {found:.4f} of {len(truth):,} pairs, wrong {wrong}"
        print(f"{line}; {seconds / first['seconds']:.2f} x the time, {cpu / first['cpu']:.2f} x the CPU of the first")
        if one["told"]:
            print("            ", json.dumps(one["told"]))


if __name__ == "__main__":
    main()
