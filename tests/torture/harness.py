"""What the torture tests share: the command in a process group, sabotage from outside, what a reader sees."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
SABOTAGE = Path(__file__).parent / "sabotage"
COMMAND = (sys.executable, "-m", "pipeline.cli")


def environment(orders: Sequence[dict] = (), **more: str) -> dict[str, str]:
    """The environment of a run, under `orders` (see sabotage/sitecustomize.py)."""
    paths = [str(SABOTAGE), str(ROOT)] if orders else [str(ROOT)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "SABOTAGE": json.dumps(list(orders)), **more}


def start(*arguments: object, orders: Sequence[dict] = (), **more: str) -> subprocess.Popen[str]:
    """The command line, in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(orders, **more),
        process_group=0,
    )


def finished(
    *arguments: object, orders: Sequence[dict] = (), leaves_with: int | None = 0, seconds: float = 300, **more: str
) -> subprocess.CompletedProcess[str]:
    """The command line run to its end; a wrong exit code fails with what it said."""
    process = start(*arguments, orders=orders, **more)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
    if leaves_with is not None:
        assert process.returncode == leaves_with, f"left with {process.returncode}\n{out}\n{err}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL for the whole process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def settings(path: Path, **sections: dict) -> Path:
    """A TOML file with these sections of numbers, booleans and strings."""
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def manifest(clean: Path) -> dict[str, dict]:
    """The published manifest by source."""
    table = pq.read_table(clean / "manifest.parquet").to_pylist()
    by_source = {row["source"]: row for row in table}
    assert len(by_source) == len(table), "a source has two rows"
    return by_source


def check_reader(clean: Path) -> str | None:
    """What somebody sees who reads the corpus now: every output of the manifest, with its hash. Gives its generation.

    Reads through the published names, as people do. None: nothing is published yet.
    """
    if not (clean / "manifest.parquet").exists():
        assert not (clean / "documents").exists(), "documents without a manifest"
        return None
    generation = (clean / ".current").readlink().name
    kept = [row for row in manifest(clean).values() if row["status"] == "kept"]
    for row in kept:
        data = (clean / row["output"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["output_sha256"], row["output"]
    there = {path.relative_to(clean).as_posix() for path in (clean / "documents").rglob("*") if path.is_file()}
    assert there == {row["output"] for row in kept}
    json.loads((clean / "report.json").read_text(encoding="utf-8"))
    assert (clean / "report.html").stat().st_size > 1000
    return generation
