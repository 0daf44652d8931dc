"""Cutting files into slices loses no byte and no line number."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, Reading
from pipeline.sources import SourceFile, discover, read, reading, scan
from tests.sources.files import jsonl, parquet, read_all, said


def small_batches(size: int = 1_000) -> Config:
    return Config(reading=Reading(batch_bytes=size))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=st.lists(st.binary(max_size=900).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    ends=st.booleans(),
    chunk=st.integers(1, 3_000),
    head=st.integers(1, 3_000),
)
def test_slices_are_whole_lines_and_number_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], ends: bool, chunk: int, head: int
) -> None:
    """Slices follow each other from the first byte to the last, begin at line starts, and know their line numbers."""
    monkeypatch.setattr(reading, "CHUNK", chunk)
    monkeypatch.setattr(reading, "HEAD_BYTES", head)
    data = b"\n".join([b'{"text": "x"}', *lines]) + (b"\n" if ends else b"")
    (tmp_path / "a.jsonl").write_bytes(data)
    (file,) = discover(str(tmp_path / "a.jsonl"), Config())
    found = scan(file, small_batches())
    beginning = data[:head]
    assert found.digests == tuple(
        xxhash.xxh3_128_hexdigest(beginning + data[piece.start : piece.end]) for piece in found.slices
    )
    assert [piece.start for piece in found.slices] == [0, *(piece.end for piece in found.slices[:-1])]
    assert found.slices[-1].end == len(data)
    for piece in found.slices:
        assert piece.start == 0 or data[piece.start - 1 : piece.start] == b"\n"
        assert piece.first == data[: piece.start].count(b"\n") + 1
    for piece in found.slices[:-1]:
        inside = data[piece.start : piece.end]
        assert len(inside) >= 1_000 and b"\n" not in inside[999:-1]


def test_a_cut_falls_behind_the_line_that_fills_the_slice(tmp_path: Path) -> None:
    """A line that ends exactly at the wanted size ends the slice; one byte less, and the next line belongs to it."""
    for size, expected in ((1_000, [1_000, 1_012]), (999, [999 + 12])):
        line = b'{"text": "' + b"x" * (size - 13) + b'"}\n'
        assert len(line) == size
        (tmp_path / "a.jsonl").write_bytes(line + b'{"text": 1}\n')
        (file,) = discover(str(tmp_path / "a.jsonl"), Config())
        assert [piece.end for piece in scan(file, small_batches(1_000)).slices] == expected


def test_lines_appended_change_only_the_last_slice(tmp_path: Path) -> None:
    """Places and digests of the slices before it are as they were; a changed line changes its own slice alone."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"text": f"Line {number}. " + "x" * 500} for number in range(400)]))

    def found() -> list[tuple[int, int, int, str]]:
        (file,) = discover(str(path), Config())
        scanned = scan(file, small_batches(10_000))
        return [(s.start, s.end, s.first, d) for s, d in zip(scanned.slices, scanned.digests, strict=True)]

    before = found()
    assert len(before) > 10
    with path.open("ab") as feed:
        feed.write(jsonl([{"text": "one more"}]))
    assert found()[: len(before) - 1] == before[:-1]
    after = found()
    assert after != before
    data = bytearray(path.read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)
    assert sum(a != b for a, b in zip(after, found(), strict=True)) == 1


def test_slices_read_as_the_whole(tmp_path: Path) -> None:
    """Whatever the batch size, the same rows come in the same order."""
    records = [{"text": f"Line {number}. " + "x" * (number * 37 % 500), "n": number} for number in range(300)]
    (tmp_path / "a.jsonl").write_bytes(jsonl(records) + b"\n\nnot json\n")
    whole = read_all(tmp_path)
    assert len(whole) == 301
    assert whole[-1].source == "a.jsonl#303"
    for size in (1_000, 3_333, 50_000):
        cut = read_all(tmp_path, small_batches(size))
        assert [(raw.source, raw.index, raw.sha256, said(raw)) for raw in cut] == [
            (raw.source, raw.index, raw.sha256, said(raw)) for raw in whole
        ]


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    """Each slice knows its first row, and together they hold every row once."""
    parquet(tmp_path / "t.parquet", {"text": [f"{n} " + "word " * 100 for n in range(50)]}, row_group_size=7)
    (file,) = discover(str(tmp_path / "t.parquet"), Config())
    slices = scan(file, small_batches()).slices
    assert len(slices) > 1
    assert [piece.start for piece in slices] == [0, *(piece.end for piece in slices[:-1])]
    assert [raw.source for piece in slices for raw in read(piece, Config())] == [f"t.parquet#{n}" for n in range(50)]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl.gz", "a.warc", "a.json", "a.html"])
def test_what_cannot_be_cut_is_one_slice_and_hashed(tmp_path: Path, name: str) -> None:
    """The digest is of the bytes on disk, for every format."""
    data = b"some text that is none of this\n" * 100_000
    data = gzip.compress(data) if name.endswith(".gz") else data
    (tmp_path / name).write_bytes(data)
    (file,) = discover(str(tmp_path / name), Config())
    found = scan(file, small_batches())
    assert (found.digests, len(found.slices)) == ((xxhash.xxh3_128_hexdigest(data),), 1)
    assert (found.slices[0].start, found.slices[0].end) == (0, -1)


def test_a_file_that_is_gone_gives_its_row_when_read(tmp_path: Path) -> None:
    """Scanning never raises: the file's one slice says what is wrong."""
    file = SourceFile("gone.txt", str(tmp_path / "gone.txt"), 5)
    found = scan(file, Config())
    assert found.digests == ("",)
    (raw,) = read(found.slices[0], Config())
    assert said(raw).startswith("failed: vanished")
    assert raw.source == "gone.txt"


def test_a_refused_file_gives_its_row_when_read() -> None:
    """What discovery refused comes out with that reason and that status."""
    for status in ("rejected", "failed"):
        file = SourceFile("pipe", "/nowhere", refused="a named pipe", refused_status=status)
        (raw,) = read(scan(file, Config()).slices[0], Config())
        assert said(raw) == f"{status}: a named pipe"
