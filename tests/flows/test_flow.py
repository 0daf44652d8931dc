"""What a run of the flow says: its state, its artifacts, its exit code; and that it speaks to nobody else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.flows.conftest import ROOT, Corpus, Server, published, wait_for

pytestmark = pytest.mark.xdist_group("flows")


def artifacts(clean: Path) -> dict[str, Any]:
    """What the latest run into CLEAN shows in the UI, by the last word of its key."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    from flows.artifacts import artifact_key

    start = artifact_key(str(clean), "")
    mine = ArtifactFilter(key=ArtifactFilterKey(like_=f"{start}-%"))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=mine, sort=ArtifactSort.UPDATED_DESC)
    return {artifact.key.rpartition("-")[2]: artifact.data for artifact in reversed(found)}


def test_failed_documents_are_a_warning_and_artifacts_tell(here: Callable[..., Result], tmp_path: Path):
    """The run is Completed and warns of the failed record; summary, tables and links have stable keys.

    Run again with --strict, the failed record fails the run, after publishing, as on the command line.
    """
    clean = tmp_path / "clean"
    said = here(ROOT / "raw", clean).output
    assert "20 documents in, 13 kept, 4 duplicates. Warning: 1 document failed" in said
    shown = artifacts(clean)
    assert set(shown) == {"progress", "summary", "riskiest", "unusable", "report", "manifest"}
    assert shown["progress"] == 100.0
    assert "| duplicate | 4 |" in shown["summary"]
    assert "feed.jsonl#5" in shown["unusable"]
    assert "mirror/night-ferry.txt" in shown["riskiest"]
    assert (clean / "report.html").absolute().as_uri() in shown["report"]
    here(ROOT / "raw", clean, "--strict", leaves_with=3)
    assert (clean / "manifest.parquet").exists()


def test_every_pass_and_every_batch_is_a_task_run(here: Callable[..., Result], corpus: Corpus, tmp_path: Path):
    """The UI shows what took how long: the passes over the corpus, and under them their parts."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    clean = tmp_path / "clean"
    here(corpus.raw, clean, "--config", corpus.config)
    mine = FlowRunFilter(name=FlowRunFilterName(any_=[f"{corpus.raw} → {clean}"]))
    passes = ["learning what recurs", "taking out what recurs", "finding duplicates", "writing", "reporting"]
    expected = sorted(["cleaning", *passes, "publishing", "clean 1", "clean 2", "clean 3", "clean 4", "write 1"])

    def told() -> bool:
        """Task runs reach the server as events, some time after they ended."""
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(flow_run_filter=mine)
        return sorted(run.name for run in runs if run.state_name == "Completed") == expected

    wait_for(told, "the server to know every task run", 60)


def test_a_gate_fails_the_run_before_publishing(here: Callable[..., Result], corpus: Corpus, tmp_path: Path):
    """The message says which gate and by how much."""
    said = here(corpus.raw, tmp_path / "clean", "--max-duplicate-share", "0.1", leaves_with=1).output
    assert "--max-duplicate-share: 30.0% of documents are duplicates, 10.0% are allowed" in said
    assert not (tmp_path / "clean" / "manifest.parquet").exists()


def test_maintenance_proves_a_corpus_and_names_damage(api: Server, corpus: Corpus, tmp_path: Path):
    """A published corpus is whole; what other settings would change is told; one changed output fails the run."""
    from flows.maintenance import main, maintain
    from pipeline.config import Config

    clean = tmp_path / "clean"
    shutil.copytree(corpus.raw.parent / "clean", clean, symlinks=True)
    tried = maintain(str(clean), raw=str(corpus.raw), config=Config(dedup=False), return_state=True)
    assert tried.is_completed()
    assert tried.message.startswith("0 problems; these settings would change: "), tried.message
    assert "`" in artifacts(clean)["if"]
    assert published(clean) == corpus.expected
    damaged = next((clean / "documents" / "more").iterdir())
    damaged.write_bytes(damaged.read_bytes() + b"!")
    done = CliRunner().invoke(main, [str(clean), "--drop-state"])
    assert done.exit_code == 1
    assert "1 problems" in done.output
    assert "bytes of state dropped" in done.output
    assert "was changed" in artifacts(clean)["problems"]


def test_no_telemetry_leaves(server: Server, tmp_path: Path):
    """A run opens no connection beyond loopback."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "connect = socket.socket.connect\n"
        "def only_loopback(self, address):\n"
        "    local = self.family == socket.AF_UNIX or address[0] in ('127.0.0.1', '::1', 'localhost')\n"
        "    if not local:\n"
        f"        open({str(tmp_path / 'left')!r}, 'a').write(repr(address) + '\\n')\n"
        "        raise OSError('denied')\n"
        "    return connect(self, address)\n"
        "socket.socket.connect = only_loopback\n",
        encoding="utf-8",
    )
    environment = server.environment | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    subprocess.run(
        [sys.executable, "-m", "flows.clean", ROOT / "raw" / "poems", tmp_path / "clean", "--quiet"],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    assert not (tmp_path / "left").exists()


def test_the_form_describes_every_setting():
    """The parameter form of the UI shows each option of the configuration with its description."""
    from flows.clean import clean_corpus
    from flows.maintenance import maintain
    from pipeline.config import Config

    schema = clean_corpus.parameters.model_dump()
    config = schema["definitions"]["Config"]["properties"]
    assert set(config) == set(Config.model_fields)
    assert config["threshold"]["description"] == Config.model_fields["threshold"].description
    assert set(schema["required"]) == {"raw", "clean"}
    parameters = schema["properties"] | maintain.parameters.properties
    assert [name for name, parameter in parameters.items() if not parameter.get("description")] == []


def test_prefect_yaml_names_flows_and_parameters_that_exist():
    """Each deployment of prefect.yaml can be run."""
    import importlib

    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]:
        path, _, name = deployment["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
        flow.validate_parameters(deployment["parameters"])


@pytest.mark.usefixtures("api")
def test_only_storage_errors_are_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A connection that breaks is tried again; a mistake is not."""
    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows import executors

    monkeypatch.setattr(executors.call_group, "retry_delay_seconds", [0.01, 0.01, 0.01])
    marks = tmp_path / "marks"
    marks.write_text("", encoding="utf-8")

    def fails_once(error: type[Exception]) -> str:
        marks.write_text(marks.read_text(encoding="utf-8") + "x", encoding="utf-8")
        if len(marks.read_text(encoding="utf-8")) == 1:
            raise error("broken")
        return "done"

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def calls(error: type[Exception]) -> list[str]:
        with executors.PrefectExecutor("threads", workers=1) as executor:
            return list(executor.map(fails_once, [(error,)]))

    assert calls(ConnectionResetError) == ["done"]
    marks.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="broken"):
        calls(ValueError)
    assert marks.read_text(encoding="utf-8") == "x"


def test_decisions_are_kept_wherever_clean_is(tmp_path: Path):
    """Two decisions, on a disk and on object storage, are two lines of decisions.jsonl."""
    import fsspec

    from flows.approval import keep_decision
    from pipeline.decisions import new_decision, parse_decisions

    made = [new_decision("reject", who="a person", source=source) for source in ("a.txt", "b.txt")]
    for decision in made:
        keep_decision(str(tmp_path), decision)
        keep_decision("memory://decided/clean", decision)
    held = fsspec.filesystem("memory").cat_file("/decided/clean/decisions.jsonl")
    assert held == (tmp_path / "decisions.jsonl").read_bytes()
    assert list(parse_decisions(held).all) == made
