"""Worker processes that can be killed: one document may hang, exhaust memory or crash without taking others along.

A `Worker` is one child process that runs one function call at a time. While it works it says which document it is at
(`at`), what it does with it (`doing`) and what it has safely stored (`stored`); whoever waits for it can therefore name
the document that stopped it, and the stage.
Children are forked from a fork server that imported everything once, so starting one costs a few milliseconds and no
thread of the parent is ever forked.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import queue
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from pipeline.allocator import keep_freed_memory

T = TypeVar("T")

PRELOAD = ("pipeline.run.batches",)
_PR_SET_PDEATHSIG = 1

_STAGE_BYTES = 32
_start_lock = threading.Lock()
_channel: Connection | None = None  # in a child: the way to the parent
_stage: Any = None  # in a child: memory shared with the parent, which holds the name of what is being done
_seconds: float | None = None  # in a child: of the processor, that one document of the call may take


class WorkerStopped(Exception):
    """A worker died or was killed while it was at a document.

    `place` is what the call last passed to `at` (None: before the first), `how` says what happened: the stage, if the
    call named one, and words that fit behind "the document". `passing`: it may be the machine's fault, and not happen
    again.
    """

    def __init__(self, place: tuple[str, int] | None, how: str, passing: bool = False) -> None:
        super().__init__(how)
        self.place = place
        self.how = how
        self.passing = passing


def at(place: str, ordinal: int, allowance: float = 1.0) -> None:
    """In a worker: says that it now begins to read, clean, … document `ordinal` of its call. Elsewhere: nothing.

    `allowance`: how many times the limits of one document this may take, where it is work on many.
    """
    if _channel is not None:
        _stage.value = b""
        _channel.send(("at", (place, ordinal, allowance)))
        _allow(allowance)


def alive() -> None:
    """In a worker: says that it is still at the same document and gets on, so that the limits count anew."""
    if _channel is not None:
        _channel.send(("alive", None))
        _allow(1.0)


def _allow(times: float) -> None:
    """In a worker: from now on `times` the limit of one document; 0: no limit.

    A timer of the system counts what this process takes of the processor, and ends it with SIGPROF. Other processes
    that share the processor, or a computer that sleeps, do not count.
    """
    if _seconds is not None:
        signal.setitimer(signal.ITIMER_PROF, _seconds * times)


def doing(stage: str) -> None:
    """In a worker: names the stage that the document is in. A write to shared memory, 0.2 µs; a message would be 20."""
    if _stage is not None:
        _stage.value = stage.encode()[: _STAGE_BYTES - 1]


def stored(what: Any) -> None:
    """In a worker: says that `what` is safely on disk, so that a repeated call need not do it again."""
    if _channel is not None:
        _channel.send(("stored", what))


def _die_with_parent() -> None:
    """Ties this process to the fork server, and the fork server to the run: killed, a run leaves nothing behind.

    A child is handed a copy of the pipe by which the fork server notices that the run has ended, for children of its
    own. It has none, and its copy would keep the fork server alive.
    """
    from multiprocessing import forkserver

    alive = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)
    if alive is not None:
        with contextlib.suppress(OSError):
            os.close(alive)
        forkserver._forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(megabytes: int | None) -> None:
    """Lets this process grow by `megabytes` MiB of address space over what it has mapped now."""
    if megabytes is None or sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - not a file of ours
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + megabytes * 2**20, resource.RLIM_INFINITY))


def _serve(channel: Connection, stage: Any, memory_mb: int | None) -> None:
    """The child: runs calls until the channel closes."""
    global _channel, _stage, _seconds
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # see _allow
    _die_with_parent()
    keep_freed_memory()
    _channel, _stage = channel, stage
    limited = False
    while True:
        try:
            function, arguments, _seconds = channel.recv()
        except (EOFError, OSError):
            os._exit(0)
        if not limited:
            _limit_memory(memory_mb)
            limited = True
        _allow(1.0)
        try:
            answer: tuple[str, Any] = ("done", function(*arguments))
        except BaseException as error:  # whatever it was goes to the caller
            answer = ("raised", error)
        _allow(0.0)
        try:
            channel.send(answer)
        except Exception as error:  # an answer or error that cannot be pickled
            channel.send(("raised", RuntimeError(f"{type(answer[1]).__name__}: {answer[1]} ({error})")))


def context() -> multiprocessing.context.ForkServerContext:
    """The fork server's context, with the cleaning code preloaded."""
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(list(PRELOAD))
    return chosen


def start_fork_server() -> None:
    """Starts the fork server now, so that its imports overlap with what the caller does next.

    It starts with SIGINT blocked, which its children inherit: Ctrl-C reaches every process of the terminal, and it is
    the parent that ends them.
    """
    context()
    from multiprocessing import forkserver

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hides the caller's script while a child is started, so that the child does not run it again.

    multiprocessing has every child import the main module, which a script or notebook without an
    `if __name__ == "__main__"` does not survive. Nothing that a worker is given stands in there.
    """
    with _start_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class WorkersClosed(Exception):
    """The pool was closed while a call was under way: the run is being given up."""


class Worker:
    """One child process. Not thread-safe: one call at a time."""

    def __init__(self, memory_mb: int | None = None) -> None:
        self._memory_mb = memory_mb
        self.closed = False
        self._process: Any = None
        self._parent_end: Connection | None = None
        self._stage: Any = None

    def _start(self) -> Connection:
        if self.closed:
            raise WorkersClosed
        if self._parent_end is None:
            start_fork_server()
            chosen = context()
            parent_end, child_end = chosen.Pipe()
            self._stage = self._stage or chosen.RawArray("c", _STAGE_BYTES)
            process = chosen.Process(target=_serve, args=(child_end, self._stage, self._memory_mb), daemon=True)
            with _without_main():
                process.start()
            child_end.close()
            self._process, self._parent_end = process, parent_end
            if self.closed:  # while it was being started
                self.kill()
                raise WorkersClosed
        return self._parent_end

    def call(
        self,
        function: Callable[..., T],
        arguments: Sequence[Any],
        seconds: float | None = None,
        wall_seconds: float | None = None,
        on_stored: Callable[[Any], None] | None = None,
    ) -> T:
        """`function(*arguments)`, run in the child.

        `seconds` (of the processor) and `wall_seconds` (on the clock) are the longest between two calls of `at`, but
        for its allowance; then the child ends. What the function raises is raised here. Raises WorkerStopped when the
        child was killed or died.
        """
        channel = self._start()
        place: tuple[str, int] | None = None
        times = 1.0
        self._stage.value = b""
        try:
            channel.send((function, tuple(arguments), seconds))
            while True:
                if wall_seconds is not None and not channel.poll(wall_seconds * times):
                    self.kill()
                    how = f"did not end within {wall_seconds * times:g} s on the clock"
                    raise WorkerStopped(place, self._in_stage(how), passing=True)
                what, value = channel.recv()
                if what == "at":
                    place, times = value[:2], value[2]
                elif what == "alive":
                    continue
                elif what == "stored":
                    if on_stored is not None:
                        on_stored(value)
                else:
                    break
        except (EOFError, OSError):
            if self.closed:
                raise WorkersClosed from None
            how, passing = self._last_words(None if seconds is None else seconds * times)
            self.kill()
            raise WorkerStopped(place, self._in_stage(how), passing) from None
        except KeyboardInterrupt:
            self.kill()
            raise
        if what == "raised":  # out here: an OSError of the function is no broken channel
            raise value
        return value  # type: ignore[no-any-return]

    def _in_stage(self, how: str) -> str:
        stage = self._stage.value.decode("utf-8", "replace")
        return f"{stage}: {how}" if stage else how

    def _last_words(self, seconds: float | None) -> tuple[str, bool]:
        """How the child ended, and whether that may be the machine's fault.

        SIGKILL is what a system short of memory sends to whichever process it likes.
        """
        process = self._process
        process.join(5)
        code = process.exitcode
        if code == -signal.SIGPROF and seconds is not None:
            return f"took longer than {seconds:g} s of the processor", False
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"crashed its worker ({signal.Signals(-code).name})", code == -signal.SIGKILL
        return f"ended its worker (exit code {code})", False

    def kill(self) -> None:
        """Ends the child at once; the next call starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._parent_end is not None:
            self._parent_end.close()
        self._process = self._parent_end = None

    def close(self) -> None:
        """Ends the child for good, from any thread."""
        self.closed = True
        process = self._process
        if process is not None:
            with contextlib.suppress(AttributeError):  # made by another thread, not yet started: it dies with the run
                process.kill()


class WorkerPool:
    """`size` workers that threads take in turn."""

    def __init__(self, size: int, memory_mb: int | None = None) -> None:
        self.size = size
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._all = [Worker(memory_mb) for _ in range(size)]
        for worker in reversed(self._all):
            self._free.put(worker)

    @contextlib.contextmanager
    def worker(self) -> Any:
        """A free worker, given back at the end."""
        taken = self._free.get()
        try:
            yield taken
        finally:
            self._free.put(taken)

    def rest(self) -> None:
        """Ends the processes of free workers, and with them the memory they hold; the next call starts new ones."""
        resting = []
        with contextlib.suppress(queue.Empty):
            while True:
                resting.append(self._free.get_nowait())
        for worker in resting:
            worker.kill()
            self._free.put(worker)

    def close(self) -> None:
        """Ends every worker, also one that a thread is waiting for; calls under way raise WorkersClosed."""
        for worker in self._all:
            worker.close()


_pools: dict[tuple[int, int | None], WorkerPool] = {}
_pools_lock = threading.Lock()


def shared_pool(size: int, memory_mb: int | None = None) -> WorkerPool:
    """This process's pool of that size: tasks of a cluster worker share one."""
    with _pools_lock:
        if (size, memory_mb) not in _pools:
            _pools[size, memory_mb] = WorkerPool(size, memory_mb)
        return _pools[size, memory_mb]


def rest_shared_pools() -> None:
    """Gives back the memory of workers that nobody uses now: a corpus that is cleaned needs none of them."""
    with _pools_lock:
        for pool in _pools.values():
            pool.rest()


def close_shared_pools() -> None:
    """Ends every worker of every shared pool of this process."""
    with _pools_lock:
        for pool in _pools.values():
            pool.close()
        _pools.clear()
