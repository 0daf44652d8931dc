"""The second pass: documents that hold a learned line are cleaned of it, and sketched again."""

from __future__ import annotations

import numpy as np

from pipeline.config import Config
from pipeline.corpus.parts import read_batch
from pipeline.decisions import Decisions
from pipeline.executors import Executor
from pipeline.run.learning import Learned
from pipeline.run.rows import Rows
from pipeline.run.tasks import digest, finish_part


def finish(rows: Rows, learned: Learned, config: Config, executor: Executor, decisions: Decisions) -> Rows:
    """The rows of the run after the learned lines were taken out. What was finished before is found by its name."""
    tasks, places = [], []
    for part, (documents, keys) in learned.touched.items():
        row_numbers = rows.row[documents]
        name = "finish-" + digest(part, row_numbers.tobytes(), repr(keys))[:20]
        places.append((documents, name))
        batch = read_batch(rows.folder / f"{name}.json")
        if batch is None or batch.again:
            tasks.append(
                (str(rows.folder), part, name, row_numbers.tolist(), keys, config, decisions, executor.workers)
            )
    for _ in executor.map(finish_part, tasks, inline=True):
        pass
    return rows.replaced(
        (documents, f"{name}-0000", np.arange(len(documents), dtype=np.int32)) for documents, name in places
    )
