"""Where a flow's work runs: each call of `pipeline.run` inside a Prefect task, on processes, threads, Dask or Ray.

A task takes a group of calls. Groups grow as a run goes on, so that a corpus of any size needs some hundreds of task
runs at most: Prefect's database stalls after thousands. What crosses a task's border is what crosses an executor's:
paths, numbers and the configuration, never a text.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Literal, TypeVar, cast, get_args

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from pipeline.console import SAID
from pipeline.errors import RunError, UsageError
from pipeline.executors import available_cores
from pipeline.workers import close_shared_pools, shared_pool

T = TypeVar("T")
Where = Literal["processes", "threads", "dask", "ray"]

# So many tasks take one call, as many two, then four, …: n calls need 32 · log2(n / 32) tasks, and the last of them,
# which a worker may be alone with, hold 1/64 of the work.
TASKS_OF_A_SIZE = 32
RETRIES = 3
RETRY_SECONDS = [2.0, 10.0, 60.0]
# What the libraries behind fsspec raise when storage cannot be reached, by name: none of them need be installed.
STORAGE_ERRORS = {"BotoCoreError", "ClientError", "ClientConnectionError", "ServerTimeoutError", "HttpError"}
# Trying again does not mend these.
LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)


def is_storage_error(error: BaseException | None) -> bool:
    """Whether the error, or what caused it, came from storage and may pass: only then is a task tried again.

    >>> is_storage_error(ConnectionResetError()), is_storage_error(ValueError()), is_storage_error(PermissionError())
    (True, False, False)
    """
    while error is not None:
        if isinstance(error, OSError):
            return not isinstance(error, LASTING)
        if any(kind.__name__ in STORAGE_ERRORS for kind in type(error).__mro__):
            return True
        error = error.__cause__
    return False


def _storage_failed(_task: Any, _run: Any, state: Any) -> bool:
    """Prefect's question before a retry."""
    try:
        state.result()
    except BaseException as error:
        return is_storage_error(error)
    return False


class Group:
    """Calls of one function. A plain class, because Prefect would search a list or dataclass for futures, deeply."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> None:
        self.function = function
        self.arguments = arguments


@task(
    task_run_name="{label}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    retry_condition_fn=_storage_failed,
    cache_policy=NO_CACHE,  # what is done is known by its part files
    persist_result=False,
)
def call_group(label: str, group: Group, workers: int) -> list[Any]:  # noqa: ARG001 - the label is for Prefect
    """Gives what each call of the group gives, in order. The label names the task run in the UI.

    With `workers`, each call runs in one of this process's so many killable worker processes.
    """
    if not workers:
        return [group.function(*arguments) for arguments in group.arguments]
    results = []
    for arguments in group.arguments:
        with shared_pool(workers).worker() as worker:
            results.append(worker.call(group.function, arguments))
    return results


def groups(calls: Iterable[T], tasks_of_a_size: int = TASKS_OF_A_SIZE) -> Iterator[list[T]]:
    """The calls in order, in groups whose size doubles every `tasks_of_a_size` groups.

    >>> sizes = [len(group) for group in groups(range(100_000))]
    >>> sizes[0], sizes[32], sizes[64], sum(sizes), len(sizes) < 400
    (1, 2, 4, 100000, True)
    """
    remaining, made = iter(calls), 0
    while group := list(itertools.islice(remaining, 2 ** (made // tasks_of_a_size))):
        yield group
        made += 1


# The step that runs. It is no parameter of its task, because a task's parameters and its function travel to the cluster
# with each task that it starts; for the same reason the function does not name this variable itself.
_step: ContextVar[Callable[[], Any]] = ContextVar("step")


def _call_current() -> Any:
    return _step.get()()


@task(task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
def call_step(label: str) -> Any:  # noqa: ARG001 - the label is for Prefect
    """Gives what the step gives, in the flow's own process. What it maps over a cluster are tasks of their own."""
    return _call_current()


class PrefectExecutor:
    """An executor (`pipeline.executors.Executor`) whose calls are Prefect tasks. To be used in a flow run."""

    def __init__(self, where: Where = "processes", address: str | None = None, workers: int | None = None) -> None:
        self.where = where
        self._runner = task_runner(where, address, workers or available_cores())
        self._asked = workers
        self.workers = workers or available_cores()

    def __enter__(self) -> PrefectExecutor:
        self._runner.__enter__()
        if self._asked is None:
            self.workers = cluster_size(self.where, self._runner) or self.workers
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._runner.__exit__(*error)
        finally:
            close_shared_pools()

    def map(
        self, function: Callable[..., T], arguments: Iterable[Sequence[Any]], *, inline: bool = False
    ) -> Iterator[T]:
        """As `pipeline.executors.Executor.map`; at most two tasks for each worker are under way or waiting."""
        name = NAMES.get(function.__name__, function.__name__.replace("_", " "))
        in_workers = self.workers if self.where == "processes" and not inline else 0
        pending: deque[PrefectFuture[list[T]]] = deque()
        try:
            for number, group in enumerate(groups(arguments, max(TASKS_OF_A_SIZE, 4 * self.workers)), 1):
                label = f"{name} {number}" + (f" ({len(group)} batches)" if len(group) > 1 else "")
                pending.append(self._submit(label, Group(function, group), in_workers))
                if len(pending) >= 2 * self.workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        except BaseException:
            close_shared_pools()  # calls under way are of no use now
            raise

    def step(self, name: str, call: Callable[[], T]) -> T:
        """As `pipeline.executors.Executor.step`: a task run, so that the UI shows every pass and its time."""
        token = _step.set(call)
        try:
            return cast("T", call_step(SAID.get(name, name)))
        finally:
            _step.reset(token)

    def _submit(self, label: str, group: Group, workers: int) -> PrefectFuture[list[Any]]:
        parameters = {"label": label, "group": group, "workers": workers}
        return cast("PrefectFuture[list[Any]]", self._runner.submit(call_group, parameters=parameters))


NAMES = {
    "clean_task": "clean",
    "finish_task": "take out what recurs",
    "merge_parts": "put small part files together",
    "write_block": "write",
}


def task_runner(where: Where, address: str | None, workers: int) -> Any:
    """Prefect's runner for a place. Raises UsageError when the place is unknown or its extra is not installed."""
    if where in ("processes", "threads"):
        if address is not None:
            raise UsageError(f"address: only a cluster has one, and tasks run on {where}. Leave it out.")
        return ThreadPoolTaskRunner(max_workers=workers)
    try:
        if where == "dask":
            import dask
            from prefect_dask import DaskTaskRunner

            # Documents are cleaned in killable child processes, which a daemonic worker may not have.
            dask.config.set({"distributed.worker.daemon": False})
            if address is not None:
                return DaskTaskRunner(address=address)
            return DaskTaskRunner(
                cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            )
        if where == "ray":
            from prefect_ray import RayTaskRunner

            if address is not None:
                return RayTaskRunner(address=address)
            return RayTaskRunner(init_kwargs={"num_cpus": workers, "include_dashboard": False})
    except ImportError as error:
        raise UsageError(
            f'where: {where} needs {error.name}. Install it: pip install "clean-corpus[{where}]"'
        ) from None
    raise UsageError(f"where: {where!r} is none of {', '.join(get_args(Where))}.")


def cluster_size(where: Where, runner: Any) -> int | None:
    """How many tasks a started cluster runs at a time; None for this machine."""
    if where == "dask":
        return sum(runner.client.nthreads().values()) or None
    if where == "ray":
        import ray

        return int(ray.cluster_resources().get("CPU", 0)) or None
    return None


def check_server(where: Where, api_url: str | None) -> None:
    """Raises RunError when tasks run in other processes that could not find the server: each would start its own."""
    if where in ("dask", "ray") and not api_url:
        raise RunError(
            f"where: tasks on {where} need a Prefect server that every worker reaches."
            " Start one (prefect server start) and set PREFECT_API_URL to its address plus /api."
        )
