"""Every file that came in is accounted for, alike on every run, and nothing but RAW is touched."""

from __future__ import annotations

import os
import random
import shutil
import socket
from pathlib import Path

import pytest

from pipeline.config import Config, Reading
from pipeline.sources import SourceFile, content_digest, discover, read, scan
from tests.sources.files import make_raw, read_all, read_file, said


def test_every_file_has_its_rows(tmp_path: Path) -> None:
    """Each file of a folder of every format, whole and broken, has as many rows as it holds records."""
    expected = make_raw(tmp_path / "raw", count=7)
    rows = read_all(tmp_path / "raw")
    counted: dict[str, int] = {}
    for raw in rows:
        path = raw.source.partition("#")[0]
        counted[path] = counted.get(path, 0) + 1
        assert said(raw)
    assert counted == expected
    assert len({raw.source for raw in rows}) == len(rows)


def test_reading_twice_and_elsewhere_gives_the_same(tmp_path: Path) -> None:
    """Neither the folder's place, nor the order its files were made in, nor the batch size shows in a row."""
    make_raw(tmp_path / "a")
    names = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    random.Random(9).shuffle(names)
    for name in names:
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tmp_path / "a" / name, tmp_path / "b" / name)
    one = read_all(tmp_path / "a")
    two = read_all(tmp_path / "b", Config(reading=Reading(batch_bytes=1_000)))
    assert [(raw.source, content_digest(raw)) for raw in one] == [(raw.source, content_digest(raw)) for raw in two]


def test_no_socket_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading any format touches no network, whatever the documents link to."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    make_raw(tmp_path / "raw")
    (tmp_path / "raw" / "x.xhtml").write_text(
        '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]><html><p>&e;</p></html>'
    )
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert not [raw for raw in read_all(tmp_path / "raw") if "socket" in said(raw)]


def test_raw_is_never_written(tmp_path: Path) -> None:
    """Names, sizes, contents and times of RAW are after reading what they were before."""
    make_raw(tmp_path / "raw")

    def state() -> dict[str, tuple[int, int, bytes]]:
        files = [path for path in (tmp_path / "raw").rglob("*") if path.is_file()]
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size, p.read_bytes()) for p in files}

    before = state()
    read_all(tmp_path / "raw")
    assert state() == before


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "gone"])
def test_a_file_that_turns_into_something_else_is_one_row(tmp_path: Path, kind: str) -> None:
    """Between finding and opening, a file may become a pipe (which would block) or a link (which would leave RAW)."""
    path = tmp_path / "raw" / "a.txt"
    path.parent.mkdir()
    path.write_text("Hello.")
    (tmp_path / "secret").write_text("secret")
    (file,) = discover(str(tmp_path / "raw"), Config())
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "secret")
    elif kind == "folder":
        path.mkdir()
    (raw,) = read(scan(file, Config()).slices[0], Config())
    assert raw.source == "a.txt"
    assert said(raw).startswith(("failed: ", "rejected: "))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_failed_row(tmp_path: Path) -> None:
    """The reason says what to change."""
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    (raw,) = read_all(tmp_path)
    assert said(raw).startswith("failed: no permission")


def test_an_open_that_is_refused_is_one_failed_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for those who run as root: the open itself is made to fail."""
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("Hello.")
    real = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path).endswith("a.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    rows = read_all(tmp_path)
    assert [said(raw) for raw in rows] == [
        "failed: no permission to read it. Change its permissions and run again.",
        "Hello.",
    ]
    assert scan(SourceFile("a.txt", str(tmp_path / "a.txt")), Config()).digests == ("",)


def test_a_file_that_shrinks_while_it_is_read_ends_early(tmp_path: Path) -> None:
    """Slices past its new end give nothing, and nothing crashes."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "One line of text."}\n' * 200)
    config = Config(reading=Reading(batch_bytes=1_000))
    (file,) = discover(str(path), config)
    slices = scan(file, config).slices
    path.write_bytes(b'{"text": "One line of text."}\n')
    assert [len(list(read(piece, config))) for piece in slices] == [1] + [0] * (len(slices) - 1)


def test_the_digest_sees_all_that_cleaning_sees(tmp_path: Path) -> None:
    """A changed text, title or kind changes it; another name or place in the file does not."""
    (base,) = read_file(tmp_path, "a.jsonl", b'{"text": "Hello.", "title": "T"}')
    same = read_file(tmp_path, "b.jsonl", b'\n{"title": "T", "text": "Hello."}')[0]
    assert content_digest(base) == content_digest(same)
    for line in (
        b'{"text": "Hello!", "title": "T"}',
        b'{"text": "Hello.", "title": "U"}',
        b'{"html": "Hello.", "title": "T"}',
        b'{"text": "Hello.", "title": "T", "tag": 1}',
    ):
        (other,) = read_file(tmp_path, "c.jsonl", line)
        assert content_digest(other) != content_digest(base)
