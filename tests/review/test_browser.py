"""The review app in a real browser, over a corpus that a real run made: look, decide, run again, see it obeyed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from pipeline.config import make_config
from pipeline.decisions import read_decisions
from pipeline.review.app import create_app
from pipeline.run import run
from tests.report.browser import Watched
from tests.report.corpus import HOSTILE

pytestmark = pytest.mark.browser

STORY = (
    "The night ferry to Marsholm left the eastern quay at ten with ninety passengers aboard, most of them asleep. ",
    "Captain Lind had brought his own thermos because the galley had been closed since the spring for repairs. ",
    "Nobody in the wheelhouse expected the fog that came down an hour later and stayed until the morning bell. ",
    "The harbour office sent a pilot boat, which found them by the sound of a child practising the trumpet. ",
    "On Thursday the council praised the crew, the child and, at some length, the makers of the trumpet. ",
    "A plaque will be put up near the ticket machine as soon as somebody can agree on how it should be worded. ",
)


@contextmanager
def served(clean: Path) -> Iterator[str]:
    """The app on a free port of 127.0.0.1; gives the link that works once."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(clean, "once", who="ann")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two copies of one story that differ in a number, and a story of its own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "first.txt").write_text("".join(STORY) * 1 + "The repair will cost 4,100 crowns.\n")
    (folder / "second.txt").write_text("".join(STORY) * 1 + "The repair will cost 9,700 crowns.\n")
    (folder / "other.txt").write_text(
        "Bakers in the old town have begun to number their loaves. "
        "They say that it keeps the queue honest and the apprentices awake. " * 2
    )
    return folder


def test_a_rejected_merge_is_undone_by_the_next_run(raw: Path, tmp_path: Path, browser: Any) -> None:
    """Find the riskiest cluster, read what would be lost, say "not duplicates", run again: both are kept."""
    clean = tmp_path / "clean"
    config = make_config({})
    assert run(str(raw), str(clean), config, workers=1).by_status["duplicate"] == 1
    with served(clean) as address:
        watched = Watched(browser, address)
        page = watched.page
        page.goto(f"{address}?token=once")
        assert "token" not in page.url
        watched.follow(page.get_by_role("link", name="Clusters"))
        watched.follow(page.locator(".cover").first)
        assert "What you would lose" in page.inner_text("main")
        lost = page.locator("mark.lost").all_inner_texts()
        assert any("4,100" in text or "9,700" in text for text in lost)
        watched.accessible()
        page.fill("input[name=note]", "other sums")
        watched.follow(page.get_by_role("button", name="Not duplicates"))
        assert "pending until the next run" in page.inner_text("main")
        assert len(read_decisions(clean / "decisions.jsonl").never_pairs()) == 1
        run(str(raw), str(clean), config, workers=1)
        watched.follow(page.get_by_role("link", name="Documents"))
        assert page.locator("tbody .chip.kept").count() == 3
        watched.follow(page.get_by_role("link", name="Decisions"))
        assert "took effect" in page.inner_text("main")
        watched.follow(page.get_by_role("button", name="Undo"))
        assert "undo pending" in page.inner_text("main")
        watched.check()
    assert run(str(raw), str(clean), config, workers=1).by_status["duplicate"] == 1


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_runs_anything_of_a_hostile_corpus(hostile_clean: Path, browser: Any, width: int, scheme: str) -> None:
    """Every kind of page over hostile strings: shown as text, nothing fetched, nothing run, accessible, no overflow."""
    with served(hostile_clean) as address:
        watched = Watched(browser, address, width, scheme)
        page = watched.page
        page.goto(f"{address}?token=once")
        for path in ("", "clusters", "related", "removed", "documents", "learned", "decisions"):
            page.goto(address + path)
            watched.check()
            watched.accessible()
        for start, link in (
            ("clusters", ".cover"),
            ("documents?status=duplicate", "a.document"),
            ("documents?status=kept", "a.document"),
            ("removed", "a.name"),
            ("related", "td:last-child a"),
        ):
            page.goto(address + start)
            watched.follow(page.locator(link).first)
            watched.check()
            watched.accessible()
        page.goto(address + "documents")
        assert HOSTILE[0] in page.inner_text("body")
        assert "⟨RLO⟩" in page.inner_text("body")


def test_a_hostile_name_comes_back_from_a_form_as_it_was(hostile_clean: Path, browser: Any) -> None:
    """Reject a document whose name is hostile: exactly that name stands in decisions.jsonl."""
    path = hostile_clean / "decisions.jsonl"
    with served(hostile_clean) as address:
        watched = Watched(browser, address)
        page = watched.page
        page.goto(f"{address}?token=once")
        page.goto(f"{address}documents?q=reversed")
        watched.follow(page.locator("a.document").first)
        watched.follow(page.get_by_role("button", name="Reject"))
        watched.check()
    try:
        (decision,) = read_decisions(path).all
    finally:
        path.unlink(missing_ok=True)
    assert "\u202e" in (decision.source or "")


def test_a_page_of_another_site_cannot_decide(hostile_clean: Path, browser: Any, tmp_path: Path) -> None:
    """A form on another page, posted by the very browser that has the session: nothing is written."""
    with served(hostile_clean) as address:
        page = browser.new_context().new_page()
        page.goto(f"{address}?token=once")
        evil = tmp_path / "evil.html"
        evil.write_text(
            f'<form method=post action="{address}decide"><input name=kind value=reject><button>x</button></form>'
        )
        page.goto(f"file://{evil}")
        with page.expect_navigation():
            page.click("button")
        assert "another site" in page.inner_text("body")
    assert not (hostile_clean / "decisions.jsonl").exists()
