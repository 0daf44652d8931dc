"""Killed at any moment, the next run ends as if nothing had happened, and a reader never sees half a corpus."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.run.corpora import tree, write_corpus
from tests.torture.harness import check_reader, finished, kill, start


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """RAW as it was yesterday and as it is today, both cleaned without interruption, the second onto the first."""
    home = tmp_path_factory.mktemp("crash")
    raw, clean = home / "raw", home / "clean"
    write_corpus(raw, seed=11, articles=15)
    began = time.monotonic()
    finished(raw, clean)
    seconds = time.monotonic() - began
    yesterday = home / "yesterday"
    shutil.copytree(clean, yesterday, symlinks=True)
    old = tree(clean)
    change(raw)
    finished(raw, clean)
    return {"raw": raw, "yesterday": yesterday, "old": old, "new": tree(clean), "seconds": seconds}


def change(raw: Path) -> None:
    """A day passes: a story changed, one gone, one new, a copy of the one that goes takes its place."""
    (raw / "site0" / "story 000.txt").unlink()
    story = raw / "site1" / "story 004.txt"
    story.write_text(story.read_text(encoding="utf-8").replace(" was ", " had been "), encoding="utf-8")
    shutil.copy(raw / "site2" / "story 005.txt", raw / "site2" / "story 900.txt")
    (raw / "site2" / "story 901.txt").write_text("The ferry to Saltby was sold on a Monday in March.\n" * 3)


def yesterday(corpora: dict, folder: Path) -> Path:
    """A CLEAN folder as yesterday's run left it."""
    shutil.copytree(corpora["yesterday"], folder, symlinks=True)
    return folder


def check_after_kill(corpora: dict, clean: Path) -> None:
    """A reader sees the old corpus or the new one; the next run gives the new one, to the byte."""
    check_reader(clean)
    assert tree(clean) in (corpora["old"], corpora["new"])
    finished(corpora["raw"], clean)
    assert tree(clean) == corpora["new"]
    check_reader(clean)


def kill_at_random(corpora: dict, tmp_path: Path, times: int, seed: int) -> None:
    """Kills the process group at `times` moments spread over a run."""
    rng = random.Random(seed)
    for number in range(times):
        clean = yesterday(corpora, tmp_path / f"clean{number}")
        moment = corpora["seconds"] * (number + rng.random()) / times
        process = start(corpora["raw"], clean)
        time.sleep(moment)
        kill(process)
        check_after_kill(corpora, clean)
        shutil.rmtree(clean)


def test_killed_at_random(corpora: dict, tmp_path: Path) -> None:
    """A few moments of a run."""
    kill_at_random(corpora, tmp_path, 3, 1)


@pytest.mark.torture
def test_killed_at_fifty_random_moments(corpora: dict, tmp_path: Path) -> None:
    """Fifty moments of a run."""
    kill_at_random(corpora, tmp_path, 50, 2)


def steps(corpora: dict, tmp_path: Path) -> list[str]:
    """Every change of a name in CLEAN that a run makes, in the order it makes them."""
    clean, log = yesterday(corpora, tmp_path / "counted"), tmp_path / "steps"
    orders = [{"step": 0, "folder": str(clean)}]
    finished(corpora["raw"], clean, "--workers", 1, orders=orders, SABOTAGE_COUNTER=str(log))
    shutil.rmtree(clean)
    return log.read_text().splitlines()


def kill_at_steps(corpora: dict, tmp_path: Path, wanted: list[int]) -> None:
    """Kills the process group just before each of these steps."""
    for number in wanted:
        clean, log = yesterday(corpora, tmp_path / f"step{number}"), tmp_path / f"log{number}"
        process = start(
            corpora["raw"], clean, "--workers", 1,
            orders=[{"step": number, "folder": str(clean)}], SABOTAGE_COUNTER=str(log),
        )  # fmt: skip
        _, err = process.communicate(timeout=300)
        assert process.returncode == -9, err
        check_after_kill(corpora, clean)
        shutil.rmtree(clean)


def test_killed_at_the_steps_of_publishing(corpora: dict, tmp_path: Path) -> None:
    """Before the new generation stands, before the swap of the link, and just after it."""
    log = steps(corpora, tmp_path)
    swap = next(n for n, line in enumerate(log, 1) if line.startswith("os.rename") and ".current.next" in line)
    stands = max(n for n, line in enumerate(log[:swap], 1) if line.startswith("os.rename") and ".generations" in line)
    kill_at_steps(corpora, tmp_path, [stands, swap, swap + 1])


@pytest.mark.torture
def test_killed_at_every_step(corpora: dict, tmp_path: Path) -> None:
    """Before every single change of a name in CLEAN."""
    kill_at_steps(corpora, tmp_path, list(range(1, len(steps(corpora, tmp_path)) + 1)))


def test_a_reader_during_runs_sees_whole_corpora(corpora: dict, tmp_path: Path) -> None:
    """Somebody who opens the corpus again and again while it is replaced always finds one whole generation."""
    clean = yesterday(corpora, tmp_path / "clean")
    process, seen = start(corpora["raw"], clean), []
    while process.poll() is None:
        home = (clean / ".current").resolve()  # a reader keeps to the generation that it opened
        seen.append(home.name)
        assert (home / "manifest.parquet").stat().st_size > 0
        assert (home / "documents").is_dir()
        time.sleep(0.01)
    process.communicate()
    assert len(seen) > 10
    assert tree(clean) == corpora["new"]


def whole_after(corpora: dict, clean: Path) -> None:
    """The old corpus is whole; once the fault is mended, the next run gives the new one."""
    check_reader(clean)
    assert tree(clean) == corpora["old"]


def said(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One clear message, no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("Error: ") == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
ROOT_ONLY = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 3 MB, of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@ROOT_ONLY
def test_a_full_disk(corpora: dict, small_disk: Path) -> None:
    """Wherever the disk fills up: exit 1, a message that says so, the old corpus whole; with space, the new one."""
    clean = yesterday(corpora, small_disk / "clean")
    ballast = small_disk / "ballast"
    free = shutil.disk_usage(small_disk).free
    for room in (0, 60_000, 200_000):
        ballast.write_bytes(b"x" * max(0, free - room))
        done = finished(corpora["raw"], clean, leaves_with=1)
        said(done, "disk is full")
        whole_after(corpora, clean)
        ballast.unlink()
    finished(corpora["raw"], clean)
    assert tree(clean) == corpora["new"]


def test_a_file_size_limit(corpora: dict, tmp_path: Path) -> None:
    """A quota that cuts files short (RLIMIT_FSIZE): one message, exit 1, the old corpus whole."""
    clean = yesterday(corpora, tmp_path / "clean")
    limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.argv = ['clean-corpus', *sys.argv[1:]];"
        "runpy.run_module('pipeline.cli', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(corpora["raw"]), str(clean)], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    said(done)
    whole_after(corpora, clean)


@ROOT_ONLY
def test_a_read_only_clean(corpora: dict, tmp_path: Path) -> None:
    """A file system mounted read-only is told at once."""
    clean = yesterday(corpora, tmp_path / "clean")
    if subprocess.run(["mount", "--bind", clean, clean], capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", clean], check=True)
        said(finished(corpora["raw"], clean, leaves_with=1), "read-only")
        whole_after(corpora, clean)
    finally:
        subprocess.run(["umount", "-l", clean], check=True)


def bound_by_permissions() -> None:
    """Root may write everything; a program that it starts after this may not."""
    if os.geteuid() == 0 and sys.platform == "linux":
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_no_permission(corpora: dict, tmp_path: Path) -> None:
    """A CLEAN that this user may not write names the folder and the fault."""
    clean = yesterday(corpora, tmp_path / "clean")
    command = [sys.executable, "-m", "pipeline.cli", str(corpora["raw"]), str(clean)]
    for path in [*clean.rglob("*"), clean]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o555)
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=bound_by_permissions)
    for path in [clean, *clean.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    assert done.returncode == 1
    said(done, "Permission denied")
    whole_after(corpora, clean)


def test_two_writers(corpora: dict, tmp_path: Path) -> None:
    """The second run on one CLEAN refuses at once and names the first, which is unharmed; a dead one's lock is free."""
    clean = yesterday(corpora, tmp_path / "clean")
    orders = [{"wrap": "pipeline.stages.repeats:strip_repeats", "always": "wait"}]
    first = start(corpora["raw"], clean, "--workers", 1, orders=orders)
    lock = clean / ".state" / "lock"
    while str(first.pid) not in lock.read_text():
        assert first.poll() is None
        time.sleep(0.05)
    said(finished(corpora["raw"], clean, leaves_with=1), "in use by process", str(first.pid))
    kill(first)
    finished(corpora["raw"], clean)
    assert tree(clean) == corpora["new"]
