"""gzip and Zstandard around anything, and nothing lost but what is broken."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.config import Config, Limits
from pipeline.sources import compression
from tests.sources.files import http, jsonl, page, parquet, read_file, said, sentences, warc_record

RECORDS = [{"text": f"Record {number}."} for number in range(500)]
PACK: list[tuple[str, Callable[[bytes], bytes]]] = [(".gz", gzip.compress), (".zst", zstandard.compress)]


@pytest.mark.parametrize(("suffix", "pack"), PACK)
def test_every_format_is_read_inside(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    """HTML, text, Markdown, JSONL, WARC and Parquet, by the name before the suffix."""
    for name, data, came in (
        ("a.html", page("Hello."), "html"),
        ("a.txt", b"Hello.", "text"),
        ("a.md", b"# Hello", "markdown"),
        ("a", page("Hello."), "html"),
    ):
        (raw,) = read_file(tmp_path, name + suffix, pack(data))
        assert (raw.source, raw.format, said(raw)) == (name + suffix, came, data.decode())
    assert [said(raw) for raw in read_file(tmp_path, "a.jsonl" + suffix, pack(jsonl(RECORDS)))] == [
        record["text"] for record in RECORDS
    ]
    (raw,) = read_file(tmp_path, "a.warc" + suffix, pack(warc_record(http(page("Hello.")))))
    assert (raw.format, said(raw)) == ("warc", page("Hello.").decode())
    table = parquet(tmp_path / "t.parquet", {"text": ["One.", "Two."]}).read_bytes()
    assert [said(raw) for raw in read_file(tmp_path, "t.parquet" + suffix, pack(table))] == ["One.", "Two."]


def test_the_bytes_decide_and_not_the_suffix(tmp_path: Path) -> None:
    """A `.gz` that a server unpacked is read as it is, and a packed file without the suffix is unpacked."""
    assert [said(raw) for raw in read_file(tmp_path, "a.txt.gz", b"Hello.")] == ["Hello."]
    assert [said(raw) for raw in read_file(tmp_path, "a.txt", gzip.compress(b"Hello."))] == ["Hello."]


def test_members_and_frames_follow_each_other(tmp_path: Path) -> None:
    """Files that were concatenated after packing are read to their end."""
    for suffix, pack in PACK:
        data = pack(jsonl(RECORDS[:2])) + pack(jsonl(RECORDS[2:4]))
        assert len(read_file(tmp_path, "a.jsonl" + suffix, data)) == 4


@pytest.mark.parametrize(("suffix", "pack"), PACK)
def test_a_cut_container_gives_what_is_there_and_one_row(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """The records before the break are documents; the rest is one failed row."""
    rng = random.Random(3)
    records = [{"text": sentences(rng, 40) + rng.randbytes(2_000).hex()} for _ in range(400)]
    data = pack(jsonl(records))
    rows = read_file(tmp_path, "a.jsonl" + suffix, data[: len(data) * 2 // 3])
    assert 100 < len(rows) < 400
    assert [said(raw) for raw in rows[:-1]] == [record["text"] for record in records[: len(rows) - 1]]
    assert said(rows[-1]).startswith("failed: ")
    assert rows[-1].source.endswith(" and after")


@pytest.mark.parametrize(("suffix", "pack"), PACK)
def test_a_broken_document_is_one_failed_row(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    """Cut short or with a wrong byte, it is no half document."""
    data = pack(random.Random(1).randbytes(3_000).hex().encode())
    for broken in (data[:500], data[:600] + bytes([data[600] ^ 255]) + data[601:-4] + b"0000"):
        (raw,) = read_file(tmp_path, "a.txt" + suffix, broken)
        assert said(raw).startswith(("failed: broken", "failed: the gzip data is cut", "failed: the zstd data is cut"))


def bomb(suffix: str, megabytes: int) -> bytes:
    """Packed zeros."""
    packed = io.BytesIO()
    opened = (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9)
        if suffix == ".gz"
        else zstandard.ZstdCompressor().stream_writer(packed, closefd=False)
    )
    with opened as writer:
        for _ in range(megabytes):
            writer.write(b" " * (1 << 20))
    return packed.getvalue()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.warc", "a.parquet", "a"])
def test_a_decompression_bomb_is_one_failed_row(tmp_path: Path, name: str, suffix: str) -> None:
    """It stops at the document limit or at the ratio, and is never held in memory."""
    data = bomb(suffix, 80)
    tracemalloc.start()
    rows = read_file(tmp_path, name + suffix, data, Config(limits=Limits(document_bytes=2_000_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows[-1].error is not None
    assert all(said(raw).startswith(("failed: ", "rejected: ")) for raw in rows)
    assert len(rows) <= 2
    assert peak < 20_000_000


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_the_ratio_ends_a_container_of_small_records(tmp_path: Path, suffix: str) -> None:
    """Each line is small and good, so only the ratio tells a bomb: what came before is kept, the rest is a row."""
    line = b'{"text": "' + b"a" * 100_000 + b'"}\n'
    packed = io.BytesIO()
    opened = (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9)
        if suffix == ".gz"
        else zstandard.ZstdCompressor().stream_writer(packed, closefd=False)
    )
    with opened as writer:
        for _ in range(900):
            writer.write(line)
    rows = read_file(tmp_path, "a.jsonl" + suffix, packed.getvalue())
    assert "decompression bomb" in said(rows[-1])
    assert 600 < len(rows) - 1 < 800  # RATIO_FROM is 64 MB
    assert not any(raw.error for raw in rows[:-1])


def test_a_fair_ratio_is_read_to_the_end(tmp_path: Path) -> None:
    """More than 64 MB out of a file that is packed 200 to 1 are read whole: no ratio a real feed reaches."""
    rng = random.Random(9)
    lines = b"".join(b'{"text": "' + b"a" * 90_000 + rng.randbytes(250).hex().encode() + b'"}\n' for _ in range(800))
    packed = gzip.compress(lines, 9)
    assert 100 < len(lines) / len(packed) < compression.MAX_RATIO
    rows = read_file(tmp_path, "a.jsonl.gz", packed)
    assert (len(rows), any(raw.error for raw in rows)) == (800, False)


def test_twice_packed_says_so(tmp_path: Path) -> None:
    """One layer is unpacked, a second is not."""
    (raw,) = read_file(tmp_path, "a.txt.gz", gzip.compress(gzip.compress(b"Hello.")))
    assert said(raw) == "rejected: binary: compressed twice. Unpack it once."


def test_empty_inside_says_so(tmp_path: Path) -> None:
    """A packed nothing is empty, not unreadable."""
    for suffix, pack in PACK:
        (raw,) = read_file(tmp_path, "a.txt" + suffix, pack(b""))
        assert said(raw) == "rejected: empty file, compressed"


def test_a_zstandard_warc_with_a_dictionary_is_read(tmp_path: Path) -> None:
    """The dictionary in its first frame, packed or not, unpacks the records."""
    rng = random.Random(5)
    records = [warc_record(http(page(sentences(rng, 5))), id=f"urn:uuid:{number}") for number in range(200)]
    trained = zstandard.train_dictionary(4_000, records)
    compressor = zstandard.ZstdCompressor(dict_data=trained)
    for content in (trained.as_bytes(), zstandard.compress(trained.as_bytes())):
        start = compression.ZSTD_DICTIONARY + len(content).to_bytes(4, "little") + content
        data = start + b"".join(compressor.compress(record) for record in records[:5])
        rows = read_file(tmp_path, "a.warc.zst", data)
        assert [raw.source for raw in rows] == [f"a.warc.zst#{number}" for number in range(5)]
        assert not any(raw.error for raw in rows)
