"""Makes the product misbehave from outside: put on PYTHONPATH, it is imported by the run, its fork server and workers.

SABOTAGE holds a JSON list of orders. `{"wrap": "module:function", "marker": text}`: the function, given the marker,
does what follows the marker in the text (hang, wait, crash, eat, kill, leave, raise); with `"always": how` it does that
in any worker. `{"step": n, "folder": CLEAN}`: the process group is killed just before the n-th time that a name appears
in CLEAN. `{"no_sockets": true}`: connecting anywhere raises.
"""

import ctypes
import functools
import importlib.machinery
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from pathlib import Path


def misbehave(how):
    if how == "hang":
        while True:
            pass
    if how == "wait":
        while True:
            time.sleep(60)
    if how == "kill-run":
        os.killpg(0, signal.SIGKILL)
    if how == "crash":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "leave":
        os._exit(7)
    if how == "raise":
        raise RuntimeError("sabotage")
    hoard = []
    while how == "eat":
        hoard.append(bytearray(64 << 20))


def texts_of(value):
    """Every text in an argument: strings, bytes, documents, lists of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)
    else:
        for name in ("text", "data", "title"):
            if isinstance(getattr(value, name, None), (str, bytes)):
                yield from texts_of(getattr(value, name))


def wrapped(function, marker):
    pattern = re.compile(re.escape(marker) + "-(hang|wait|crash|eat|kill|leave|raise)")

    def call(*arguments, **named):
        for text in texts_of([*arguments, *named.values()]):
            found = pattern.search(text)
            if found:
                misbehave(found[1])
        return function(*arguments, **named)

    call.__name__ = function.__name__
    call.__qualname__ = function.__qualname__
    call.__module__ = function.__module__
    return call


def in_workers(function, how):
    """The function misbehaves in every worker process, and in no other."""

    def call(*arguments, **named):
        if how == "kill-run" or multiprocessing.parent_process() is not None:
            misbehave(how)
        return function(*arguments, **named)

    call.__name__ = function.__name__
    call.__qualname__ = function.__qualname__
    call.__module__ = function.__module__
    return call


def learned_only(function):
    """The function is sabotaged only in the second pass, when it is given learned lines."""
    poisoned = wrapped(function, "finish")

    def call(document, settings, learned=frozenset()):
        return (poisoned if learned else function)(document, settings, learned)

    return call


orders = json.loads(os.environ.get("SABOTAGE", "[]"))
targets, values = {}, {}
for order in orders:
    if "set" in order:  # a module's constant gets another value
        module, _, name = order["set"].partition(":")
        values.setdefault(module, {})[name] = order["value"]
    if "wrap" in order:
        module, _, name = order["wrap"].partition(":")
        targets.setdefault(module, []).append((name, order.get("marker"), order.get("always")))

if targets or values:
    execute = importlib.machinery.SourceFileLoader.exec_module

    def exec_module(loader, module):
        execute(loader, module)
        vars(module).update(values.get(module.__name__, {}))
        for path, marker, always in targets.get(module.__name__, ()):
            *owners, name = path.split(".")
            owner = functools.reduce(getattr, owners, module)
            was = getattr(owner, name)
            if always:
                setattr(owner, name, in_workers(was, always))
            else:
                setattr(owner, name, learned_only(was) if marker == "finish" else wrapped(was, marker))

    importlib.machinery.SourceFileLoader.exec_module = exec_module


def kill_at_step(number, folder):
    """Kills the whole process group before the `number`-th change of a name in CLEAN, whichever process makes it."""
    counter = os.environ["SABOTAGE_COUNTER"]

    def on(event, arguments):
        if event not in ("os.rename", "os.symlink", "os.remove", "os.rmdir", "os.link", "os.mkdir"):
            return
        if not any(
            str(argument).startswith(folder)
            for argument in arguments
            if isinstance(argument, (str, bytes, os.PathLike))
        ):
            return
        with Path(counter).open("a") as log:
            log.write(f"{event} {arguments!r}\n")
        with Path(counter).open() as log:
            if number and sum(1 for _ in log) >= number:
                os.killpg(0, signal.SIGKILL)

    sys.addaudithook(on)


def no_sockets():
    """Connecting, and looking names up, raises and leaves a mark; sockets of this machine's own file system may."""
    import socket

    family = socket.AF_UNIX

    def on(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            if event == "socket.connect" and arguments[0].family == family:
                return
            with Path(os.environ["SABOTAGE_COUNTER"]).open("a") as log:
                log.write(f"{event} {arguments[1:]!r}\n")
            raise PermissionError(f"sockets are denied: {event}")

    sys.addaudithook(on)


for order in orders:
    if "step" in order:
        kill_at_step(order["step"], order["folder"])
    if "no_sockets" in order:
        no_sockets()
