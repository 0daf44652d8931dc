"""With nothing running: the flow brings a server of its own, and takes it along when it goes, however it goes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, Corpus, Server, published, stop, wait_for

pytestmark = [pytest.mark.xdist_group("flows"), pytest.mark.torture]


@pytest.fixture
def cold(corpus: Corpus, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m flows.clean` in a session of its own, with an empty home and no server to talk to."""
    (tmp_path / "home").mkdir()
    environment = Server(tmp_path / "home").environment
    del environment["PREFECT_API_URL"]
    command = [sys.executable, "-m", "flows.clean", corpus.raw, tmp_path / "clean", "--config", corpus.config]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    yield process
    stop(process)


def of_session(leader: int) -> set[int]:
    """The processes of a session, from /proc: proc_pid_stat(5), the fourth field after the name."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.add(int(stat.parent.name))
    return found


def test_a_cold_start(cold: subprocess.Popen[bytes], corpus: Corpus, tmp_path: Path):
    """The same bytes as the command line; it says how to get the UI, and nothing is left running."""
    said = cold.communicate(timeout=600)[0].decode()
    assert cold.returncode == 0, said
    assert published(tmp_path / "clean") == corpus.expected
    assert "For the UI: prefect server start" in said
    wait_for(lambda: not of_session(cold.pid), "the end of the server", 30)


def test_sigterm_leaves_no_server(cold: subprocess.Popen[bytes], tmp_path: Path):
    """Terminated while its server is up, the flow ends with 143 and takes the server and the workers along."""
    wait_for((tmp_path / "clean" / ".state").is_dir, "the run")
    assert len(of_session(cold.pid)) > 1
    cold.send_signal(signal.SIGTERM)
    said = cold.communicate(timeout=120)[0].decode()
    assert cold.returncode == 143, said
    wait_for(lambda: not of_session(cold.pid), "the end of the server", 30)


def test_a_schedule_fires(server: Server, corpus: Corpus, tmp_path: Path):
    """A served deployment with a schedule of every minute publishes without anybody asking."""
    clean = tmp_path / "clean"
    command = [sys.executable, "-m", "flows.deploy", corpus.raw, clean, "--cron", "* * * * *"]
    with (tmp_path / "serve.log").open("wb") as log:
        serving = subprocess.Popen(
            command, cwd=ROOT, env=server.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for((clean / "manifest.parquet").exists, "the scheduled run")
        assert serving.poll() is None
    finally:
        stop(serving)
