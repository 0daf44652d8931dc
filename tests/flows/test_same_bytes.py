"""Wherever its tasks run, and whatever happens to them, the flow publishes what the command line publishes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from flows.executors import Where, check_server
from pipeline.errors import RunError
from tests.flows.clusters import DaskCluster
from tests.flows.conftest import Corpus, Server, Started, published, wait_for
from tests.flows.isolated import isolated

pytestmark = pytest.mark.xdist_group("flows")


def test_on_processes(flow: Callable[..., Started], corpus: Corpus, tmp_path: Path):
    """The flow as a process of its own, its tasks on worker processes, writes the same bytes as the command line."""
    said = flow(corpus.raw, tmp_path / "clean", "--config", corpus.config).end()
    assert published(tmp_path / "clean") == corpus.expected
    assert "10 documents in" in said


def test_on_threads(here: Callable[..., Result], corpus: Corpus, tmp_path: Path):
    """The same bytes from threads."""
    here(corpus.raw, tmp_path / "clean", "--config", corpus.config, "--where", "threads")
    assert published(tmp_path / "clean") == corpus.expected


def test_on_a_dask_of_its_own(flow: Callable[..., Started], corpus: Corpus, tmp_path: Path):
    """The same bytes from a Dask cluster that the flow starts for itself."""
    pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
    options = ["--config", corpus.config, "--where", "dask", "--workers", "1"]
    flow(corpus.raw, tmp_path / "clean", *options).end()
    assert published(tmp_path / "clean") == corpus.expected


@pytest.fixture
def cluster(server: Server, tmp_path: Path) -> Iterator[DaskCluster]:
    pytest.importorskip("prefect_dask", reason="the extra [dask] is not installed")
    running = DaskCluster(server, tmp_path)
    yield running
    running.stop()


@pytest.mark.torture
def test_on_dask_with_a_worker_killed(
    flow: Callable[..., Started], cluster: DaskCluster, long_corpus: Corpus, tmp_path: Path
):
    """One of two Dask workers is killed in mid-run; the run ends with the same bytes."""
    clean = tmp_path / "clean"
    victim = cluster.workers()[0]
    options = ["--config", long_corpus.config, "--where", "dask", "--address", cluster.address]
    running = flow(long_corpus.raw, clean, *options)
    parts = clean / ".state" / "parts"
    wait_for(lambda: parts.is_dir() and any(parts.iterdir()), "the first batch")
    os.kill(victim, signal.SIGKILL)
    running.end()
    assert published(clean) == long_corpus.expected


@pytest.mark.torture
def test_on_ray(long_corpus: Corpus, tmp_path: Path):
    """The same bytes from a Ray head of its own, on a network that is nothing but loopback."""
    for module in ("ray", "prefect_ray"):
        pytest.importorskip(module, reason="the extra [ray] is not installed")
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # short: Ray's sockets stand in it
        isolated("tests.flows.on_ray", long_corpus.raw, tmp_path / "clean", long_corpus.config, folder)
    assert published(tmp_path / "clean") == long_corpus.expected


@pytest.mark.parametrize("where", ["dask", "ray"])
def test_a_cluster_without_a_server_is_refused(where: Where):
    """Workers that find no Prefect server would start one each; the message says what to set."""
    with pytest.raises(RunError, match="PREFECT_API_URL"):
        check_server(where, None)
