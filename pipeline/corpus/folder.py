"""The CLEAN folder: its layout, its lock, and the one atomic step that publishes a corpus.

    CLEAN/
      documents, manifest.parquet, report.html, …   links to .current/…
      .current                                      link to .generations/<id>: swapping it is what publishes
      .generations/<id>/                            a whole corpus, never changed once it stands there
      decisions.jsonl                               a person's decisions
      .state/                                       what makes the next run incremental

Whoever opens CLEAN/manifest.parquet and CLEAN/documents sees one generation or the other, never half of each.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.errors import RunError, UsageError

PUBLISHED = (
    "documents",
    "documents.jsonl",
    "manifest.parquet",
    "edits.parquet",
    "evidence.parquet",
    "related.parquet",
    "dropped.parquet",
    "learned.parquet",
    "report.html",
    "report.json",
)
OURS = {*PUBLISHED, "decisions.jsonl", ".state", ".generations", ".current", ".current.next", ".gitkeep"}
GENERATION_DIGITS = 16


class CleanFolder:
    """One CLEAN folder on a local file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / ".state"
        self.parts = self.state / "parts"
        self.next = self.state / "next"
        self.scratch = self.state / "scratch"
        self.generations = path / ".generations"
        self.current = path / ".current"
        self.decisions = path / "decisions.jsonl"

    def check(self) -> None:
        """Raises UsageError when CLEAN is not a folder, or holds anything that a run did not put there."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: not a folder. Name an empty or new folder for CLEAN.")
        strange = sorted(entry.name for entry in self.path.iterdir() if entry.name not in OURS)
        for name in PUBLISHED:
            entry = self.path / name
            if (entry.exists() or entry.is_symlink()) and not entry.is_symlink():
                strange.append(name)
        if strange:
            raise UsageError(
                f"{self.path / strange[0]}: not made by clean-corpus, so {self.path} is not written to."
                " Name an empty or new folder for CLEAN, or move that file away."
            )

    def prepare(self) -> None:
        """Makes the folders that a run writes into. Raises RunError when that cannot be."""
        with storage_errors(self.path):
            for folder in (self.path, self.state, self.parts, self.generations):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.next, self.scratch):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            published = self.generation()
            if published is not None:  # a run may have been killed just before or after its step
                self._add_links(published)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds CLEAN for one run. Raises RunError that names the run which holds it; a dead run holds nothing."""
        with storage_errors(self.path):
            self.state.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                    raise
                holder = os.pread(handle, 1000, 0).decode("utf-8", "replace").strip() or "another run"
                raise RunError(
                    f"{self.path}: in use by {holder}. Wait for that run to end, or name another CLEAN."
                ) from None
            with storage_errors(self.path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            yield
        finally:
            os.close(handle)

    def generation(self) -> Path | None:
        """The published generation's folder, or None."""
        try:
            folder = self.path / self.current.readlink()
        except OSError:
            return None
        return folder if folder.is_dir() else None

    def publish(self, ready: Callable[[str], None]) -> bool:
        """Makes `.state/next` the published corpus, in one atomic step. Gives False if it is what is published.

        What must be on disk is on disk before the step; a run killed anywhere leaves the old corpus or the new one.
        `ready` is told the generation's id just before: what it writes counts if the step was taken.
        """
        with storage_errors(self.path):
            name = generation_id(self.next)
            target = self.generations / name
            if target.is_dir():
                shutil.rmtree(self.next)
            else:
                flush_tree(self.next)
                self.next.rename(target)
                flush_folder(self.generations)
            ready(name)
            old = self.generation()
            self._add_links(target)
            if old != target:
                passing = self.path / ".current.next"
                passing.unlink(missing_ok=True)
                passing.symlink_to(Path(".generations") / name)
                passing.replace(self.current)  # the step
                flush_folder(self.path)
            self._tidy(target, old)
            return old != target

    def _add_links(self, generation: Path) -> None:
        """Makes the names that people use; each leads through `.current`, so all of them change in one step."""
        for name in PUBLISHED:
            link = self.path / name
            if (generation / name).exists() and not link.is_symlink():
                link.symlink_to(Path(".current") / name)

    def _tidy(self, generation: Path, old: Path | None) -> None:
        """Takes away what `generation` does not need: names it does not have, generations older than `old`."""
        for name in PUBLISHED:
            link = self.path / name
            if link.is_symlink() and not (generation / name).exists():
                link.unlink()
        for other in self.generations.iterdir():
            if other not in (generation, old):
                shutil.rmtree(other, ignore_errors=True)


def generation_id(folder: Path) -> str:
    """A name made from the content: equal corpora have equal names. The manifest holds every document's hash."""
    sha = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as stream:
                sha.update(f"{path.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return sha.hexdigest()[:GENERATION_DIGITS]


def flush_tree(folder: Path) -> None:
    """Brings a tree to disk: one system-wide flush is far quicker than a call for each of many small files."""
    os.sync()
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Brings a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what the file system says into one clear error."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        steps = {
            errno.ENOSPC: "The disk is full. Free some space and run again",
            errno.EDQUOT: "The disk quota is used up. Free some space and run again",
            errno.EROFS: "The file system is read-only. Name a CLEAN that can be written",
            errno.EACCES: "Permission denied. Name a CLEAN that this user may write",
            errno.EPERM: "Not permitted. Name a CLEAN that this user may write",
        }
        step = steps.get(error.errno or 0, f"{error.strerror or error}. Mend that and run again")
        raise RunError(f"{where}: {step}; what was published stays as it was.") from error


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file; empty if it is not there or not whole."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
