"""CLEAN on object storage: worked on in a local mirror, published by one pointer object that is written last.

    CLEAN/current.json                  {"generation": "<id>"}: who reads the corpus reads this first
    CLEAN/.generations/<id>/…           a whole corpus, never changed once the pointer names it
    CLEAN/decisions.jsonl
    CLEAN/.state/…                      what makes the next run incremental
    CLEAN/.state/lock.json              who is writing, refreshed while it writes

Object stores have no links and no rename; but one object is replaced whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.corpus.folder import CleanFolder
from pipeline.errors import CleanCorpusError, RunError
from pipeline.sources.storage import filesystem, redacted

LOCK_REFRESH = 20.0  # seconds between two signs of life
LOCK_STALE = 90.0  # seconds without one after which a run counts as dead
TRANSFERS = 16  # objects under way at once
CACHE = "CLEAN_CORPUS_CACHE"  # environment variable: where mirrors lie
_GENERATION = re.compile(r"[0-9a-f]{1,64}")
KEPT_TABLES = ("manifest.parquet",)  # of the published generation, what a run reads


def mirror_of(url: str) -> Path:
    """The local folder in which a remote CLEAN is worked on; the same for every run on one machine."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    base = Path(os.environ.get(CACHE) or caches / "clean-corpus")
    return base / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]


class RemoteClean:
    """A CLEAN folder behind an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.url = redacted(url)
        self.fs, root = filesystem(url)
        self.root = root.rstrip("/")
        self.folder = CleanFolder(mirror_of(url))
        self._owner = uuid.uuid4().hex

    def report_url(self) -> str:
        """Where the published report is."""
        return f"{self.url.rstrip('/')}/.generations/{self.published()}/report.html"

    def published(self) -> str:
        """The generation that the pointer names; empty where nothing is published."""
        name = str(self.read_json("current.json").get("generation", ""))
        return name if _GENERATION.fullmatch(name) else ""

    def at(self, name: str) -> str:
        """The object's full name."""
        return f"{self.root}/{name}"

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON object; empty where there is none."""
        try:
            self.fs.invalidate_cache()
            value = json.loads(self.fs.cat_file(self.at(name)))
        except (FileNotFoundError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def check(self) -> None:
        """Raises RunError when the folder holds objects that no run made, and no corpus of ours."""
        with remote_errors(self.url):
            self.fs.invalidate_cache()
            try:
                names = {str(name).rstrip("/").rpartition("/")[2] for name in self.fs.ls(self.root, detail=False)}
            except FileNotFoundError:
                return
            strange = sorted(names - {"current.json", ".generations", ".state", "decisions.jsonl", "", self.root})
            if strange:
                raise RunError(
                    f"{self.url}/{strange[0]}: not made by clean-corpus, so {self.url} is not written to."
                    " Name an empty or new place for CLEAN."
                )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds CLEAN for one run, with a lock object that is refreshed while the run lives.

        Object stores give no atomic test-and-set through fsspec: two runs that start within the same second could both
        pass, so each looks again after a moment whether the lock is still its own. Raises RunError that names the
        other run.
        """
        with remote_errors(self.url):
            self._refuse_if_held()
            self._sign()
            time.sleep(0.2)
            self._refuse_if_held()
        over = threading.Event()
        keeper = threading.Thread(target=self._keep_alive, args=(over,), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            with contextlib.suppress(Exception):
                self.fs.rm_file(self.at(".state/lock.json"))

    def _refuse_if_held(self) -> None:
        held = self.read_json(".state/lock.json")
        if held and held.get("owner") != self._owner and is_alive(held):
            raise RunError(
                f"{self.url}: in use by process {held.get('process')} on {held.get('host')}."
                " Wait for that run to end, or name another CLEAN."
            )

    def _sign(self) -> None:
        life = {"owner": self._owner, "process": os.getpid(), "host": socket.gethostname(), "alive": time.time()}
        self.fs.pipe_file(self.at(".state/lock.json"), json.dumps(life).encode())

    def _keep_alive(self, over: threading.Event) -> None:
        while not over.wait(LOCK_REFRESH):
            with contextlib.suppress(Exception):  # one missed sign of life is no reason to stop
                self._sign()

    def pull(self) -> None:
        """Brings the mirror to what is published: the manifest, the decisions, the parts of earlier runs."""
        with remote_errors(self.url):
            folder = self.folder
            folder.parts.mkdir(parents=True, exist_ok=True)
            self._pull_file("decisions.jsonl", folder.decisions)
            self._pull_file(".state/last.json", folder.state / "last.json")
            remote = {name.rpartition("/")[2]: size for name, size in self._listed(".state/parts")}
            local = {path.name: path.stat().st_size for path in folder.parts.iterdir()}
            wanted = sorted(name for name, size in remote.items() if local.get(name) != size)
            self._each(lambda name: self._pull_file(f".state/parts/{name}", folder.parts / name), wanted)
            generation = self.published()
            folder.current.unlink(missing_ok=True)
            if generation:
                home = folder.generations / generation
                for name in KEPT_TABLES:
                    if not (home / name).is_file():
                        self._pull_file(f".generations/{generation}/{name}", home / name)
                folder.current.symlink_to(Path(".generations") / generation)

    def push(self) -> None:
        """Brings what the mirror published to the remote place; the pointer last."""
        with remote_errors(self.url):
            folder, published = self.folder, self.folder.generation()
            if published is None:
                return
            before = self.published()
            if before != published.name:
                self._push_generation(published, before)
            parts = {path.name for path in folder.parts.iterdir()}
            remote = {name.rpartition("/")[2]: size for name, size in self._listed(".state/parts")}
            new = sorted(n for n in parts if remote.get(n) != (folder.parts / n).stat().st_size)
            self._each(lambda n: self._push_file(folder.parts / n, f".state/parts/{n}"), new)
            for name in ("last.json", "run.json"):
                self._push_file(folder.state / name, f".state/{name}")
            if before != published.name:
                self._point_to(published.name)
            self._each(lambda n: self.fs.rm_file(self.at(f".state/parts/{n}")), sorted(set(remote) - parts))
            self._remove_old({published.name, before})

    def _point_to(self, generation: str) -> None:
        """Publishes: one object, replaced whole."""
        self.fs.pipe_file(self.at("current.json"), json.dumps({"generation": generation}).encode())

    def _push_generation(self, published: Path, before: str) -> None:
        """Every object of a generation: copied within the store where the last one has it, else sent."""
        same = unchanged(self.folder.generations / before, published) if before else set()
        files = sorted(p.relative_to(published).as_posix() for p in published.rglob("*") if p.is_file())

        def send(name: str) -> None:
            target = f".generations/{published.name}/{name}"
            if name in same:
                with contextlib.suppress(FileNotFoundError):
                    self.fs.copy(self.at(f".generations/{before}/{name}"), self.at(target))
                    return
            self._push_file(published / name, target)

        self._each(send, files)

    def _remove_old(self, keep: set[str]) -> None:
        names = {name.split("/.generations/", 1)[1].split("/", 1)[0] for name, _ in self._listed(".generations")}
        for name in names - keep:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(self.at(f".generations/{name}"), recursive=True)
        for path in self.folder.generations.iterdir() if self.folder.generations.is_dir() else ():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def _listed(self, folder: str) -> list[tuple[str, int]]:
        self.fs.invalidate_cache()
        try:
            found = self.fs.find(self.at(folder), detail=True)
        except FileNotFoundError:
            return []
        return [(str(name), int(info.get("size") or 0)) for name, info in found.items()]

    def _pull_file(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        passing = path.with_name(path.name + ".pulled")
        try:
            self.fs.get_file(self.at(name), str(passing))
        except FileNotFoundError:
            passing.unlink(missing_ok=True)
            return
        passing.replace(path)

    def _push_file(self, path: Path, name: str) -> None:
        if path.is_file():
            self.fs.put_file(str(path), self.at(name))

    def _each(self, function: Any, names: list[str]) -> None:
        with ThreadPoolExecutor(TRANSFERS) as pool:
            for _ in pool.map(function, names):
                pass


def is_alive(held: dict[str, Any]) -> bool:
    """Whether the run that signed a lock may still be at work: its last sign is young, and nobody saw it die."""
    if time.time() - float(held.get("alive", 0)) >= LOCK_STALE:
        return False
    process = held.get("process")
    if held.get("host") != socket.gethostname() or not isinstance(process, int) or process <= 0:
        return True  # on another machine: only its silence tells
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def unchanged(old: Path, new: Path) -> set[str]:
    """Outputs of two generations that have the same name and the same bytes, by their manifests."""
    tables = []
    for folder in (old, new):
        if not (folder / "manifest.parquet").is_file():
            return set()
        table = pq.read_table(folder / "manifest.parquet", columns=["output", "output_sha256"])
        pairs = zip(table.column("output").to_pylist(), table.column("output_sha256").to_pylist(), strict=True)
        tables.append({output: sha for output, sha in pairs if sha})
    return {output for output, sha in tables[1].items() if tables[0].get(output) == sha}


@contextlib.contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turns what a storage library raises into one clear error that holds no credentials."""
    try:
        yield
    except CleanCorpusError:
        raise
    except Exception as error:  # every library raises its own
        said = redacted(str(error))[:300] or type(error).__name__
        raise RunError(
            f"{url}: {said}. Check the name, the credentials and the network; what was published stays as it was."
        ) from None
