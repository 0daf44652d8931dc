"""The flow against the command line: the same documents, the same bytes, what Prefect, Dask and Ray add.

    python bench/flows.py [--size 20000 | --raw FOLDER] [--only flow,dask,ray] [--workers 2]

Makes documents, cleans them with the command line, then with the flow on a warm Prefect server: on processes, on an
external Dask cluster of two workers, on a Ray head with two (if the extra is installed), each started for its turn.
Prints seconds on the clock, task runs, and whether the published corpus is the same, byte for byte; leaves with 1 if
not. All of it runs in a network namespace of its own with nothing but loopback, for which it needs Linux and root.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.flows.clusters import DaskCluster, start_ray
from tests.flows.conftest import Server, Started, published
from tests.flows.isolated import ROOT, isolated, raise_loopback


def task_runs(server: Server) -> int:
    """How many task runs the server has seen."""
    ask = urllib.request.Request(f"{server.api}/task_runs/count", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=60) as answer:
        return int(json.load(answer))


def timed(name: str, work: Callable[[], object], first: float | None = None) -> float:
    """Seconds of `work`, printed beside those of the command line."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    more = "" if first is None else f"   {seconds - first:+6.1f} s, {seconds / first:.3f} x the command line"
    print(f"{name:28} {seconds:7.1f} s{more}", flush=True)
    return seconds


def measure(size: int, given: Path | None, only: list[str], workers: int) -> None:
    """In the namespace: everything in turn."""
    raise_loopback()
    with tempfile.TemporaryDirectory(prefix="f-") as name:
        folder = Path(name)
        raw = given or folder / "raw"
        if given is None:
            raw.mkdir()
            make = [sys.executable, ROOT / "bench" / "generate.py", str(size), raw / "documents.jsonl"]
            subprocess.run(make, check=True)
        options = ["--format", "jsonl", "--quiet"]
        command = [sys.executable, "-m", "pipeline.cli", raw, folder / "cli", *options, "--workers", str(workers)]
        first = timed("command line", lambda: subprocess.run(command, check=True, cwd=ROOT))
        expected = published(folder / "cli")
        server = Server(folder)
        server.start()
        Started(server, ROOT / "raw" / "poems", folder / "warm", "--quiet").end()  # imports and the database are warm
        other = 0
        for place in only:
            where, cluster = [], None
            if place == "flow":
                where = ["--workers", str(workers)]
            elif place == "dask":
                cluster = DaskCluster(server, folder)
                where = ["--where", "dask", "--address", cluster.address]
            elif importlib.util.find_spec("ray"):
                address, secret = start_ray(server, folder)  # ends with the namespace
                os.environ |= secret
                where = ["--where", "ray", "--address", address]
            else:
                print("ray: not installed, pip install clean-corpus[ray]")
                continue
            before, clean = task_runs(server), folder / place
            timed(place, Started(server, raw, clean, *options, *where).end, first)
            same = published(clean) == expected
            print(
                f"{'':28} {task_runs(server) - before} task runs, {'the same' if same else 'OTHER'} bytes", flush=True
            )
            other += not same
            if cluster is not None:
                cluster.stop()
        server.stop()
    sys.exit(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--raw", type=Path, help="documents of your own, in place of generated ones")
    parser.add_argument("--only", default="flow,dask,ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(options.size, options.raw, options.only.split(","), options.workers)
    else:
        mine = ["--raw", options.raw.resolve()] if options.raw else []
        same = [*mine, "--size", options.size, "--only", options.only, "--workers", options.workers, "--inside"]
        print(isolated("bench.flows", *same, seconds=7_200))


if __name__ == "__main__":
    main()
