"""The second pass: documents that hold a learned line are cleaned of it, and sketched again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.config import Config
from pipeline.corpus.parts import read_batch
from pipeline.decisions import Decisions
from pipeline.errors import RunError
from pipeline.executors import Executor
from pipeline.run.compacting import compact
from pipeline.run.learning import Learned
from pipeline.run.planning import Plan
from pipeline.run.rows import Rows
from pipeline.run.tasks import FinishTask, digest, finish_task

TASK_DOCUMENTS = 500


@dataclass(frozen=True)
class Touched:
    """The documents (indices in source order) of one unit that hold learned lines, in one part.

    `key` names what is to be done: which documents of which unit, without which lines. It stays while those do.
    """

    key: str
    part: str
    documents: np.ndarray
    lines: list[tuple[int, ...]]


def finish(rows: Rows, plan: Plan, learned: Learned, config: Config, executor: Executor, decisions: Decisions) -> Rows:
    """The rows of the run after the learned lines were taken out. What was finished before is found by its key."""
    known = plan.known
    touched = list(touched_units(plan, learned))
    missing = [some for some in touched if some.key not in known.units]
    arguments = ((task, str(rows.folder), config, decisions, executor.workers) for task in tasks(missing, rows))
    for name in executor.map(finish_task, arguments, inline=True):
        batch = read_batch(rows.folder / f"{name}.json")
        if batch is None:
            raise RunError(f"{rows.folder}: batch {name} is not whole. Free some space and run again.")
        known.add(batch)
    compact(rows.folder, (some.key for some in touched), known, executor)
    return rows.replaced(
        (some.documents, span.part, np.arange(span.first, span.first + span.count, dtype=np.int32))
        for some in touched
        for span in known.units[some.key]
    )


def touched_units(plan: Plan, learned: Learned) -> Iterator[Touched]:
    """What the learned lines touch, unit by unit."""
    units = [key for key in plan.units if key in plan.known.units]
    counts = [sum(span.count for span in plan.known.units[key]) for key in units]
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    for part, (documents, lines) in learned.touched.items():
        unit = np.searchsorted(first, documents, side="right") - 1
        borders = [0, *(np.flatnonzero(np.diff(unit)) + 1).tolist(), len(documents)]
        for low, high in pairwise(borders):
            of_unit, its_lines = documents[low:high], lines[low:high]
            within = (of_unit - first[unit[low]]).tobytes()
            key = digest("finish", units[unit[low]], within, repr(its_lines))
            yield Touched(key, part, of_unit, its_lines)


def tasks(touched: list[Touched], rows: Rows) -> Iterator[FinishTask]:
    """What is to be finished, cut into calls; each concerns one part."""
    gathered: list[Touched] = []
    for some in touched:
        full = sum(len(one.documents) for one in gathered) >= TASK_DOCUMENTS
        if gathered and (full or gathered[0].part != some.part):
            yield task_of(gathered, rows)
            gathered = []
        gathered.append(some)
    if gathered:
        yield task_of(gathered, rows)


def task_of(gathered: list[Touched], rows: Rows) -> FinishTask:
    """One call, named after what is in it."""
    return FinishTask(
        "finish-" + digest(*(some.key for some in gathered))[:20],
        gathered[0].part,
        tuple((some.key, len(some.documents)) for some in gathered),
        tuple(rows.row[np.concatenate([some.documents for some in gathered])].tolist()),
        tuple(lines for some in gathered for lines in some.lines),
    )
