"""Work on many documents in a worker that one of them may stop: that one becomes a row, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeline import workers
from pipeline.config import Config
from pipeline.errors import CleanCorpusError, DocumentFailed, RunError

T = TypeVar("T")

Place = tuple[str, int]  # what was being done, and the ordinal of the document
STORE = "store"  # the place of work on many documents at once
STORE_ALLOWANCE = 4.0  # times the limit of one document that storing a part may take; measured: under a tenth of one
BLIND = 3  # times that a worker may end before it said where it was


def guarded(
    function: Callable[..., T],
    arguments: Callable[[Mapping[Place, DocumentFailed], bool], tuple[Any, ...]],
    config: Config,
    pool_size: int,
    on_stored: Callable[[Any], None] | None = None,
) -> T:
    """What `function` gives in a worker, called again without the documents that stopped it.

    `arguments(stopped, careful)` gives its arguments: the places that stopped a worker, each with what makes the row
    of that document, and whether to do with each document alone what is quicker done with many. That is asked for
    where nobody knows which document it was: the worker stopped, ran out of memory or raised while it stored a part.
    Raises RunError where a worker keeps ending for no document's sake.
    """
    stopped: dict[Place, DocumentFailed] = {}
    limits = config.limits
    wall_seconds = max(limits.seconds, limits.wall_seconds)
    careful, blind = False, 0
    with workers.shared_pool(pool_size, limits.memory_mb).worker() as worker:
        while True:
            try:
                given = arguments(stopped, careful)
                return worker.call(function, given, limits.seconds, wall_seconds, on_stored)  # type: ignore[no-any-return]
            except workers.WorkerStopped as stop:
                if stop.place is None and blind < BLIND:
                    blind += 1
                elif stop.place is not None and stop.place[0] == STORE and not careful:
                    careful = True
                elif stop.place is None or stop.place in stopped or stop.place[0] == STORE:
                    raise RunError(
                        f"a worker process stopped at no document in particular: {stop.how}."
                        " Was it short of memory? Run again with fewer --workers."
                    ) from None
                else:
                    stopped[stop.place] = DocumentFailed(stop.how, stop.passing)
            except (CleanCorpusError, OSError, workers.WorkersClosed):
                raise
            except Exception:
                worker.kill()  # what it holds in memory is of no use to the next attempt
                if careful:
                    raise
                careful = True


def too_much_memory(config: Config) -> str:
    """The reason in the row of a document that ran out of memory."""
    return f"needed more than {config.limits.memory_mb:,} MiB of memory. Raise [limits] memory_mb to keep it."
