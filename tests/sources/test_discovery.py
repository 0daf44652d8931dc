"""What is in RAW is found once, in one order, and what is not read is accounted for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, Reading
from pipeline.errors import RunError
from pipeline.sources import SourceFile, discover
from pipeline.sources.discovery import unique_names


def found(raw: Path | str, config: Config | None = None) -> dict[str, SourceFile]:
    files = list(discover(str(raw), config or Config()))
    assert len({file.path for file in files}) == len(files)
    return {file.path: file for file in files}


def test_files_come_sorted_by_path_and_not_by_folder(tmp_path: Path) -> None:
    """`a.txt` stands before `a/b.txt`, as code points have it, however the folders were made."""
    for name in ("b/c.txt", "a/b.txt", "a.txt", "a-.txt", "é.txt", "B.txt", "a/é/z.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    paths = list(found(tmp_path))
    assert paths == sorted(paths)
    assert paths[:4] == ["B.txt", "a-.txt", "a.txt", "a/b.txt"]


def test_odd_names_are_kept_as_they_are(tmp_path: Path) -> None:
    """Spaces, newlines, quotes, `..` inside a name and 255 bytes of it change nothing."""
    names = {"a b.txt", "new\nline.txt", "a..b.txt", "tab\t.txt", "q\"uo'te.txt", "é" * 127 + "x", "%23.txt", "a#b.txt"}
    for name in names:
        (tmp_path / name).write_text("x")
    assert set(found(tmp_path)) == names


def test_names_that_are_no_utf8_are_shown_and_still_opened(tmp_path: Path) -> None:
    """A Latin-1 name gets a printable path beside a file that already has that name."""
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("latin")
    (tmp_path / "caf\\xe9.txt").write_text("literal")
    files = found(tmp_path)
    assert set(files) == {"caf\\xe9.txt", "caf\\xe9.txt~2"}
    assert Path(files["caf\\xe9.txt"].location).read_text() == "literal"
    assert Path(files["caf\\xe9.txt~2"].location).read_text() == "latin"
    assert all(path.encode() for path in files)


def test_a_file_named_like_a_record_does_not_take_its_name(tmp_path: Path) -> None:
    """`feed.jsonl#1` beside `feed.jsonl` is not that feed's first line."""
    for name in ("feed.jsonl", "feed.jsonl#1", "feed.jsonl%231", "c#"):
        (tmp_path / name).write_text("x")
    assert set(found(tmp_path)) == {"feed.jsonl", "feed.jsonl%231", "feed.jsonl%231~2", "c#"}


@given(st.lists(st.text("ab#%23~\\x\udce9", min_size=1, max_size=6), unique=True))
def test_names_of_a_folder_stay_different(names: list[str]) -> None:
    """However names are rewritten, no two become one, and none hides behind another's records."""
    given_names = unique_names(names)
    shown = list(given_names.values())
    assert len(set(shown)) == len(names) == len(shown)
    for name in shown:
        name.encode()


def test_hidden_files_and_folders_are_one_row_each(tmp_path: Path) -> None:
    """`.git` is refused as a whole, `.DS_Store` by itself, and both are read where the config says so."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "a.txt").write_text("x")
    files = found(tmp_path)
    assert list(files) == [".DS_Store", ".git", "a.txt"]
    assert [file.refused is None for file in files.values()] == [False, False, True]
    assert "hidden" in str(files[".git"].refused)
    opened = found(tmp_path, Config(reading=Reading(hidden=True)))
    assert list(opened) == [".DS_Store", ".git/config", "a.txt"]
    assert not any(file.refused for file in opened.values())


def test_links_are_followed_only_to_files_inside(tmp_path: Path) -> None:
    """A link out of RAW, to a folder, to nothing, and a loop are rows; a link to a file inside is a document."""
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    raw = tmp_path / "raw"
    (raw / "sub").mkdir(parents=True)
    (raw / "a.txt").write_text("inside")
    (raw / "inside").symlink_to("a.txt")
    (raw / "out").symlink_to(outside)
    (raw / "relative-out").symlink_to("../secret.txt")
    (raw / "sub" / "up").symlink_to("..")
    (raw / "out-folder").symlink_to(tmp_path)
    (raw / "dangling").symlink_to("gone")
    (raw / "loop").symlink_to("loop")
    (raw / "twin").symlink_to(tmp_path / "raw-twin")
    (tmp_path / "raw-twin").write_text("a path that begins like RAW's")
    files = found(raw)
    assert files["inside"].refused is None
    assert Path(files["inside"].location).read_text() == "inside"
    refused = {path: str(file.refused) for path, file in files.items() if file.refused}
    assert set(refused) == {"out", "relative-out", "sub/up", "out-folder", "dangling", "loop", "twin"}
    assert all("leaves RAW" in refused[path] for path in ("out", "relative-out", "out-folder", "twin"))
    assert "folder" in refused["sub/up"]
    assert "nothing" in refused["dangling"]
    assert "loop" in refused["loop"]
    assert {file.refused_status for file in files.values()} == {"rejected"}


def test_pipes_and_sockets_are_rows(tmp_path: Path) -> None:
    """A named pipe would block for ever: it is refused by what it is."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path may have 107 bytes
        try:
            bound.bind("socket")
        finally:
            os.chdir(here)
        files = found(tmp_path)
    assert "a named pipe" in str(files["pipe"].refused)
    assert "a socket" in str(files["socket"].refused)


def test_folders_deeper_than_the_stack_are_walked(tmp_path: Path) -> None:
    """1,100 nested folders exceed Python's recursion limit and are walked all the same."""
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1_100):
            os.mkdir("d")  # noqa: PTH102 (a loop: mkdir(parents=True) recurses)
            os.chdir("d")
        Path("x.txt").write_text("x")
    finally:
        os.chdir(here)
    assert list(found(tmp_path)) == ["d/" * 1_100 + "x.txt"]
    for depth in range(1_100, -1, -1):  # pytest's own clean-up recurses
        folder = tmp_path / ("d/" * depth)
        for item in folder.iterdir():
            item.unlink() if item.is_file() else item.rmdir()


def test_one_file_is_a_raw_too(tmp_path: Path) -> None:
    """RAW may be one file, also by a link or a file:// URL, and its path is its name."""
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "link").symlink_to("a.txt")
    assert [(f.path, f.size) for f in discover(str(tmp_path / "a.txt"), Config())] == [("a.txt", 3)]
    assert [f.path for f in discover((tmp_path / "a.txt").as_uri(), Config())] == ["a.txt"]
    assert [(f.path, f.refused) for f in discover(str(tmp_path / "link"), Config())] == [("link", None)]


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    """Whether that is an error is for the run to say."""
    assert found(tmp_path) == {}


@pytest.mark.parametrize("name", ["gone", "gone/deeper", "pipe"])
def test_a_raw_that_is_not_there_stops_before_anything_is_read(tmp_path: Path, name: str) -> None:
    """The message names RAW and says what to do, at the call and not at the first file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match=name):
        discover(str(tmp_path / name), Config())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_one_failed_row(tmp_path: Path) -> None:
    """Its name and the reason are in the row, and the rest is found."""
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "open.txt").write_text("x")
    files = found(tmp_path)
    assert list(files) == ["closed", "open.txt"]
    assert files["closed"].refused_status == "failed"


def test_a_folder_that_fails_to_list_is_one_failed_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for those who run as root: the listing itself is made to fail."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.txt").write_text("x")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files = found(tmp_path)
    assert (files["closed"].refused_status, files["open.txt"].refused) == ("failed", None)
    assert "Permission denied" in str(files["closed"].refused)
