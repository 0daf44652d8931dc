"""Which files came in, which of them were cleaned before, and which batches are still to be cleaned."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pipeline
from pipeline.config import Config
from pipeline.corpus.parts import Known, read_batches
from pipeline.decisions import Decisions
from pipeline.run.tasks import CleanTask, digest
from pipeline.sources import Scan, Slice, SourceFile, discover, scan

T = TypeVar("T")
R = TypeVar("R")

SCANS_AHEAD = 64  # files digested ahead of the batches; bounds memory, keeps two threads busy
CLEANING = ("stages", "extractor", "reading", "extract", "boilerplate", "repeats", "garbled", "limits")
SKETCHING = ("dedup", "near.permutations", "near.seed", "near.shingle_words", "overlap.find", "overlap.scale")
LIBRARIES = ("trafilatura", "lxml", "ftfy", "resiliparse", "py3langid", "wordfreq", "charset-normalizer", "pyarrow")
NOT_IN_THE_TEXT = ("reading.batch_bytes", "reading.batch_documents")  # settings of how, not of what


@functools.cache
def code_digest() -> str:
    """Digest of the code and data that cleaning depends on: another version cleans everything again."""
    root = Path(pipeline.__file__).parent
    sha = hashlib.sha256()
    for folder in ("stages", "sources", "dedup", "run"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".toml", ".json") and path.is_file():
                sha.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    for name in ("document.py", "config.py"):
        sha.update((root / name).read_bytes())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return digest(pipeline.__version__, sha.hexdigest(), platform.python_version(), *versions)


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def cleans(name: str) -> bool:
    """Whether a setting, by its dotted name, has a say in a cleaned document or its sketch.

    >>> [cleans(name) for name in ("limits.seconds", "near.seed", "near.recall", "threshold", "reading.batch_bytes")]
    [True, True, False, False, False]
    """
    return name in SKETCHING or (name.split(".")[0] in CLEANING and name not in NOT_IN_THE_TEXT)


def fingerprint(config: Config, decisions: Decisions) -> str:
    """Digest of all that a cleaned document depends on, but for its bytes and the decisions on it alone."""
    settings = {name: value for name, value in flat(config.model_dump(mode="json")) if cleans(name)}
    wide = [d.as_json() for d in decisions.standing if d.scope in ("site", "everywhere")]
    return digest(code_digest(), json.dumps(settings, sort_keys=True), *wide)


def decided_alone(decisions: Decisions) -> dict[str, str]:
    """By file: a digest of the decisions that change how single documents in it are cleaned."""
    by_path: dict[str, list[str]] = {}
    for decision in decisions.standing:
        if decision.source and (decision.scope == "document" or decision.kind == "restore"):
            pieces = decision.source.split("#")  # a file's name may hold one too: every way to read it counts
            for count in range(1, len(pieces) + 1):
                by_path.setdefault("#".join(pieces[:count]), []).append(decision.as_json())
    return {path: digest(*said) for path, said in by_path.items()}


@dataclass
class Plan:
    """What a run found: the units in source order, and the spans of those cleaned before."""

    known: Known
    units: list[str] = field(default_factory=list)
    files: int = 0
    input_bytes: int = 0
    reused: int = 0
    new: int = 0


def known_units(parts: Path) -> Known:
    """What earlier runs cleaned and need not be done again."""
    known = Known()
    for batch in read_batches(parts):
        known.add(batch, settled=True)
    return known


def ahead(function: Callable[[T], R], values: Iterator[T], threads: int = 2) -> Iterator[tuple[T, R]]:
    """`(value, function(value))` in order, some values ahead of the one that is asked for."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        for value in values:
            waiting.append((value, pool.submit(function, value)))
            if len(waiting) >= SCANS_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def unit_key(piece: Slice, content: str, mark: str) -> str:
    """The digest that names a slice: where it is, what it holds, and what will be done to it."""
    place = f"{piece.file.path}\0{piece.start}\0{piece.end}\0{piece.first}"
    return digest(mark, place, content)


def batches(raw: str, config: Config, decisions: Decisions, plan: Plan) -> Iterator[CleanTask]:
    """The batches still to be cleaned, in source order. Fills `plan` as it goes; holds a few files at a time."""
    mark, alone = fingerprint(config, decisions), decided_alone(decisions)
    gathered: list[tuple[str, Slice]] = []
    size = 0
    for file, scanned in ahead(functools.partial(scan_or_refuse, config=config), discover(raw, config)):
        plan.files += 1
        plan.input_bytes += file.size
        for piece, content in scanned:
            key = unit_key(piece, content, mark + alone.get(file.path, ""))
            plan.units.append(key)
            if key in plan.known.units:
                plan.reused += 1
                continue
            plan.new += 1
            extent = piece.end - piece.start if piece.end > piece.start else file.size
            if gathered and (
                size + extent > config.reading.batch_bytes or len(gathered) >= config.reading.batch_documents
            ):
                yield task_of(gathered)
                gathered, size = [], 0
            gathered.append((key, piece))
            size += extent
    if gathered:
        yield task_of(gathered)


def scan_or_refuse(file: SourceFile, config: Config) -> list[tuple[Slice, str]]:
    """The slices of a file, each with a digest of its content; one empty slice for a file that is not opened."""
    if file.refused is not None:
        return [(Slice(file, 0, -1, 0), f"refused: {file.refused}")]
    scanned: Scan = scan(file, config)
    return list(zip(scanned.slices, scanned.digests, strict=True))


def task_of(gathered: list[tuple[str, Slice]]) -> CleanTask:
    """A batch named after what is in it."""
    return CleanTask(digest(*(key for key, _ in gathered))[:20], tuple(gathered))
