"""Bad input: one clear message or row that names the fault, and nothing else is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.errors import RunError, UsageError
from pipeline.run import run
from tests.run.conftest import rows

STORY = (
    "The weir at {} was inspected by two engineers on Monday, and both of them found it sound.\n\nThey left at noon.\n"
)


def go(raw: Path, clean: Path, **settings):
    return run(str(raw), str(clean), make_config(settings), workers=1)


def test_raw_must_exist(tmp_path):
    """A RAW that is not there is told before anything is made."""
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        go(tmp_path / "nowhere", tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_raw_must_hold_something(tmp_path):
    """An empty RAW is told, and publishes nothing."""
    (tmp_path / "raw").mkdir()
    with pytest.raises(RunError, match="no documents in it"):
        go(tmp_path / "raw", tmp_path / "clean")
    assert not (tmp_path / "clean" / "manifest.parquet").exists()


@pytest.mark.parametrize(("raw", "clean"), [("a", "a/clean"), ("a/raw", "a"), ("a", "a")])
def test_raw_and_clean_must_lie_apart(tmp_path, raw, clean):
    """Neither folder may lie in the other."""
    (tmp_path / "a" / "raw").mkdir(parents=True)
    (tmp_path / "a" / "raw" / "x.txt").write_text(STORY)
    with pytest.raises(UsageError, match="lie in each other"):
        go(tmp_path / raw, tmp_path / clean)


@pytest.mark.parametrize("name", ["thesis.docx", "manifest.parquet", "documents"])
def test_a_folder_of_somebody_else_is_not_written(tmp_path, name):
    """CLEAN with a file that no run made is refused, naming the file, and left alone."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.txt").write_text(STORY)
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / name).write_text("mine")
    with pytest.raises(UsageError, match=name):
        go(tmp_path / "raw", tmp_path / "clean")
    assert [p.name for p in (tmp_path / "clean").iterdir()] == [name]


def test_each_bad_file_is_one_row(tmp_path):
    """Binary, empty, linked, unreadable, huge and misnamed files: a row each with a reason; the good ones are kept."""
    raw, outside = tmp_path / "raw", tmp_path / "outside.txt"
    raw.mkdir()
    outside.write_text("secret")
    good = {"plain.txt", "sp ace.txt", "new\nline.txt", "dots..txt", "日本.txt", "-dash.txt", "a#b.txt"}
    for number, name in enumerate(sorted(good)):
        (raw / name).write_text(STORY.format(f"mill number {number}") * (number + 1))
    (raw / "binary.bin").write_bytes(bytes(range(256)) * 50)
    (raw / "empty.txt").touch()
    (raw / "blank.txt").write_text(" \n\n\t\n")
    (raw / "link.txt").symlink_to(outside)
    (raw / "loop").symlink_to(raw)
    (raw / "table.csv").write_text("a,b\n1,2\n")
    (raw / "long.txt").write_bytes(b"x" * 2_000_000)
    os.mkfifo(raw / "pipe")
    result = go(raw, tmp_path / "clean", limits={"document_bytes": 1_000_000})
    manifest = {row["source"]: row for row in rows(tmp_path / "clean")}
    kept = {name for name, row in manifest.items() if row["status"] == "kept"}
    assert kept == good
    bad = {"binary.bin", "empty.txt", "blank.txt", "link.txt", "loop", "table.csv", "long.txt", "pipe"}
    assert {name for name, row in manifest.items() if row["status"] in ("rejected", "failed")} == bad
    assert all(manifest[name]["reason"] for name in bad)
    assert manifest["long.txt"]["status"] == "failed"
    assert "leaves" in manifest["link.txt"]["reason"] or "outside" in manifest["link.txt"]["reason"]
    assert result.documents == len(good) + len(bad)
    assert "secret" not in "".join(p.read_text() for p in (tmp_path / "clean" / "documents").rglob("*") if p.is_file())


def test_bad_records_are_rows(tmp_path):
    """A JSONL line that is no JSON, no object, or has no text names its line and what to do."""
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = ["{nope", "[1]", '{"title": "t"}', '{"text": ""}', '{"text": 5}', json.dumps({"text": STORY, "id": "ok"})]
    (raw / "feed.jsonl").write_text("\n".join(lines))
    go(raw, tmp_path / "clean")
    manifest = rows(tmp_path / "clean")
    assert [row["source"] for row in manifest] == [f"feed.jsonl#{n}" for n in range(1, 7)]
    assert [row["status"] == "kept" for row in manifest] == [False] * 5 + [True]
    assert "feed.jsonl line 3" in manifest[2]["reason"]
    assert "--text-field" in manifest[2]["reason"]
    assert manifest[5]["record_id"] == "ok"


def test_outputs_that_would_meet_are_told_apart(tmp_path):
    """Sources that differ only in suffix or case, or whose folder has a document's name, each get their own file."""
    raw = tmp_path / "raw"
    names = ["a.txt", "a.html", "A.md", "b.md/c.txt", "b.txt"]
    for number, name in enumerate(names):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        text = "\n\n".join(STORY.format(f"mill {number} {k} {'abcde'[number] * 5}") for k in range(3))
        if name.endswith(".html"):
            text = (
                "<html><body><article>"
                + "".join(f"<p>{p}</p>" for p in text.split("\n\n"))
                + "</article></body></html>"
            )
        (raw / name).write_text(text)
    go(raw, tmp_path / "clean", dedup=False)
    outputs = [row["output"] for row in rows(tmp_path / "clean")]
    assert len({output.casefold() for output in outputs}) == len(names)
    assert all((tmp_path / "clean" / output).is_file() for output in outputs)


def test_two_runs_on_one_clean(tmp_path):
    """The second run on a CLEAN refuses at once and names the first; a dead run's lock is taken over."""
    from pipeline.corpus.folder import CleanFolder

    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "x.txt").write_text(STORY)
    folder = CleanFolder(tmp_path / "clean")
    with folder.lock(), pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
        go(raw, tmp_path / "clean")
    (tmp_path / "clean" / ".state" / "lock").write_text("process 1 on a machine that is gone")
    assert go(raw, tmp_path / "clean").documents == 1


def test_a_gate_stops_the_run_before_publishing(tmp_path):
    """Too many rejected or removed: the run says which gate and by how much, and the old corpus stays."""
    from pipeline.errors import GateError

    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(4):
        (raw / f"{number}.txt").write_text(STORY.format(f"mill {number}") * 3)
    go(raw, tmp_path / "clean", dedup=False)
    before = (tmp_path / "clean" / ".current").readlink()
    for number in range(4):
        (raw / f"copy{number}.txt").write_text((raw / "0.txt").read_text())
    with pytest.raises(
        GateError, match=r"--max-duplicate-share: 50\.0% of documents are duplicates, 20\.0% are allowed"
    ):
        go(raw, tmp_path / "clean", gates={"max_duplicate_share": 0.2}, threshold=0.99, coverage=0.99)
    assert (tmp_path / "clean" / ".current").readlink() == before
