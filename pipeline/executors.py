"""Where work runs. `run` says what: map this function over these arguments; an executor says where.

A function given to an executor stands at module level, its arguments are small and picklable (paths, numbers, the
frozen configuration), and it gives back something small. Texts travel through files, never through an executor.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from pipeline.errors import RunError
from pipeline.workers import WorkerStopped, close_shared_pools, shared_pool

T = TypeVar("T")


class Executor(Protocol):
    """Maps functions over arguments, somewhere."""

    workers: int

    def map(
        self, function: Callable[..., T], arguments: Iterable[Sequence[Any]], *, inline: bool = False
    ) -> Iterator[T]:
        """`function(*a)` for each `a` of `arguments`, in their order, started a bounded number ahead.

        `inline`: the function looks after its own worker process (it cleans documents, any of which may have to be
        killed), so it is called in the task itself.
        """
        ...

    def step(self, name: str, call: Callable[[], T]) -> T:
        """What `call` gives, called here: a step over the whole corpus, under the name that it has in `PASSES`."""
        ...


def available_cores() -> int:
    """The cores this process may use (CPU affinity where the system has it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor:
    """Processes on this machine: one thread for each worker process, which waits for it and can kill it."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()

    def map(
        self, function: Callable[..., T], arguments: Iterable[Sequence[Any]], *, inline: bool = False
    ) -> Iterator[T]:
        """As `Executor.map`; at most two calls for each worker are under way or waiting."""
        call = function if inline else self._in_worker(function)
        pending: deque[Future[T]] = deque()
        threads = ThreadPoolExecutor(self.workers)
        try:
            for given in arguments:
                pending.append(threads.submit(call, *given))
                if len(pending) >= 2 * self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BaseException:
            for future in pending:
                future.cancel()
            self.close()  # whatever still runs is of no use now
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def step(self, name: str, call: Callable[[], T]) -> T:  # noqa: ARG002 - nobody watches
        """As `Executor.step`."""
        return call()

    def _in_worker(self, function: Callable[..., T]) -> Callable[..., T]:
        steps = shared_pool(self.workers)

        def call(*arguments: Any) -> T:
            with steps.worker() as worker:
                try:
                    return worker.call(function, arguments)  # type: ignore[no-any-return]
                except (WorkerStopped, MemoryError) as error:
                    how = error.how if isinstance(error, WorkerStopped) else "a worker process ran out of memory"
                    raise RunError(
                        f"{function.__name__}: {how}. Nothing was published."
                        " Was it short of memory? Run again with fewer --workers."
                    ) from None

        return call

    def close(self) -> None:
        """Ends the worker processes."""
        close_shared_pools()

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
