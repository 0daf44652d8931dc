"""The command line as a person meets it: help, exit codes, messages, interruption."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STORY = "The weir at Tresson was inspected by two engineers on Monday, and both found it sound.\n\nThey left at noon.\n"


def clean_corpus(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=120,
        **options,
    )


@pytest.fixture
def raw(tmp_path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "weir.txt").write_text(STORY)
    return folder


def test_help_names_every_option():
    """--help shows how to call it, every option of the contract, and the other commands."""
    said = clean_corpus("--help").stdout
    for word in (
        "RAW CLEAN", "review CLEAN", "show CLEAN SOURCE", "--format", "--threshold", "--coverage", "--keep", "--stages",
        "--no-dedup", "--extractor", "--config", "--workers", "--dry-run", "--strict", "--quiet", "--verbose",
    ):  # fmt: skip
        assert word in said, word


def test_version():
    """--version names the program and its version."""
    assert re.fullmatch(r"clean-corpus, version \d+\.\d+\.\d+\S*\n", clean_corpus("--version").stdout)


def test_summary_says_what_was_done(raw, tmp_path):
    """The closing summary counts documents and says where the report is."""
    done = clean_corpus(raw, tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    assert "1 documents in 1 files" in done.stdout
    assert str(tmp_path / "clean" / "report.html") in done.stdout
    assert "cleaning" in done.stderr, "progress goes to stderr, as plain lines where there is no terminal"
    assert "\x1b" not in done.stderr + done.stdout


def test_quiet_says_nothing(raw, tmp_path):
    """--quiet leaves stdout and stderr empty."""
    done = clean_corpus(raw, tmp_path / "clean", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verbose_has_a_line_for_each_document(raw, tmp_path):
    """--verbose names every document, and shows control characters instead of obeying them."""
    (raw / "a\x1b[31mred.txt").write_text(STORY.replace("Tresson", "Almhurst weir and its mill pond"))
    done = clean_corpus(raw, tmp_path / "clean", "--verbose", "--no-dedup")
    assert "kept      weir.txt" in done.stdout
    assert "\x1b" not in done.stdout
    assert "red.txt" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--threshold", "1.5"], "threshold: Input should be less than or equal to 1 (given: 1.5)"),
        (["--stages", "extract,polish"], "polish"),
        (["--format", "pdf"], "'pdf' is not one of"),
        (["--no-such-option"], "No such option"),
        (["--workers", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_leaves_with_2(raw, tmp_path, arguments, said):
    """Wrong usage is told in one message, with 2, before anything is made."""
    done = clean_corpus(raw, tmp_path / "clean", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("thresold = 0.9", "thresold: no such key"),
        ("[near]\nrecall = 'high'", "near.recall: Input should be a valid number"),
        ("[limits]\nseconds = 0", "limits.seconds: Input should be greater than 0"),
        ("format = ", "Invalid value"),
    ],
)
def test_a_wrong_config_names_the_key(raw, tmp_path, toml, said):
    """A fault in clean-corpus.toml beside RAW names the file, the key and the fault, and leaves with 2."""
    (tmp_path / "clean-corpus.toml").write_text(toml)
    done = clean_corpus(raw, tmp_path / "clean")
    assert done.returncode == 2
    assert said in done.stderr
    assert "clean-corpus.toml" in done.stderr


def test_options_override_the_config(raw, tmp_path):
    """What the command line says counts more than the file; the rest of the file counts."""
    (tmp_path / "own.toml").write_text('format = "jsonl"\nthreshold = 0.9\n')
    done = clean_corpus(raw, tmp_path / "clean", "--config", tmp_path / "own.toml", "--format", "parquet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean" / "documents" / "part-00000.parquet").is_file()
    assert '"threshold": 0.9' in (tmp_path / "clean" / "report.json").read_text()


def test_a_run_that_cannot_be_done_leaves_with_1(tmp_path):
    """An empty RAW is told with 1."""
    (tmp_path / "raw").mkdir()
    done = clean_corpus(tmp_path / "raw", tmp_path / "clean")
    assert done.returncode == 1
    assert done.stderr.count("Error:") == 1


def test_strict_leaves_with_3(raw, tmp_path):
    """--strict leaves with 3 when a document failed, having published the others; without it, 0."""
    (raw / "feed.jsonl").write_text("{broken\n")
    assert clean_corpus(raw, tmp_path / "clean").returncode == 0
    done = clean_corpus(raw, tmp_path / "clean", "--strict")
    assert done.returncode == 3
    assert (tmp_path / "clean" / "documents" / "weir.md").is_file()


def test_dry_run_writes_no_documents(raw, tmp_path):
    """--dry-run gives manifest and report only."""
    done = clean_corpus(raw, tmp_path / "clean", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean" / "manifest.parquet").is_file()
    assert (tmp_path / "clean" / "report.html").is_file()
    assert not (tmp_path / "clean" / "documents").exists()


def test_dry_run_leaves_a_published_corpus(raw, tmp_path):
    """Over a corpus --dry-run is a rehearsal: what is published stays, and the report of the rehearsal is named."""
    assert clean_corpus(raw, tmp_path / "clean").returncode == 0
    before = (tmp_path / "clean" / ".current").readlink()
    (raw / "more.txt").write_text(STORY.replace("Tresson", "Almhurst"))
    done = clean_corpus(raw, tmp_path / "clean", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean" / ".current").readlink() == before
    assert (tmp_path / "clean" / "documents" / "weir.md").is_file()
    report = tmp_path / "clean" / ".state" / "next" / "report.html"
    assert f"report: {report}" in done.stdout
    assert "more.txt" in (report.parent / "report.json").read_text()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_the_old_corpus(raw, tmp_path, sent):
    """Ctrl-C or SIGTERM in the middle: the published corpus is as it was, no worker stays, and the next run works."""
    assert clean_corpus(raw, tmp_path / "clean").returncode == 0
    before = (tmp_path / "clean" / ".current").readlink()
    for number in range(3000):
        (raw / f"{number}.txt").write_text(STORY.replace("Tresson", f"Tresson mill {number}") * 8)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", str(raw), str(tmp_path / "clean")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's & has it ignored
    )  # fmt: skip
    parts = tmp_path / "clean" / ".state" / "parts"
    deadline = time.monotonic() + 60
    while len(list(parts.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode in (130, 143), said
    assert "Traceback" not in said
    assert (tmp_path / "clean" / ".current").readlink() == before
    assert clean_corpus(raw, tmp_path / "clean", "--no-dedup").returncode == 0


def test_bars_on_a_terminal(raw, tmp_path):
    """On a terminal progress is drawn, and the summary is still there at the end."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", str(raw), str(tmp_path / "clean")],
        cwd=ROOT, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(follower)
    said = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        said += data
    assert process.wait(timeout=60) == 0
    assert b"\x1b[" in said
    assert b"1 documents in 1 files" in said


def test_little_is_imported():
    """The command line imports neither Prefect nor datasketch nor the review app."""
    code = (
        "import sys, pipeline.cli, pipeline.run, pipeline.console; "
        "print([m for m in ('prefect', 'datasketch', 'starlette', 'uvicorn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
