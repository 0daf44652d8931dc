"""The promises of the output folder, each with a test that tries to break it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from pipeline.document import Edit, undo
from pipeline.sources import charset
from tests.run.conftest import rows
from tests.run.corpora import tree, write_corpus

WORD = re.compile(r"\w+")


def shingles(text: str) -> frozenset:
    words = WORD.findall(text.lower())
    return frozenset(tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4)))


def jaccard(a: str, b: str) -> float:
    x, y = shingles(a), shingles(b)
    return len(x & y) / len(x | y)


def final_texts(clean: Path) -> dict[str, str]:
    """The cleaned text of every document, kept or dropped."""
    manifest = {row["source"]: row for row in rows(clean)}
    texts = {}
    for row in manifest.values():
        if row["status"] == "kept":
            file = (clean / row["output"]).read_text(encoding="utf-8")
            texts[row["source"]] = file.split("\n---\n\n", 1)[1].removesuffix("\n")
    for row in rows(clean, "dropped"):
        text = row["text"]
        texts[row["source"]] = text if text is not None else texts.get(manifest[row["source"]]["canonical_source"], "")
    return texts


def test_every_document_has_one_row(raw, once):
    """Each file, and each record of a container, has exactly one row; the statuses add up."""
    expected = set()
    for path in raw.rglob("*"):
        if path.is_file():
            name = path.relative_to(raw).as_posix()
            lines = path.read_text().splitlines() if name.endswith(".jsonl") else None
            expected |= {f"{name}#{n}" for n in range(1, len(lines) + 1)} if lines else {name}
    manifest = rows(once)
    assert Counter(row["source"] for row in manifest) == dict.fromkeys(expected, 1)
    assert {row["status"] for row in manifest} == {"kept", "duplicate", "rejected", "failed"}
    for row in manifest:
        if row["status"] in ("rejected", "failed"):
            assert row["reason"], row["source"]
        assert (row["output"] is not None) == (row["status"] == "kept")
        assert (row["canonical_source"] is not None) == (row["status"] == "duplicate")


def test_sources_stand_in_order(once):
    """The manifest is sorted by path, records of one file by their place in it."""
    names = [row["source"] for row in rows(once)]
    feed = [name for name in names if name.startswith("feed.jsonl#")]
    assert feed == [f"feed.jsonl#{n}" for n in range(1, 12)]
    assert [n for n in names if "#" not in n] == sorted(n for n in names if "#" not in n)


def test_edits_undone_give_the_text_that_came_in(raw, once):
    """Applying a plain-text document's edits backwards gives the text before, exactly."""
    edits = defaultdict(list)
    for row in rows(once, "edits"):
        edits[row.pop("source")].append(Edit(**row))
    texts, checked, changed = final_texts(once), 0, 0
    for row in rows(once):
        if row["status"] in ("rejected", "failed") or row["format"] == "html":
            continue
        path, _, record = row["source"].partition("#")
        if record:
            before = json.loads((raw / path).read_text().splitlines()[int(record) - 1])["text"]
        else:
            before = charset.decode((raw / path).read_bytes()).text
        after = texts[row["source"]]
        assert undo(after, edits[row["source"]]) == before, row["source"]
        checked, changed = checked + 1, changed + (after != before)
    assert checked > 30
    assert changed > 20


def test_outputs_exist_with_their_hash(once):
    """Every kept document's file is there, with the hash the manifest gives, and no other file is."""
    kept = [row for row in rows(once) if row["status"] == "kept"]
    for row in kept:
        data = (once / row["output"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["output_sha256"]
        text = data.decode().split("\n---\n\n", 1)[1].removesuffix("\n")
        assert hashlib.sha256(text.encode()).hexdigest() == row["clean_sha256"]
    there = {p.relative_to(once).as_posix() for p in (once / "documents").rglob("*") if p.is_file()}
    assert there == {row["output"] for row in kept}


def test_every_duplicate_has_direct_evidence(once):
    """A dropped document's Jaccard is exact, against the kept document it stands under, which is itself kept."""
    manifest, texts = {row["source"]: row for row in rows(once)}, final_texts(once)
    dropped = [row for row in manifest.values() if row["status"] == "duplicate"]
    assert {row["relation"] for row in dropped} >= {"exact", "near"}
    for row in dropped:
        kept = manifest[row["canonical_source"]]
        assert kept["status"] == "kept"
        assert row["cluster_id"] == kept["cluster_id"] == kept["document_id"]
        exact = jaccard(texts[row["source"]], texts[row["canonical_source"]])
        assert row["jaccard"] == pytest.approx(exact, abs=1e-9), row["source"]
        if row["relation"] == "near":
            assert exact >= 0.8
    proof = {(row["source"], row["canonical_source"]) for row in rows(once, "evidence")}
    assert proof == {(row["source"], row["canonical_source"]) for row in dropped}


def test_planted_copies_are_found_and_nothing_else(once):
    """The exact copy, the near copy and the record printed again are dropped; every other story stays."""
    dropped = {row["source"]: row["relation"] for row in rows(once) if row["status"] == "duplicate"}
    pairs = {frozenset((row["source"], row["canonical_source"])) for row in rows(once) if row["canonical_source"]}
    assert pairs == {
        frozenset(("copies/exact.txt", "site0/story 000.txt")),
        frozenset(("copies/near.md", "site1/story 001.txt")),
        frozenset(("feed.jsonl#11", "site2/story 002.txt")),
    }
    assert Counter(dropped.values()) == {"exact": 2, "near": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": 1},
        {"workers": 4},
        {"reading": {"batch_documents": 1}},
        {"reading": {"batch_bytes": 3000, "batch_documents": 7}},
    ],
    ids=str,
)
def test_the_same_bytes_whatever_the_workers_and_batches(raw, once, cleaned, settings):
    """Workers and batch sizes decide how, never what: every published file is the same to the byte."""
    workers = settings.pop("workers", 2)
    again = cleaned(raw, workers=workers, **settings)
    ours, theirs = tree(again), tree(once)
    for name in ("report.json", "report.html") if settings else ():
        ours.pop(name), theirs.pop(name)  # the report states the settings
    assert ours == theirs


def test_the_same_bytes_whatever_the_order_of_the_folder(once, cleaned, tmp_path):
    """Files written in another order, in a folder of another name, give the same corpus."""
    elsewhere = write_corpus(tmp_path / "elsewhere")
    shuffled = tmp_path / "shuffled"
    for path in sorted(elsewhere.rglob("*"), key=lambda p: hashlib.md5(p.name.encode()).digest()):
        if path.is_file():
            target = shuffled / path.relative_to(elsewhere)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    assert tree(cleaned(shuffled)) == tree(once)


@pytest.mark.parametrize("form", ["markdown", "jsonl"])
def test_cleaning_a_cleaned_corpus_changes_nothing(raw, cleaned, form, tmp_path):
    """The cleaned corpus as RAW: every document is kept, its text and title as they were."""
    first = cleaned(raw, "first", format=form)
    again = tmp_path / "again"
    again.mkdir()
    if form == "markdown":
        shutil.copytree(first / "documents", again / "documents")
    else:
        shutil.copy(first / "documents.jsonl", again)
    second = cleaned(again, "second")
    before = {(row["title"], row["clean_sha256"]) for row in rows(first) if row["status"] == "kept"}
    after = {(row["title"], row["clean_sha256"]) for row in rows(second)}
    assert before == after
    assert {row["status"] for row in rows(second)} == {"kept"}


def test_raw_is_never_written(raw, once, tmp_path):
    """After a run RAW holds what it held before, to the byte, and nothing else."""
    held = {p.relative_to(raw): p.read_bytes() for p in raw.rglob("*") if p.is_file()}
    fresh = write_corpus(tmp_path / "raw")
    assert held == {p.relative_to(fresh): p.read_bytes() for p in fresh.rglob("*") if p.is_file()}
