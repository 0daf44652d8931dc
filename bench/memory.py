"""What a run holds in memory, all its processes together, as its input grows.

    python bench/memory.py [--sizes 0.25,0.5,1,2] [--workers 2] [--format jsonl] [--curve]

Makes a JSONL file of each size (in GB; documents of 300 words, three of ten an edited copy of another), runs the
command line over it and reads /proc every half second (Linux). RSS counts pages that processes share once for each of
them, and those of mapped files while they are in the page cache; PSS shares them out; anonymous is what no file backs,
so what a run cannot give back. Prints the peaks, that of the first process (anonymous), and the peak of each pass.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
EVERY = 0.5  # seconds between two looks


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, ())
    return found


def processor(processes: list[int], seen: dict[int, float]) -> None:
    """Notes in `seen` the seconds of the processor that each has used so far."""
    for process in processes:
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            seen[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(processes: list[int]) -> dict[str, float]:
    """Megabytes, summed over processes: Rss, Pss, Pss_Anon."""
    total = {"Rss": 0.0, "Pss": 0.0, "Pss_Anon": 0.0}
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0]) / 1024
    return total


def write_documents(path: Path, gigabytes: float) -> int:
    """A JSONL file of that size; gives how many documents it holds."""
    from bench.generate import documents

    written = count = 0
    with path.open("w", encoding="utf-8") as out:
        for document in documents(sys.maxsize, seed=1):
            written += out.write(json.dumps(document, ensure_ascii=False) + "\n")
            count += 1
            if written >= gigabytes * 1e9:
                return count
    return count


def watched(
    raw: Path, clean: Path, options: list[str], every: float = EVERY
) -> tuple[float, list[tuple[float, dict[str, float]]]]:
    """A run of the command line: its seconds, and what it held at each look, by seconds since its start."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", str(raw), str(clean), "--quiet", *options], cwd=ROOT
    )
    looks = []
    while process.poll() is None:
        held = {**memory(tree(process.pid)), "first process": memory([process.pid])["Pss_Anon"]}
        looks.append((time.monotonic() - start, held))
        time.sleep(every)
    if process.returncode:
        sys.exit(process.returncode)
    return time.monotonic() - start, looks


def by_pass(clean: Path, looks: list[tuple[float, dict[str, float]]], total: float) -> dict[str, float]:
    """The peak of RSS in each pass; passes are laid out backwards from the end of the run."""
    seconds = json.loads((clean / ".state" / "run.json").read_text())["seconds"]
    start, peaks = total - sum(seconds.values()), {}
    for name, length in seconds.items():
        peaks[name] = max((held["Rss"] for at, held in looks if start <= at < start + length), default=0.0)
        start += length
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="0.25,0.5,1,2", help="gigabytes, comma-separated")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--format", default="jsonl", help="of CLEAN")
    parser.add_argument("--curve", action="store_true", help="print every look")
    given = parser.parse_args()
    print("    GB  documents  seconds  peak RSS    PSS anonymous first process (MB)   peak RSS by pass")
    for size in map(float, given.sizes.split(",")):
        home = Path(tempfile.mkdtemp(prefix="memory-"))
        try:
            raw, clean = home / "raw", home / "clean"
            raw.mkdir()
            count = write_documents(raw / "feed.jsonl", size)
            seconds, looks = watched(raw, clean, ["--workers", given.workers, "--format", given.format])
            peak = {name: max(held[name] for _, held in looks) for name in looks[0][1]}
            passes = ", ".join(f"{name} {mb:,.0f}" for name, mb in by_pass(clean, looks, seconds).items())
            print(
                f"{size:6g} {count:10,} {seconds:8.0f} {peak['Rss']:9,.0f} {peak['Pss']:6,.0f} {peak['Pss_Anon']:9,.0f}"
                f" {peak['first process']:13,.0f}"
                f"   {passes}",
                flush=True,
            )
            for at, held in looks if given.curve else ():
                print(f"    {at:7.1f} s  {'  '.join(f'{name} {mb:,.0f}' for name, mb in held.items())}")
        finally:
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
