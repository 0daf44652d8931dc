"""A published corpus is proved again: whole, it gives nothing to say; each kind of damage is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import RunError
from pipeline.upkeep import drop_state, state_bytes, verify

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def corpora(clean_corpus: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The samples in each format."""
    made = {}
    for name in ("markdown", "jsonl", "parquet"):
        made[name] = tmp_path_factory.mktemp(name) / "clean"
        clean_corpus(ROOT / "raw", made[name], "--quiet", "--format", name)
    return made


@pytest.fixture
def copy(corpora: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a corpus, to be damaged."""

    def make(name: str) -> Path:
        shutil.copytree(corpora[name], tmp_path / "clean", symlinks=True)
        return tmp_path / "clean"

    return make


@pytest.mark.parametrize("name", ["markdown", "jsonl", "parquet"])
def test_a_whole_corpus_has_no_problems(corpora: dict[str, Path], name: str):
    """What a run has published is as its manifest says, in every format."""
    assert list(verify(corpora[name])) == []


def change_manifest(clean: Path, source: str, **values: object) -> None:
    """Damages one row of the manifest."""
    path = (clean / "manifest.parquet").resolve()
    table = pq.read_table(path)
    rows = [row | values if row["source"] == source else row for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_a_changed_output_is_named(copy: Callable[[str], Path]):
    """One byte more in a Markdown file."""
    clean = copy("markdown")
    path = next((clean / "documents" / "poems").iterdir())
    path.write_bytes(path.read_bytes() + b"!")
    assert list(verify(clean)) == [
        "poems/what-the-bell-buoy-said.txt: its output documents/poems/" + path.name + " was changed"
    ]


def test_a_missing_output_is_named(copy: Callable[[str], Path]):
    """A file that somebody deleted."""
    clean = copy("markdown")
    next((clean / "documents" / "poems").iterdir()).unlink()
    assert any("is not there" in problem for problem in verify(clean))


def test_a_changed_text_in_jsonl_is_named(copy: Callable[[str], Path]):
    """A word of one record."""
    clean = copy("jsonl")
    path = (clean / "documents.jsonl").resolve()
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    records[0]["text"] += " More."
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert any(records[0]["source"] in problem and "was changed" in problem for problem in verify(clean))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"canonical_source": "scans/page-17.txt"}, "which is not kept"),
        ({"jaccard": 0.99}, "on record"),
        ({"status": "lost"}, "unknown status"),
    ],
)
def test_a_changed_manifest_is_named(copy: Callable[[str], Path], values: dict[str, object], said: str):
    """A duplicate of a document that is not kept, a Jaccard that is not so, a status that is none."""
    clean = copy("jsonl")
    change_manifest(clean, "mirror/night-ferry.txt", **values)
    problems = list(verify(clean))
    assert any(said in problem for problem in problems), problems
    assert any("since it was published" in problem for problem in problems)


def test_an_unpublished_folder_is_an_error(tmp_path: Path):
    """There is nothing to prove in an empty folder."""
    with pytest.raises(RunError, match="nothing is published"):
        list(verify(tmp_path))


def test_dropping_state_costs_time_only(clean_corpus: Callable[..., object], copy: Callable[[str], Path]):
    """Without .state the next run publishes the same documents; only its report says that nothing has changed."""
    clean, names = copy("jsonl"), ("documents.jsonl", "manifest.parquet", "edits.parquet", "evidence.parquet")
    before = [(clean / name).read_bytes() for name in names]
    assert drop_state(clean) > 0
    assert state_bytes(clean) < 1000
    clean_corpus(ROOT / "raw", clean, "--quiet", "--format", "jsonl")
    assert [(clean / name).read_bytes() for name in names] == before
