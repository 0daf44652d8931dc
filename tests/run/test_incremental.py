"""It runs again tomorrow: only what is new is cleaned, and the result is what a run from scratch would give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config import make_config
from pipeline.run import run
from tests.run.conftest import rows
from tests.run.corpora import tree, write_corpus
from tests.torture.harness import finished


@pytest.fixture
def raw(tmp_path) -> Path:
    """A corpus that a test may change."""
    return write_corpus(tmp_path / "raw", seed=3, articles=12)


def once_more(raw: Path, clean: Path, **settings):
    return run(str(raw), str(clean), make_config(settings), workers=2)


def states(clean: Path) -> dict[str, str]:
    return {row["source"]: row["status"] for row in rows(clean)}


def test_nothing_new_is_no_work(raw, tmp_path):
    """A second run over the same folder cleans nothing and publishes nothing."""
    clean = tmp_path / "clean"
    first = once_more(raw, clean)
    published = (clean / ".current").readlink()
    second = once_more(raw, clean)
    assert first.published
    assert not second.published
    assert (second.new_units, second.reused_units) == (0, first.new_units)
    assert (second.documents, dict(second.by_status)) == (first.documents, dict(first.by_status))
    assert (clean / ".current").readlink() == published


def test_only_what_is_new_or_changed_is_cleaned(raw, tmp_path):
    """One file added, one changed, one touched: two units are cleaned, and the report says what changed."""
    clean = tmp_path / "clean"
    once_more(raw, clean)
    (raw / "new.txt").write_text("The weir at Tresson was inspected by two engineers on Monday, and found sound.\n" * 3)
    story = raw / "site0" / "story 000.txt"
    story.write_text(story.read_text() + "\nA correction was added to this story on the following day by its author.\n")
    (raw / "site1" / "story 001.txt").touch()
    result = once_more(raw, clean)
    assert result.new_units == 2
    assert result.changes is not None
    assert result.changes.added == ("new.txt",)
    assert result.changes.changed == ("site0/story 000.txt",)
    assert result.changes.removed == ()


def test_like_a_run_from_scratch(raw, tmp_path):
    """After additions, changes and deletions the corpus is, to the byte, what a run from scratch gives."""
    clean = tmp_path / "clean"
    once_more(raw, clean)
    write_corpus(tmp_path / "more", seed=9, articles=6)
    shutil.copytree(tmp_path / "more", raw / "more")
    (raw / "site2" / "story 002.txt").unlink()
    feed = raw / "feed.jsonl"
    feed.write_text("".join(feed.read_text().splitlines(keepends=True)[2:]))
    once_more(raw, clean)
    once_more(raw, tmp_path / "scratch")
    ours, theirs = tree(clean), tree(tmp_path / "scratch")
    for name in ("report.json", "report.html"):
        ours.pop(name), theirs.pop(name)  # only one of them had a run before it to compare with
    assert ours == theirs


def test_the_best_duplicate_takes_the_place_of_a_deleted_document(raw, tmp_path):
    """When the kept document leaves RAW its duplicate is kept instead, and called promoted."""
    clean = tmp_path / "clean"
    once_more(raw, clean)
    dropped = next(row for row in rows(clean) if row["relation"] == "near")
    (raw / dropped["canonical_source"]).unlink()
    result = once_more(raw, clean)
    assert states(clean)[dropped["source"]] == "kept"
    assert result.changes is not None
    assert dropped["source"] in result.changes.promoted
    assert dropped["canonical_source"] in result.changes.removed


def test_a_new_copy_does_not_displace_what_is_published(raw, tmp_path):
    """A copy that arrives later stands under the published document, also if its name comes first."""
    clean = tmp_path / "clean"
    once_more(raw, clean)
    shutil.copy(raw / "site0" / "story 003.txt", raw / "a-copy.txt")
    once_more(raw, clean)
    by = {row["source"]: row for row in rows(clean)}
    assert by["a-copy.txt"]["canonical_source"] == "site0/story 003.txt"


def test_another_setting_cleans_again_and_says_why(raw, tmp_path):
    """What the settings of cleaning change is done again, what only matching uses is not; both are told with why."""
    clean = tmp_path / "clean"
    first = once_more(raw, clean)
    assert first.reasons == ()
    other = once_more(raw, clean, threshold=0.9)
    assert other.new_units == 0
    assert other.reasons == ("threshold was 0.8 and is 0.9: every document is matched and written again",)
    third = once_more(raw, clean, threshold=0.9, stages="encoding")
    assert third.new_units == first.new_units
    (reason,) = third.reasons
    assert reason.startswith("stages was ['extract', 'encoding',")
    assert reason.endswith("and is ['encoding']: every document is cleaned again")
    (raw / "new.txt").write_text("The weir at Tresson was inspected by two engineers on Monday, and found sound.\n")
    assert once_more(raw, clean, threshold=0.9, stages="encoding").reasons == ()


@pytest.mark.parametrize(
    ("settings", "again"),
    [
        ({"near": {"recall": 0.9}}, False),
        ({"overlap": {"own_words": 80, "contained": 0.95, "common": 40}}, False),
        ({"coverage": 0.7}, False),
        ({"keep": "newest"}, False),
        ({"near": {"seed": 2}}, True),
        ({"near": {"shingle_words": 4}}, True),
        ({"overlap": {"find": False}}, True),
        ({"overlap": {"scale": 2}}, True),
        ({"garbled": {"remove": False}}, True),
    ],
)
def test_settings_of_matching_clean_nothing_again(tmp_path, settings, again):
    """Only what cleaned texts and their sketches are made with; the corpus is that of a run from scratch either way."""
    raw = write_corpus(tmp_path / "raw", seed=4, articles=4)
    first = once_more(raw, tmp_path / "clean")
    second = once_more(raw, tmp_path / "clean", **settings)
    assert second.new_units == (first.new_units if again else 0)
    assert all(reason.endswith("cleaned again" if again else "written again") for reason in second.reasons)
    assert second.reasons
    once_more(raw, tmp_path / "scratch", **settings)
    assert without_report(tree(tmp_path / "clean")) == without_report(tree(tmp_path / "scratch"))


def without_report(files: dict[str, bytes]) -> dict[str, bytes]:
    """A corpus without what tells of changes since the last run, which the first has none of."""
    return {name: data for name, data in files.items() if not name.startswith("report.")}


def test_another_version_cleans_again_and_says_why(raw, tmp_path, monkeypatch):
    """A new version cleans everything again and names both versions."""
    import pipeline
    from pipeline.run.planning import code_digest

    clean = tmp_path / "clean"
    first = once_more(raw, clean)
    version = pipeline.__version__
    monkeypatch.setattr(pipeline, "__version__", "99.0")
    code_digest.cache_clear()
    try:
        second = once_more(raw, clean)
    finally:
        code_digest.cache_clear()
    assert second.new_units == first.new_units
    assert second.reasons == (f"clean-corpus was {version} and is 99.0: every document is cleaned again",)


@pytest.mark.parametrize(("how", "reason"), [("kill", "SIGKILL"), ("crash", "SIGSEGV")])
def test_what_the_machine_did_is_tried_again(tmp_path, how, reason):
    """A document whose worker the system killed is tried again by the next run; one that crashes its worker is not.

    What comes of the second try is what a run from scratch gives.
    """
    raw, clean = tmp_path / "raw", tmp_path / "clean"
    write_corpus(raw, seed=5, articles=4)
    story = raw / "site0" / "unlucky.txt"
    story.write_text(f"The weir at Tresson was inspected by garbled-{how} on Monday, and found sound.\n" * 3)
    orders = [{"wrap": "pipeline.stages.garbled:mend_garbled", "marker": "garbled"}]
    finished(raw, clean, orders=orders)
    assert reason in next(row["reason"] for row in rows(clean) if row["source"] == "site0/unlucky.txt")
    again = once_more(raw, clean)
    assert (again.new_units, again.published) == ((1, True) if how == "kill" else (0, False))
    if how == "kill":
        once_more(raw, tmp_path / "scratch")
        ours, theirs = tree(clean), tree(tmp_path / "scratch")
        for name in ("report.json", "report.html"):
            ours.pop(name), theirs.pop(name)  # only one of them had a run before it to compare with
        assert ours == theirs
        assert not once_more(raw, clean).new_units


def test_what_keeps_failing_changes_nothing(tmp_path):
    """A document that is tried again in vain costs the try; the corpus stays as it is."""
    raw, clean = tmp_path / "raw", tmp_path / "clean"
    write_corpus(raw, seed=5, articles=4)
    for name, marker in (("a", "garbled-kill"), ("b", "finish-kill")):
        heading = (raw / "site0" / "story 000.txt").read_text().splitlines()[0]
        text = f"{heading}\nThe weir at Tresson was inspected by {marker} on Monday, and found sound.\n" * 3
        (raw / "site0" / f"{name}.txt").write_text(text)
    orders = [
        {"wrap": "pipeline.stages.garbled:mend_garbled", "marker": "garbled"},
        {"wrap": "pipeline.stages.boilerplate:strip_boilerplate", "marker": "finish"},
    ]
    finished(raw, clean, orders=orders)
    before = tree(clean)
    for name in ("report.json", "report.html"):
        before.pop(name)
    finished(raw, clean, orders=orders)
    after = tree(clean)
    for name in ("report.json", "report.html"):
        after.pop(name)
    assert after == before
    assert sum(row["status"] == "failed" for row in rows(clean)) == 2


def test_deleting_the_state_costs_time_only(raw, tmp_path):
    """Without .state the next run does everything again and gives the same corpus."""
    clean = tmp_path / "clean"
    once_more(raw, clean)
    before = tree(clean)
    shutil.rmtree(clean / ".state")
    assert before.keys() == tree(clean).keys(), "the corpus stays readable"
    again = once_more(raw, clean)
    assert again.reused_units == 0
    after = tree(clean)
    for name in ("report.json", "report.html"):
        before.pop(name), after.pop(name)
    assert before == after


def test_a_damaged_part_is_made_again(raw, tmp_path):
    """A part file cut short (a full disk, a power cut) does not count; its documents are cleaned again."""
    clean = tmp_path / "clean"
    first = once_more(raw, clean)
    part = next((clean / ".state" / "parts").glob("*.documents.parquet"))
    part.write_bytes(part.read_bytes()[:-10])
    (raw / "new.txt").write_text("The weir at Tresson was inspected by two engineers on Monday, and found sound.\n" * 3)
    assert once_more(raw, clean).new_units == first.new_units + 1
