"""decisions.jsonl: what a person decided is kept, in order, and read back; damage is reported, never fatal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decisions import (
    Decision,
    Decisions,
    append_decision,
    new_decision,
    normal_line,
    parse_decisions,
    read_decisions,
)


def decide(kind: str, number: int, **subject: str) -> Decision:
    return Decision(id=f"d{number}", kind=kind, who="ann", when="2026-01-01T00:00:00Z", **subject)


def standing(*decisions: Decision) -> Decisions:
    return parse_decisions("\n".join(decision.as_json() for decision in decisions).encode())


def test_a_decision_survives_the_file(tmp_path: Path) -> None:
    """What was appended is what is read, character for character."""
    path = tmp_path / "decisions.jsonl"
    made = [
        new_decision("not-duplicates", who="ann", note="other ‮ year\u2028\n", source="a.txt", other="ü/b.txt"),
        new_decision("keep-line", who="bo", source="a.txt", line="  Also   Read ", scope="document"),
    ]
    for decision in made:
        append_decision(path, decision)
    assert read_decisions(path).all == tuple(made)
    assert path.read_bytes().count(b"\n") == 2
    assert made[1].line == "Also Read"


def test_no_file_means_no_decisions(tmp_path: Path) -> None:
    """A CLEAN nobody reviewed has no decisions and no problems."""
    assert read_decisions(tmp_path / "decisions.jsonl") == Decisions()


def test_pairs_do_not_depend_on_the_order_named() -> None:
    """(b, a) and (a, b) are one pair, and the later word on it counts."""
    both = standing(
        decide("not-duplicates", 1, source="b", other="a"),
        decide("duplicates", 2, source="a", other="b"),
        decide("not-duplicates", 3, source="d", other="c"),
    )
    assert both.always_pairs() == {("a", "b")}
    assert both.never_pairs() == {("c", "d")}


def test_reject_and_restore_override_each_other() -> None:
    """Of reject and restore the later one counts."""
    said = standing(
        decide("reject", 1, source="a"),
        decide("restore", 2, source="a"),
        decide("restore", 3, source="b"),
        decide("reject", 4, source="b"),
    )
    assert (said.rejected(), said.restored()) == ({"b"}, {"a"})


def test_preferred_ranks_the_latest_first() -> None:
    """Two keep-this decisions: the later document ranks first; one about the same pair replaces the earlier."""
    said = standing(
        decide("keep-this", 1, source="a", other="b"),
        decide("keep-this", 2, source="c", other="d"),
        decide("keep-this", 3, source="b", other="a"),
    )
    assert dict(said.preferred()) == {"b": 0, "c": 1}


def test_an_undone_decision_no_longer_counts_and_the_one_before_does() -> None:
    """Undo reveals the earlier decision; undoing the undo hides it again."""
    first = decide("not-duplicates", 1, source="a", other="b")
    second = decide("duplicates", 2, source="a", other="b")
    undo = decide("undo", 3, undoes="d2")
    redo = decide("undo", 4, undoes="d3")
    assert standing(first, second, undo).never_pairs() == {("a", "b")}
    assert standing(first, second, undo).undone == {"d2"}
    assert standing(first, second, undo, redo).always_pairs() == {("a", "b")}


def test_the_narrower_scope_wins() -> None:
    """Keep a line in one document although it is removed everywhere; others still lose it."""
    said = standing(
        decide("keep-line", 1, source="a", scope="document", line="Also Read"),
        decide("remove-line", 2, scope="everywhere", line="Also  Read"),
        decide("keep-line", 3, scope="site", site="x.test", line="Share"),
        decide("remove-line", 4, scope="site", site="x.test", line="Share"),
    )
    assert said.kept_lines("a", "x.test") == {"Also Read"}
    assert said.removed_lines("a", "x.test") == {"Share"}
    assert said.removed_lines("b", "x.test") == {"Also Read", "Share"}
    assert said.removed_lines("b", None) == {"Also Read"}
    assert said.touches_lines()
    assert not standing(decide("reject", 1, source="a")).touches_lines()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"id":"x","kind":"burn","when":"2026"}', "unknown kind 'burn'"),
        ('{"id":"x","kind":"reject","when":"2026"}', "needs a"),
        ('{"id":"x","kind":"not-duplicates","when":"2026","source":"a","other":"a"}', "two different"),
        ('{"id":"x","kind":"keep-line","when":"2026","source":"a","line":"b"}', "scope"),
        ('{"id":"x","kind":"keep-line","when":"2026","line":"b","scope":"site"}', "scope"),
        ('{"id":"x","kind":"undo","when":"2026","undoes":"nothing"}', "no earlier decision"),
        ('{"id":"good","kind":"reject","when":"2026","source":"b"}', "second decision"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"id":"x","kind":"reject","source":"\\ud800","when":"2026"}', "surrogates"),
        ("\x00\x00", "not JSON"),
    ],
)
def test_a_line_that_cannot_be_used_is_reported_and_the_rest_is_read(line: str, word: str) -> None:
    """A bad line is named with its number; the good ones around it still count."""
    good = decide("reject", 1, source="a").model_copy(update={"id": "good"}).as_json()
    after = decide("reject", 2, source="z").as_json()
    read = parse_decisions(f"{good}\n{line}\n{after}\n".encode())
    assert read.rejected() == {"a", "z"}
    assert len(read.problems) == 1
    assert "line 2" in read.problems[0]
    assert word in read.problems[0]


def test_a_torn_last_line_spoils_only_itself(tmp_path: Path) -> None:
    """Half a line at the end is reported, and the next decision starts on a line of its own."""
    path = tmp_path / "decisions.jsonl"
    append_decision(path, decide("reject", 1, source="a"))
    with path.open("ab") as file:
        file.write(b'{"id":"d2","kind":"rej')
    assert "half a line" in read_decisions(path).problems[0]
    append_decision(path, decide("reject", 3, source="c"))
    read = read_decisions(path)
    assert read.rejected() == {"a", "c"}
    assert len(read.problems) == 1


APPEND_MANY = """
import sys
from pathlib import Path
from pipeline.decisions import append_decision, new_decision
for number in range(60):
    append_decision(Path(sys.argv[1]), new_decision("reject", who="x", source=f"{sys.argv[2]}/{number}" + "é" * 3000))
"""


def test_two_writers_never_interleave(tmp_path: Path) -> None:
    """Two processes append at once: every decision arrives whole."""
    path = tmp_path / "decisions.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", APPEND_MANY, path, name]) for name in ("a", "b")]
    assert [writer.wait() for writer in writers] == [0, 0]
    read = read_decisions(path)
    assert read.problems == ()
    assert len(read.all) == 120


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """A decisions.jsonl that points out of CLEAN is not written through."""
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    (tmp_path / "decisions.jsonl").symlink_to(target)
    with pytest.raises(OSError):
        append_decision(tmp_path / "decisions.jsonl", decide("reject", 1, source="a"))
    assert target.read_bytes() == b""


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever the file holds, reading gives decisions and problems."""
    parse_decisions(data)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_normal_line_is_idempotent(line: str) -> None:
    """A line normalised twice is the line normalised once."""
    assert normal_line(normal_line(line)) == normal_line(line)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1), st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_makes_one_ascii_line(source: str, note: str) -> None:
    """Sources and notes of any characters stay one line and come back equal."""
    made = new_decision("reject", who="ann", note=note, source=source)
    assert "\n" not in made.as_json()
    assert json.loads(made.as_json())["source"] == source
    assert parse_decisions(made.as_json().encode()).all == (made,)
