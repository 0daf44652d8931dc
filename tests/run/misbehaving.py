"""Functions that a worker process is given in the tests: some of them end it."""

from __future__ import annotations

import ctypes
import os
import signal
import time

from pipeline import workers


def double(number: int) -> int:
    return 2 * number


def fill_disk() -> None:
    raise OSError(28, "No space left on device", "clean/.state")


def fail(message: str) -> None:
    raise ValueError(message)


def at_each(count: int, stop_at: int, how: str) -> int:
    """Says at which of `count` places it is, and misbehaves at one of them."""
    for ordinal in range(count):
        workers.at("clean", ordinal)
        if ordinal == stop_at:
            HOW[how]()
        workers.stored(ordinal)
    return count


def work_at_each(count: int, seconds: float) -> int:
    """Uses the processor for so many seconds at each of `count` places."""
    for ordinal in range(count):
        workers.at("clean", ordinal)
        start = time.process_time()
        while time.process_time() - start < seconds:
            pass
    return count


def hang() -> None:
    while True:
        time.sleep(60)


def spin() -> None:
    while True:
        pass


def nap() -> None:
    time.sleep(1)


def crash() -> None:
    ctypes.string_at(0)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def eat() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(64 * 2**20))


def leave() -> None:
    os._exit(7)


HOW = {"hang": hang, "spin": spin, "nap": nap, "crash": crash, "kill": kill, "eat": eat, "leave": leave}


def process_id() -> int:
    return os.getpid()
