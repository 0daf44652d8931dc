"""A corpus that grows a little every day does not drown in small part files, and nothing of it changes by that."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config import make_config
from pipeline.corpus.parts import Span, write_part_tables
from pipeline.corpus.tables import LINES, PART
from pipeline.run import compacting, run
from pipeline.run.learning import learn
from pipeline.run.rows import Rows
from tests.run.conftest import rows
from tests.run.corpora import article, tree, write_corpus

REPORTS = ("report.json", "report.html")  # they tell what changed since the run before


def parts(clean: Path) -> list[str]:
    """The part files of a kind that every part has."""
    return sorted(path.name for path in (clean / ".state" / "parts").glob("*.documents.parquet"))


def once_more(raw: Path, clean: Path):
    return run(str(raw), str(clean), make_config({}), workers=2)


def page(rng: random.Random) -> str:
    """A story of one site, with the lines around it that recur there."""
    return f"Norwick Courier, weekday edition\n\n{article(rng)}\nPrinted by the Courier press of Norwick\n"


def test_many_days_leave_few_parts_and_the_same_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file a day, some changed, some gone: few parts at any time, nothing cleaned twice, a scratch run's bytes."""
    monkeypatch.setattr(compacting, "MANY", 3)
    raw, clean, rng = tmp_path / "raw", tmp_path / "clean", random.Random(4)
    write_corpus(raw, seed=6, articles=9)
    for day in range(12):
        (raw / "site0" / f"day {day:02d}.txt").write_text(page(rng), encoding="utf-8")
        if day % 3 == 2:
            (raw / "site0" / f"day {day - 1:02d}.txt").unlink()
            (raw / "site0" / f"day {day - 2:02d}.txt").write_text(page(rng), encoding="utf-8")
        result = once_more(raw, clean)
        if day:
            assert result.new_units == (2 if day % 3 == 2 else 1)
        assert len(parts(clean)) <= 12, "three of each kind, those that the last run took apart, and those made of them"
    assert any(name.startswith("merged-") for name in parts(clean))
    assert any("Courier press" in row["line"] for row in rows(clean, "learned")), "the second pass has work to do"
    once_more(raw, tmp_path / "scratch")
    ours, theirs = tree(clean), tree(tmp_path / "scratch")
    for name in REPORTS:
        ours.pop(name), theirs.pop(name)
    assert ours == theirs
    shutil.copy(raw / "site0" / "day 11.txt", raw / "site0" / "day 12.txt")
    assert once_more(raw, clean).new_units == 1


def test_what_recurs_does_not_depend_on_the_parts(tmp_path: Path) -> None:
    """The example of a learned line is the least source, also where another copy of that article is seen first."""
    sources = [f"{name}.txt" for name in "abcdefgh"]
    anchors = [1, 2, 3, 4, 5, 1, 2, 3]  # f, g and h are copies of a, b and c
    line = pa.table({"row": [0], "site": ["s"], "key": [7], "line": ["Share"], "anchor": [0]}, schema=LINES)
    for source, anchor in zip(sources, anchors, strict=True):
        documents = pa.Table.from_pylist([{"source": source}], schema=PART)
        one = line.set_column(4, LINES.field("anchor"), pa.array([anchor], pa.int64()))
        write_part_tables(tmp_path, source[0], documents, one, None)
    found = []
    for order in (range(8), reversed(range(8))):
        spans = [Span(sources[number][0], 0, 1) for number in order]
        found.append(learn(Rows.of_spans(tmp_path, spans)).table)
    assert found[0].equals(found[1])
    assert found[0].to_pylist()[0]["example_source"] == "a.txt"
    assert found[0].to_pylist()[0]["documents"] == 5
