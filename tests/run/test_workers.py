"""Worker processes: they do their work, they can be killed, and they say where they were."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.executors import LocalExecutor
from pipeline.workers import Worker, WorkerPool, WorkersClosed, WorkerStopped
from tests.run import misbehaving


@pytest.fixture
def worker():
    made = Worker(memory_mb=512)
    yield made
    made.kill()


def test_gives_the_answer(worker):
    """A call gives what the function gives, from another process."""
    assert worker.call(misbehaving.double, (21,)) == 42
    assert worker.call(misbehaving.process_id, ()) != os.getpid()


def test_raises_what_the_function_raises(worker):
    """An exception crosses over, and the worker goes on."""
    with pytest.raises(ValueError, match="no such thing"):
        worker.call(misbehaving.fail, ("no such thing",))
    assert worker.call(misbehaving.double, (1,)) == 2


def test_an_error_of_storage_is_the_functions_own(worker):
    """An OSError that the function raises is not taken for a worker that died."""
    with pytest.raises(OSError, match="No space left") as error:
        worker.call(misbehaving.fill_disk, ())
    assert error.value.filename == "clean/.state"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hang", "did not end within 3 s on the clock"),
        ("spin", "took longer than 0.5 s of the processor"),
        ("crash", "SIGSEGV"),
        ("kill", "SIGKILL"),
        ("leave", "exit code 7"),
    ],
)
def test_names_the_place_that_stopped_it(worker, how, said):
    """Whatever ends a worker, the caller learns at which document, how, and what was stored before."""
    stored: list[int] = []
    wall = 3 if how == "hang" else 600
    with pytest.raises(WorkerStopped, match=said) as stop:
        worker.call(misbehaving.at_each, (5, 3, how), seconds=0.5, wall_seconds=wall, on_stored=stored.append)
    assert stop.value.place == ("clean", 3)
    assert stop.value.passing == (how in ("hang", "kill")), "these may be the machine's fault"
    assert stored == [0, 1, 2]
    assert worker.call(misbehaving.double, (2,)) == 4, "the next call starts a new process"


def test_memory_is_bounded(worker):
    """A function that eats memory gets a MemoryError, not the machine."""
    with pytest.raises(MemoryError):
        worker.call(misbehaving.at_each, (2, 1, "eat"), seconds=60)


def test_the_limit_counts_from_the_last_place(worker):
    """Many quick documents may take longer together than the limit for one."""
    assert worker.call(misbehaving.work_at_each, (20, 0.1), seconds=1) == 20


def test_waiting_for_the_processor_is_not_held_against_a_document(worker):
    """On a machine that does other work a document takes long on the clock and is no slower for it."""
    assert worker.call(misbehaving.at_each, (3, 1, "nap"), seconds=0.3, wall_seconds=600) == 3


def test_between_calls_no_limit_counts(worker):
    """The limit ends with the call: what a worker does afterwards, for another call without a limit, is free."""
    assert worker.call(misbehaving.double, (1,), seconds=0.3) == 2
    assert worker.call(misbehaving.work_at_each, (1, 1.0)) == 1


def test_a_closed_worker_says_so(worker):
    """Once closed, a worker starts nothing and blames no document."""
    worker.call(misbehaving.double, (1,))
    worker.close()
    with pytest.raises(WorkersClosed):
        worker.call(misbehaving.double, (1,))


def test_resting_gives_back_memory_and_nothing_else():
    """A pool at rest has no processes; a call under way goes on, and the next call starts a process again."""
    pool = WorkerPool(2)
    with pool.worker() as busy:
        first = busy.call(misbehaving.process_id, ())
        with pool.worker() as other:
            idle = other.call(misbehaving.process_id, ())
        pool.rest()
        assert not Path(f"/proc/{idle}").exists()
        assert busy.call(misbehaving.process_id, ()) == first
    with pool.worker() as one, pool.worker() as two:
        assert {one.call(misbehaving.double, (1,)), two.call(misbehaving.double, (2,))} == {2, 4}
    pool.close()


def test_executor_keeps_the_order():
    """Answers come in the order of the arguments, however many workers there are."""
    with LocalExecutor(3) as executor:
        assert list(executor.map(misbehaving.double, ((n,) for n in range(50)))) == [2 * n for n in range(50)]


def test_executor_takes_arguments_as_it_goes():
    """An endless stream of arguments is read only as far as work is under way."""
    taken: list[int] = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield (number,)

    with LocalExecutor(2) as executor:
        answers = executor.map(misbehaving.double, endless())
        assert [next(answers) for _ in range(10)] == [2 * n for n in range(10)]
        assert len(taken) <= 16
        answers.close()


def test_workers_die_with_the_run(tmp_path: Path):
    """A run killed with SIGKILL leaves no worker behind."""
    import signal
    import subprocess
    import sys

    script = (
        "import sys, time, threading\n"
        "from pipeline.workers import Worker\n"
        "from tests.run import misbehaving\n"
        "if __name__ == '__main__':\n"
        "    w = Worker()\n"
        "    print(w.call(misbehaving.process_id, ()), flush=True)\n"
        "    w.call(misbehaving.hang, ())\n"
    )
    path = tmp_path / "hanging.py"
    path.write_text(script)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    child = int(process.stdout.readline())
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} is still there")
