"""Before a corpus is published a person is asked: publish, publish with decisions, discard, or no answer in time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.flows.conftest import ROOT, Server, Started, published, stop, wait_for

pytestmark = pytest.mark.xdist_group("flows")

NEAR = ("mirror/night-ferry.txt", "news/ferry-line.html")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """An article and its near copy."""
    import shutil

    for name in NEAR:
        (tmp_path / "raw" / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / "raw" / name, tmp_path / "raw" / name)
    return tmp_path / "raw"


def the_run(clean: Path, *states: str) -> Any:
    """The latest flow run into this CLEAN, once it is in one of these states."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    def look() -> Any:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=200)
        # A schedule has runs that have not started.
        mine = [run for run in runs if run.parameters.get("clean") == str(clean) and run.start_time is not None]
        return mine[0] if mine and mine[0].state_name in states else None

    return wait_for(look, f"a run in state {' or '.join(states)}")


def resume(clean: Path, **said: str) -> None:
    """What the Resume button of the UI does."""
    from prefect.flow_runs import resume_flow_run

    resume_flow_run(the_run(clean, "Paused", "Suspended").id, run_input=said)


def status_of(clean: Path) -> dict[str, str]:
    rows = pq.read_table(clean / "manifest.parquet", columns=["source", "status"]).to_pylist()
    return {row["source"]: row["status"] for row in rows}


@pytest.mark.usefixtures("api")
def test_publish(flow: Callable[..., Started], raw: Path, tmp_path: Path):
    """Nothing is published before a person has said so, and the proposal is there to be looked at."""
    clean = tmp_path / "clean"
    running = flow(raw, clean, "--approve")
    the_run(clean, "Paused")
    assert not (clean / "manifest.parquet").exists()
    assert (clean / ".state" / "next" / "report.html").is_file()
    resume(clean, answer="publish")
    assert "2 documents in" in running.end()
    assert set(status_of(clean).values()) == {"kept", "duplicate"}


@pytest.mark.torture
@pytest.mark.usefixtures("api")
def test_publish_with_decisions(flow: Callable[..., Started], raw: Path, tmp_path: Path):
    """Decisions that cannot be read are asked for again; good ones are kept, and the corpus follows them."""
    clean = tmp_path / "clean"
    running = flow(raw, clean, "--approve")
    resume(clean, answer="publish with these decisions", decisions="both of them, please")
    first = the_run(clean, "Paused", "Running")
    wait_for(lambda: the_run(clean, "Paused").state.id != first.state.id, "the second question")
    decision = {
        "id": "d1",
        "kind": "not-duplicates",
        "when": "2024-05-18T08:00:00Z",
        "source": NEAR[0],
        "other": NEAR[1],
    }
    resume(clean, answer="publish with these decisions", decisions=json.dumps(decision))
    running.end()
    assert set(status_of(clean).values()) == {"kept"}
    assert json.loads((clean / "decisions.jsonl").read_text(encoding="utf-8"))["id"] == "d1"


@pytest.mark.torture
@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("answer", ["discard", None])
def test_discard(flow: Callable[..., Started], raw: Path, tmp_path: Path, answer: str | None):
    """Said or left unsaid until the time is over, discard leaves the published corpus as it was, and ends the run."""
    clean = tmp_path / "clean"
    flow(raw, clean).end()
    before = published(clean)
    (raw / "new.txt").write_text("A new document.\n\nIt came in after the first run was published.\n", encoding="utf-8")
    running = flow(raw, clean, "--approve", "--approval-hours", "24" if answer else "0.001")
    if answer:
        resume(clean, answer=answer)
    said = running.end()
    assert "Nothing was published" in said
    assert published(clean) == before
    assert the_run(clean, "Discarded").state.is_completed()


@pytest.fixture
def worker(server: Server, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts workers of a work pool; each ends with its test."""
    started = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "test", "--type", "process"]
        with (tmp_path / "worker.log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    command, env=server.environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
                )
            )
        return started[-1]

    yield start
    for process in started:
        stop(process)


@pytest.mark.torture
@pytest.mark.usefixtures("api")
def test_a_suspended_run_survives_worker_and_server(
    server: Server, worker: Callable[[], subprocess.Popen[bytes]], raw: Path, tmp_path: Path
):
    """While a deployment's run waits for an answer, its worker and the server are restarted; then it is published."""
    from prefect.deployments import run_deployment

    clean = tmp_path / "clean"
    create = [sys.executable, "-m", "prefect", "work-pool", "create", "test", "--type", "process", "--overwrite"]
    subprocess.run(create, env=server.environment, check=True, capture_output=True)
    registered = subprocess.run(
        [sys.executable, "-m", "flows.deploy", raw, clean, "--pool", "test", "--name", "asked", "--approve"],
        cwd=ROOT, env=server.environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "clean-corpus/asked is registered" in registered.stdout, registered.stderr
    first = worker()
    run_deployment("clean-corpus/asked", timeout=0)
    the_run(clean, "Suspended")
    stop(first)
    server.stop()
    server.start()
    assert not (clean / "manifest.parquet").exists()
    worker()
    resume(clean, answer="publish")
    the_run(clean, "Completed")
    assert set(status_of(clean).values()) == {"kept", "duplicate"}


def test_a_suspended_run_that_nobody_answers_is_ended():
    """Prefect leaves such a run suspended for ever; the next run and the maintenance flow end it."""
    from datetime import UTC, datetime, timedelta

    from prefect.states import Paused, Suspended

    from flows.approval import expired

    now = datetime.now(UTC)
    over = Suspended(pause_expiration_time=now - timedelta(seconds=1))
    assert expired(over)
    assert not expired(Suspended(pause_expiration_time=now + timedelta(hours=1)))
    assert not expired(Paused(pause_expiration_time=now - timedelta(seconds=1)))


def test_approval_without_a_server_is_refused(raw: Path, tmp_path: Path):
    """Without a UI nobody could answer."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.clean import main

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        done = CliRunner().invoke(main, [str(raw), str(tmp_path / "clean"), "--approve"])
    assert done.exit_code == 2
    assert "prefect server start" in done.output
