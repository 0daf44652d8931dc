"""Wherever its tasks run, and whatever happens to them, the flow publishes what the command line publishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import Server, Started, free_port, published, small_batches, stop, wait_for

pytestmark = pytest.mark.xdist_group("flows")


@pytest.mark.parametrize("where", ["processes", "threads"])
def test_on_this_machine(
    flow: Callable[..., Started], corpus: Path, expected: dict[str, str], tmp_path: Path, where: str
):
    """The flow on processes and on threads writes the same bytes as the command line."""
    said = flow(corpus, tmp_path / "clean", "--config", small_batches(tmp_path), "--where", where).end()
    assert published(tmp_path / "clean") == expected
    assert "documents in" in said


class Cluster:
    """A Dask scheduler and two workers as processes, as on machines of their own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._environment = server.environment | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
        self._folder = folder
        self._scheduler_file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        port, quiet = str(free_port()), ["--host", "127.0.0.1", "--no-dashboard"]
        self._start("scheduler", *quiet, "--port", port, "--no-show", "--scheduler-file", self._scheduler_file)
        self.address = f"tcp://127.0.0.1:{port}"
        wait_for(self._scheduler_file.exists, "the Dask scheduler")
        for name in ("one", "two"):
            self._start("worker", self.address, *quiet, "--name", name, "--nthreads", "1", "--nanny")
        wait_for(lambda: len(self.workers()) == 2, "two Dask workers")

    def _start(self, *arguments: object) -> None:
        with (self._folder / "dask.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *map(str, arguments)],
                    env=self._environment,
                    cwd=self._folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def workers(self) -> list[int]:
        """The process ids of the workers themselves, not of their nannies."""
        from distributed import Client

        with Client(self.address, timeout=30, set_as_default=False) as client:
            return list(client.run(os.getpid).values())

    def stop(self) -> None:
        for process in reversed(self.processes):
            stop(process)


@pytest.fixture
def cluster(server: Server, tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
    running = Cluster(server, tmp_path)
    yield running
    running.stop()


def test_on_dask_with_a_worker_killed(
    flow: Callable[..., Started], cluster: Cluster, corpus: Path, expected: dict[str, str], tmp_path: Path
):
    """One of two Dask workers is killed in mid-run; the run ends with the same bytes."""
    clean = tmp_path / "clean"
    victim = cluster.workers()[0]
    running = flow(corpus, clean, "--config", small_batches(tmp_path), "--where", "dask", "--address", cluster.address)
    parts = clean / ".state" / "parts"
    wait_for(lambda: parts.is_dir() and any(parts.iterdir()), "the first batch")
    os.kill(victim, signal.SIGKILL)
    running.end()
    assert published(clean) == expected


def test_a_cluster_without_a_server_is_refused(tmp_path: Path):
    """Workers that find no Prefect server would start one each; the message says what to set."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.clean", tmp_path, tmp_path / "clean", "--where", "dask", "--quiet"],
        capture_output=True, text=True, check=False, env=environment | {"PREFECT_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "PREFECT_API_URL" in done.stderr.splitlines()[-1]
