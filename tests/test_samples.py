"""What must come of the sample corpus in raw/: each file shows a defect, and here stands how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
RAW = ROOT / "raw"


class Cleaned:
    """What one run of the command line made of raw/."""

    def __init__(self, clean: Path) -> None:
        self.rows = {row["source"]: row for row in pq.read_table(clean / "manifest.parquet").to_pylist()}
        self.evidence = {row["source"]: row for row in pq.read_table(clean / "evidence.parquet").to_pylist()}
        self.edits = pq.read_table(clean / "edits.parquet").to_pylist()
        lines = (clean / "documents.jsonl").read_bytes().splitlines()
        self.documents = {document["source"]: document for document in map(orjson.loads, lines)}

    def kept_of(self, *sources: str) -> dict[str, Any]:
        """The one document of these sources that was kept."""
        (kept,) = [source for source in sources if self.rows[source]["status"] == "kept"]
        return self.documents[kept]


@pytest.fixture(scope="module")
def cleaned(clean_corpus: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    clean = tmp_path_factory.mktemp("samples") / "clean"
    clean_corpus(RAW, clean, "--format", "jsonl", "--quiet")
    return Cleaned(clean)


# Typographic quotes become straight ones (the encoding stage does as ftfy does).
STRAIGHT = str.maketrans({"„": '"', "“": '"', "”": '"', "’": "'"})

# source → (title, phrases that must stand in the text, phrases that must not stand in it)
EXPECTED = {
    "news/ferry-line.html": (
        "Night ferry to Skarholm returns after eleven years",
        ["1,420 people", 'It was about Tuesday rehearsals."', "Two months in the dry dock", "there were twelve left."],
        ["Advertisement", "Grand Spa", "Subscribe", "Obituaries", "Share on", "Also Read", "Crab prices", "Most read",
         "newsletter", "All rights reserved", "adSlots", "Cookie settings", "returns after eleven years"],
    ),
    "news/library-roof.txt": (
        "Thornbury library closes its reading room after the roof leaks again",
        ['"We moved what we could carry,"', "£412,000", "since 1962", "carried it out on his back."],
        ["Advertisement", "Home »", "closes its reading room", "Also Read", "Five things to do", "Is your loft safe",
         "Follow us", "Share this article", "Next Story", "new roundabout", "newsletter", "All rights reserved",
         "October..", "•"],
    ),
    "news/bakery-strike.txt": (
        "The bakers of Corvenna go back to work",
        ["14.20 to 15.60", "first week of February.", "88 votes to 13.", "had to smile at it himself.",
         "the real quarrel. Nobody wrote the reason down.", "as far as the fountain.", "kitchen of the hospital."],
        ["..", "were or will Does not tell", "became.", "the the", "go back to work"],
    ),
    "news/muzej-tramvaev.txt": (
        "Музей трамваев открылся в старом депо на Речной улице",
        ["В субботу в городе Верхнелужске", "сорок один год", "сняли с улицы Садовой и сложили за депо."],
        ["Реклама", "открылся в старом депо", "Читайте также", "Подписывайтесь"],
    ),
    "news/strassenbahn.txt": (
        "Die Straßenbahn fährt wieder bis zur Mühle",
        ['"Alte Mühle"', "6,4 Millionen € gekostet", "der 91-jährige Günther Röhl", '"Sägewerk" als Bedarfshalt'],
        ["\ufffd", "Ã", "wieder bis zur Mühle\n"],
    ),
    "letters/cafe-des-ecluses.txt": (
        "The café on the Rue des Écluses",
        ["Dear Hélène,", "hasn't changed", '"plat du jour"', "1,80 €", "plaster – a heron", "Zoë", "François"],
        ["Ã", "â€", "Â"],
    ),
}  # fmt: skip
SAME = [{"news/library-roof.txt", "mirror/library-roof.txt"}]


@pytest.mark.parametrize("source", EXPECTED)
def test_a_sample_is_mended(cleaned: Cleaned, source: str):
    """What was wrong with the document is gone, what it says is there, and its headline is its title."""
    title, there, gone = EXPECTED[source]
    sources = next((pair for pair in SAME if source in pair), {source})
    document = cleaned.kept_of(*sources)
    assert document["title"] == title
    assert [phrase for phrase in there if phrase not in document["text"]] == []
    assert [phrase for phrase in gone if phrase in document["text"]] == []


@pytest.mark.parametrize(
    ("source", "stage"),
    [
        ("letters/cafe-des-ecluses.txt", "encoding"),
        ("news/bakery-strike.txt", "garbled"),
        ("news/library-roof.txt", "boilerplate"),
        ("news/library-roof.txt", "repeats"),
        ("news/muzej-tramvaev.txt", "boilerplate"),
        ("notes/restoring-the-vardby-lens.md", "markup"),
    ],
)
def test_each_stage_has_something_to_show(cleaned: Cleaned, source: str, stage: str):
    """The stage that the sample was written for is the one that records its edits."""
    assert any(edit["source"] == source and edit["stage"] == stage for edit in cleaned.edits)


def test_what_is_only_doubtful_is_flagged_and_kept(cleaned: Cleaned):
    """Characters that were lost before the text came in cannot be mended: they stay, and the edits point at them."""
    flagged = [edit for edit in cleaned.edits if edit["action"] == "flagged" and "\ufffd" in edit["before"]]
    assert [edit["source"] for edit in flagged] == ["news/bakery-strike.txt"]
    assert "\ufffd" in cleaned.documents["news/bakery-strike.txt"]["text"]


def whole(document: dict[str, Any]) -> str:
    """A document as it stood in its file: the headline, where it was taken for the title, and the text."""
    title = document["title"]
    return f"{title}\n\n{document['text']}" if title and title not in document["text"] else document["text"]


@pytest.mark.parametrize("source", ["kitchen/rye-bread.md", "poems/what-the-bell-buoy-said.txt"])
def test_a_poem_and_a_recipe_survive(cleaned: Cleaned, source: str):
    """A refrain, a table and short lines that look like debris or navigation keep every character."""
    raw = (RAW / source).read_text(encoding="utf-8").removeprefix("# ").strip()
    assert whole(cleaned.documents[source]).removeprefix("# ").strip() == raw


def test_a_german_text_in_windows_1252_keeps_every_word(cleaned: Cleaned):
    """Reading is all that a sound text in an old encoding needs."""
    raw = (RAW / "news/strassenbahn.txt").read_bytes().decode("windows-1252").translate(STRAIGHT)
    document = cleaned.documents["news/strassenbahn.txt"]
    assert whole(document).split() == raw.split()
    assert document["language"] == "de"


def test_an_exact_copy_is_dropped(cleaned: Cleaned):
    """Of two equal files one is kept, and the other names it."""
    pair = [cleaned.rows["news/library-roof.txt"], cleaned.rows["mirror/library-roof.txt"]]
    (dropped,) = [row for row in pair if row["status"] == "duplicate"]
    (kept,) = [row for row in pair if row["status"] == "kept"]
    assert (dropped["relation"], dropped["canonical_source"]) == ("exact", kept["source"])


def test_a_near_copy_is_dropped_for_the_fuller_one(cleaned: Cleaned):
    """The mirrored article lacks the last paragraph and has one number wrong; the page itself is kept."""
    row = cleaned.rows["mirror/night-ferry.txt"]
    assert (row["status"], row["relation"], row["canonical_source"]) == ("duplicate", "near", "news/ferry-line.html")
    assert 0.8 <= row["jaccard"] < 1
    lost = cleaned.evidence["mirror/night-ferry.txt"]
    assert lost["lost_numbers"] == ["1,240"]  # 1,420 in the page, which speaks of 240 kroner elsewhere
    assert lost["lost_names"] == ["Sound", "Courier"]


def test_two_notes_on_one_talk_overlap(cleaned: Cleaned):
    """Notes that share few 5-word shingles but tell the same are found by coverage, not by Jaccard."""
    notes = [cleaned.rows[f"notes/{name}.md"] for name in ("restoring-the-vardby-lens", "vardby-light-and-its-society")]
    (dropped,) = [row for row in notes if row["status"] == "duplicate"]
    (kept,) = [row for row in notes if row["status"] == "kept"]
    assert (dropped["relation"], dropped["canonical_source"]) == ("overlap", kept["source"])
    assert dropped["jaccard"] < 0.2
    assert dropped["coverage"] >= 0.8


def test_a_note_loses_its_anchors_and_keeps_its_words(cleaned: Cleaned):
    """Front matter becomes metadata, anchors go, wikilinks leave their display text, lists and headings stay."""
    document = cleaned.kept_of("notes/restoring-the-vardby-lens.md", "notes/vardby-light-and-its-society.md")
    for mark in ("yt-timestamp", "[00:", "[[", "]]", "<br", "---", "videoId", " ."):
        assert mark not in document["text"], mark
    assert "480 prisms" in document["text"]
    assert "\n## " in document["text"]
    assert document["metadata"]["videoId"] == "q7Vb3LsKm0E"


def test_the_feed_is_read_line_by_line(cleaned: Cleaned):
    """Good records are documents; a line without text is rejected, a broken one failed, and both say their line."""
    rows = {number: cleaned.rows[f"feed.jsonl#{number}"] for number in range(1, 8)}
    assert [rows[number]["record_id"] for number in (1, 2, 6)] == ["hc-101", "hc-102", "hc-105"]
    assert {rows[number]["status"] for number in (1, 2, 6)} == {"kept"}
    assert rows[3]["status"] == "rejected"
    assert rows[5]["status"] == "failed"
    assert "feed.jsonl line 3" in rows[3]["reason"]
    assert "feed.jsonl line 5" in rows[5]["reason"]
    pair = sorted((rows[4]["status"], rows[7]["status"]))
    assert pair == ["duplicate", "kept"]
    assert "Advertisement" not in cleaned.kept_of("feed.jsonl#4", "feed.jsonl#7")["text"]
    html = cleaned.documents["feed.jsonl#6"]["text"]
    assert '"Sit, Arne"' in html
    assert "<p>" not in html


def test_an_empty_file_is_accounted_for(cleaned: Cleaned):
    """A file with nothing in it is a row that says so."""
    row = cleaned.rows["scans/page-17.txt"]
    assert row["status"] == "rejected"
    assert "empty" in row["reason"]


def test_nothing_else_is_dropped(cleaned: Cleaned):
    """Twenty documents came in; the four copies and the three that cannot be used are all that is not kept."""
    counts = dict.fromkeys(("kept", "duplicate", "rejected", "failed"), 0)
    for row in cleaned.rows.values():
        counts[row["status"]] += 1
    assert counts == {"kept": 13, "duplicate": 4, "rejected": 2, "failed": 1}
    assert len(cleaned.documents) == 13
