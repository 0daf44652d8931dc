"""What a run asks of workers, without what the workers need for it: the parent process never imports a stage."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pipeline.config import Config
from pipeline.corpus.parts import Span
from pipeline.decisions import Decisions
from pipeline.run.guarding import guarded
from pipeline.sources import Slice


@dataclass(frozen=True, slots=True)
class Late:
    """A function by its name: found where it is called, which is in a worker that has its module already."""

    module: str
    name: str

    def __call__(self, *arguments: Any) -> Any:
        """Calls it."""
        return getattr(importlib.import_module(self.module), self.name)(*arguments)


def digest(*parts: str | bytes) -> str:
    """First 32 hex digits of a SHA-256 over the parts, each delimited by its length."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class CleanTask:
    """One batch: its slices with their unit keys, and the name under which it is stored."""

    name: str
    slices: tuple[tuple[str, Slice], ...]


@dataclass(frozen=True, slots=True)
class FinishTask:
    """Documents of one part that hold learned lines: the units they make (key, how many), their rows, their lines."""

    name: str
    part: str
    units: tuple[tuple[str, int], ...]
    rows: tuple[int, ...]
    lines: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """How far a call got before it was stopped: documents stored in whole parts, and where those parts stand."""

    documents: int = 0
    parts: tuple[str, ...] = ()
    units: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    again: frozenset[str] = frozenset()


def clean_task(
    task: CleanTask, folder: str, config: Config, decisions: Decisions, pool_size: int
) -> tuple[str, int, dict[str, float]]:
    """`clean_batch` in a killable worker process: a document that stops its worker becomes a `failed` row.

    Runs inline in a task of any executor; the worker processes belong to the process that the task runs in.
    """
    begun = Begun()

    def remember(done: Begun) -> None:
        nonlocal begun
        begun = done

    name_documents_seconds = guarded(
        Late("pipeline.run.batches", "clean_batch"),
        lambda stopped, careful: (task, folder, config, decisions, begun, stopped, careful),
        config,
        pool_size,
        remember,
    )
    return cast("tuple[str, int, dict[str, float]]", name_documents_seconds)


def finish_task(task: FinishTask, folder: str, config: Config, decisions: Decisions, pool_size: int) -> str:
    """`finish_batch` in a killable worker process: a document that stops its worker becomes a `failed` row."""
    name = guarded(
        Late("pipeline.run.batches", "finish_batch"),
        lambda stopped, careful: (task, folder, config, decisions, stopped, careful),
        config,
        pool_size,
    )
    return cast("str", name)
