"""A real Prefect server on loopback, and the flow as a process of its own: what a team has."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 400.0  # seconds; a busy machine migrates the database and imports Prefect slowly


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(done: Callable[[], object], what: str, seconds: float = STARTS_WITHIN) -> object:
    """What `done` gives, as soon as it is true; a test fails when that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if found := done():
                return found
        time.sleep(0.2)
    raise AssertionError(f"{what} took longer than {seconds:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process of ours and what it started: each is the leader of a session of its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Server:
    """A Prefect server process on loopback, with a home of its own; it can be restarted."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For processes that talk to this server."""
        return {
            **os.environ,
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PYTHONPATH": str(ROOT),
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.home
            )
        wait_for(self._healthy, "the Prefect server")

    def _healthy(self) -> bool:
        with urllib.request.urlopen(f"{self.api}/health", timeout=5) as answer:
            return bool(answer.status == 200)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of the flows."""
    running = Server(tmp_path_factory.mktemp("prefect"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def api(server: Server) -> Iterator[Server]:
    """Prefect in this process talks to the server."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    with temporary_settings(
        {PREFECT_API_URL: server.api, PREFECT_HOME: server.home, PREFECT_LOGGING_TO_API_ENABLED: False}
    ):
        yield server


class Started:
    """`python -m flows.clean` as a process."""

    def __init__(self, server: Server, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.clean", *map(str, arguments)],
            cwd=ROOT, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def end(self, leaves_with: int = 0) -> str:
        """What it printed, once it has ended as it should."""
        said = self.process.communicate(timeout=600)[0].decode()
        assert self.process.returncode == leaves_with, said
        return said


@pytest.fixture
def flow(server: Server) -> Iterator[Callable[..., Started]]:
    """Starts the flow; none outlives its test."""
    started: list[Started] = []

    def start(*arguments: object) -> Started:
        started.append(Started(server, *arguments))
        return started[-1]

    yield start
    for one in started:
        stop(one.process)


@pytest.fixture
def here(api: Server) -> Iterator[Callable[..., Result]]:
    """Runs `python -m flows.clean` within this process, which has imported Prefect already."""
    from flows.clean import main

    def run(*arguments: object, leaves_with: int = 0) -> Result:
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert done.exit_code == leaves_with, done.output
        return done

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


def published(clean: Path) -> dict[str, str]:
    """Every published file and its hash."""
    generation = clean / ".current"
    return {
        str(path.relative_to(generation)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(generation.rglob("*"))
        if path.is_file()
    }


PLACES = ["harbour", "mill", "station", "school", "bridge", "market", "chapel", "quarry"]


def write_report(folder: Path, number: int) -> None:
    """A short article; every sixth is a near copy of the one before."""
    copy = number % 6 == 5
    seed = number - 1 if copy else number
    lines = [
        f"The {PLACES[(seed + k) % 8]} at kilometre {seed * 17 + k} was visited by {seed * 31 + k * 7} people in "
        f"{1900 + (seed * 13 + k) % 120}, who came by the {PLACES[(seed * 3 + k) % 8]} road number {seed + 40 * k}."
        for k in range(14)
    ]
    ending = "The second edition says so too." if copy else f"Report number {number} ends here."
    text = f"Report {seed} on the places of the valley\n\n" + "\n\n".join(lines) + f"\n\n{ending}\n"
    (folder / f"report-{number:02d}.txt").write_text(text, encoding="utf-8")


class Corpus(NamedTuple):
    """Documents, and what the command line publishes from them: every file and its hash."""

    raw: Path
    config: Path
    expected: dict[str, str]


def make_corpus(folder: Path, samples: Iterable[str], reports: int, run: Callable[..., object]) -> Corpus:
    """Some of the sample documents and so many reports, cleaned by the command line in batches of three."""
    raw = folder / "raw"
    (raw / "more").mkdir(parents=True)
    for name in samples:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "raw" / name, raw / name)
    for number in range(reports):
        write_report(raw / "more", number)
    config = small_batches(folder)
    run(raw, folder / "clean", "--quiet", "--config", config)
    return Corpus(raw, config, published(folder / "clean"))


@pytest.fixture(scope="session")
def corpus(clean_corpus: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Ten documents in four batches: an exact copy, a near copy, one retold, a web page."""
    samples = ["news/ferry-line.html", "mirror/night-ferry.txt", "news/library-roof.txt", "mirror/library-roof.txt"]
    return make_corpus(tmp_path_factory.mktemp("corpus"), samples, 6, clean_corpus)


@pytest.fixture(scope="session")
def long_corpus(clean_corpus: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """All samples and 60 reports: a run that can be disturbed in its middle."""
    samples = [str(path.relative_to(ROOT / "raw")) for path in sorted((ROOT / "raw").rglob("*.*")) if path.is_file()]
    return make_corpus(tmp_path_factory.mktemp("long"), samples, 60, clean_corpus)


def small_batches(folder: Path) -> Path:
    """A configuration with batches of a few documents, so that a small corpus has many tasks."""
    path = folder / "small.toml"
    path.write_text("[reading]\nbatch_documents = 3\nbatch_bytes = 20000\n", encoding="utf-8")
    return path
