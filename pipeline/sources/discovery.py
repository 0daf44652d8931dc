"""Finding what is in RAW: every file once, in the same order on every machine, and what cannot be read as a row."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import RunError
from pipeline.sources.records import SourceFile
from pipeline.sources.storage import filesystem, is_remote, local_path, redacted

HIDDEN = 'hidden (its name begins with "."): not read. Rename it, or set [reading] hidden = true.'
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def discover(raw: str, config: Config) -> Iterator[SourceFile]:
    """Every file in RAW (a file, a folder or an fsspec URL), sorted by path, by code point.

    What is there but is not read (links that leave RAW, pipes, hidden files, folders that cannot be listed) comes
    with `refused`; a hidden or unreadable folder and a link to a folder come as one. Memory grows with the largest
    folder, not with RAW. Raises RunError where RAW itself is missing or cannot be read.
    """
    if is_remote(raw):
        return _discover_remote(raw, config)
    root = Path(local_path(raw)).absolute()
    try:
        mode = root.stat().st_mode
    except FileNotFoundError:
        raise RunError(f"{raw}: no such file or folder. Name the folder that holds the documents.") from None
    except OSError as error:
        raise RunError(f"{raw}: {error.strerror}. Check the path and its permissions.") from None
    if stat.S_ISDIR(mode):
        try:
            os.scandir(root).close()
        except OSError as error:
            raise RunError(f"{raw}: the folder cannot be listed: {error.strerror}. Check its permissions.") from None
        return _walk(os.path.realpath(root), config)
    if not stat.S_ISREG(mode):
        raise RunError(f"{raw}: {_special(mode)}, not a file or folder. Name a folder that holds documents.")
    real = os.path.realpath(root)
    return iter((SourceFile(_printable(root.name), real, root.stat().st_size),))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One name in a folder. `name` is printable and unique there; `key` sorts a folder as if its name ended in `/`."""

    name: str
    location: str
    is_folder: bool
    is_link: bool

    @property
    def key(self) -> str:
        return self.name + "/" if self.is_folder else self.name


def _walk(root: str, config: Config) -> Iterator[SourceFile]:
    """The files below a real path, depth first. A stack of iterators: names may nest deeper than Python's own stack."""
    stack: list[tuple[str, Iterator[_Entry]]] = [("", iter(_listed(root)))]
    while stack:
        prefix, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        path = prefix + entry.name
        if entry.name.startswith(".") and not config.reading.hidden:
            yield SourceFile(path, entry.location, refused=HIDDEN)
        elif entry.is_folder:
            try:
                stack.append((path + "/", iter(_listed(entry.location))))
            except OSError as error:
                reason = f"the folder cannot be listed: {error.strerror}. Check its permissions and run again."
                yield SourceFile(path, entry.location, refused=reason, refused_status="failed")
        else:
            yield _linked(path, entry.location, root) if entry.is_link else _regular(path, entry.location)


def _listed(folder: str) -> list[_Entry]:
    """What is in a folder, in order. Raises OSError."""
    with os.scandir(folder) as found:
        raw = [(item.name, item.path, item.is_dir(follow_symlinks=False), item.is_symlink()) for item in found]
    names = unique_names([name for name, _, _, _ in raw])
    entries = [_Entry(names[name], location, folder, link) for name, location, folder, link in raw]
    return sorted(entries, key=lambda entry: entry.key)


def unique_names(names: list[str]) -> dict[str, str]:
    r"""The name that each entry of one folder has in `source`: printable, and no other entry's or record's.

    Bytes that are no UTF-8 become `\xNN`. `#` is kept, but where what stands before it is an entry too
    (`feed.jsonl#3` beside `feed.jsonl`), it is written `%23`: `feed.jsonl#3` is that file's third line.

    >>> unique_names(["feed.jsonl", "feed.jsonl#3", "c#.txt", "caf\udce9.txt"])
    {'feed.jsonl': 'feed.jsonl', 'feed.jsonl#3': 'feed.jsonl%233', 'c#.txt': 'c#.txt', 'caf\udce9.txt': 'caf\\xe9.txt'}
    """
    if not any("#" in name or not _is_printable(name) for name in names):
        return dict(zip(names, names, strict=True))
    entries, taken, given = set(names), set(names), {}
    for name in sorted(names):
        shown = _printable(name)
        if any(name[:at] in entries for at, character in enumerate(name) if character == "#"):
            shown = shown.replace("#", "%23")
        number = 2
        plain = shown
        while shown != name and shown in taken:
            shown, number = f"{plain}~{number}", number + 1
        taken.add(shown)
        given[name] = shown
    return {name: given[name] for name in names}


def _is_printable(name: str) -> bool:
    """Whether a file name is UTF-8."""
    return name.isascii() or not any("\udc80" <= character <= "\udcff" for character in name)


def _printable(name: str) -> str:
    r"""A file name as text: bytes that are no UTF-8 become `\xNN`."""
    return name if _is_printable(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def _special(mode: int) -> str:
    """What a file is that is neither a regular one nor a folder."""
    return _SPECIAL.get(stat.S_IFMT(mode), "no regular file")


def _regular(path: str, location: str) -> SourceFile:
    """A name that is no link and no folder."""
    try:
        status = os.lstat(location)
    except OSError as error:
        reason = f"cannot be examined: {error.strerror}. Run again if it should be there."
        return SourceFile(path, location, refused=reason, refused_status="failed")
    if not stat.S_ISREG(status.st_mode):
        return SourceFile(path, location, refused=f"{_special(status.st_mode)}, not a file: not opened")
    return SourceFile(path, location, status.st_size)


def _linked(path: str, location: str, root: str) -> SourceFile:
    """A symbolic link: read under its own name where it ends at a regular file inside RAW, else refused."""
    try:
        target = os.path.realpath(location, strict=True)
        status = Path(target).stat()
    except OSError as error:
        why = "a symbolic link to nothing" if isinstance(error, FileNotFoundError) else "a symbolic link that loops"
        return SourceFile(path, location, refused=f"{why}: not followed")
    if os.path.commonpath((root, target)) != root:
        return SourceFile(
            path, location, refused="a symbolic link that leaves RAW: not followed. Copy its file into RAW."
        )
    if stat.S_ISDIR(status.st_mode):
        return SourceFile(path, location, refused="a symbolic link to a folder in RAW, whose files are read there")
    if not stat.S_ISREG(status.st_mode):
        return SourceFile(path, location, refused=f"a symbolic link to {_special(status.st_mode)}: not opened")
    return SourceFile(path, target, status.st_size)


def _discover_remote(raw: str, config: Config) -> Iterator[SourceFile]:
    """The files under an fsspec URL. The whole listing is held: object stores list keys, not folders."""
    file_system, root = filesystem(raw)
    try:
        file_system.invalidate_cache()  # a listing of an earlier run in this process
        found = file_system.find(root, detail=True)
    except FileNotFoundError:
        found = {}
    except Exception as error:
        said = redacted(str(error))[:500] or type(error).__name__
        raise RunError(f"{redacted(raw)}: cannot be listed: {said}. Check the name and your credentials.") from None
    if not found and not file_system.exists(root):
        raise RunError(f"{redacted(raw)}: nothing is there. Check the bucket and the path.")
    return _remote_files(file_system, root.rstrip("/"), found, config)


def _remote_files(
    file_system: object, root: str, found: dict[str, dict[str, object]], config: Config
) -> Iterator[SourceFile]:
    """The files of a listing, sorted by path. A key that ends in `/` marks a folder and is not a file."""
    paths = {}
    for name, details in found.items():
        if name.endswith("/") or details.get("type") == "directory":
            continue
        relative = name[len(root) :].lstrip("/") if name != root else name.rpartition("/")[2]
        paths[relative] = (name, details)
    shown = unique_names(list(paths))
    for relative in sorted(paths, key=lambda relative: shown[relative]):
        name, details = paths[relative]
        location = file_system.unstrip_protocol(name)  # type: ignore[attr-defined]
        hidden = any(part.startswith(".") for part in relative.split("/")) and not config.reading.hidden
        size = details.get("size")
        yield SourceFile(shown[relative], location, size if isinstance(size, int) else 0, HIDDEN if hidden else None)
