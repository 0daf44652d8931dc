"""report.html in a real browser: opened from disk, it shows what it should and runs nothing of the documents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Watched
from tests.report.corpus import HOSTILE, make_corpus, write_generation
from tests.report.made import make_report

pytestmark = pytest.mark.browser


def address(clean: Path) -> str:
    return f"file://{clean}/report.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_of_a_hostile_corpus_runs(hostile_clean: Path, browser: Any, width: int, scheme: str) -> None:
    """Scripts, handlers, links, bidi overrides in every field: shown as text, with every card open."""
    watched = Watched(browser, address(hostile_clean), width, scheme)
    page = watched.page
    page.goto(address(hostile_clean))
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    page.wait_for_timeout(100)
    text = page.inner_text("body")
    assert HOSTILE[0] in text
    assert "⟨RLO⟩" in text
    assert page.locator("main :is(script, img, iframe, style, base, form:not(.filters), a[href^=java])").count() == 0
    watched.check()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_page_is_accessible(tame_clean: Path, browser: Any, width: int, scheme: str) -> None:
    """axe-core finds nothing serious, light and dark, wide and narrow, with cards open."""
    watched = Watched(browser, address(tame_clean), width, scheme)
    watched.page.goto(address(tame_clean))
    watched.page.evaluate(
        "[...document.querySelectorAll('details')].slice(0, 12).forEach((one) => { one.open = true })"
    )
    watched.page.wait_for_timeout(100)
    watched.accessible()
    watched.check()


def test_the_riskiest_cluster_says_what_would_be_lost(tame_clean: Path, browser: Any) -> None:
    """The first cluster is open, side by side, and its lost sentences are marked."""
    watched = Watched(browser, address(tame_clean))
    page = watched.page
    page.goto(address(tame_clean))
    first = page.locator("[data-list=clusters] details").first
    assert "What you would lose" in first.inner_text()
    assert first.locator(".side mark.lost").count() >= 1
    risks = [float(text.replace("risk", "")) for text in page.locator("[data-list=clusters] .risk").all_inner_texts()]
    assert risks == sorted(risks, reverse=True)
    watched.check()


def test_filters_narrow_every_list(tame_clean: Path, browser: Any) -> None:
    """A site, a relation, a rule and words each narrow the lists that know them; Clear brings all back."""
    watched = Watched(browser, address(tame_clean))
    page = watched.page
    page.goto(address(tame_clean))
    told = page.locator("[data-shown=clusters]")
    everything = told.inner_text()
    page.select_option("#filter-relation", "overlap")
    assert "that fit" in told.inner_text()
    assert page.locator("[data-list=clusters] details:not(:has(.chips .overlap))").count() == 0
    page.select_option("#filter-rule", "boilerplate/ad-marker")
    assert page.locator("[data-list=rules] details").count() == 1
    page.click("button[type=reset]")
    page.locator("[data-shown=clusters]", has_not_text="that fit").wait_for()
    assert told.inner_text() == everything
    page.fill("#filter-text", "story-0000033")
    page.locator("[data-shown=unusable]", has_text="1 of 1").wait_for()
    page.fill("#filter-text", "no such words anywhere")
    page.locator("[data-shown=clusters]", has_text="0 of 0").wait_for()
    watched.check()


def test_the_keyboard_reaches_and_opens_clusters(tame_clean: Path, browser: Any) -> None:
    """Tab goes from the skip link to the filters and cards; Enter opens a card."""
    watched = Watched(browser, address(tame_clean))
    page = watched.page
    page.goto(address(tame_clean))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    second = page.locator("[data-list=clusters] details").nth(1)
    page.locator("[data-list=clusters] summary").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert second.get_attribute("open") is not None
    assert second.locator(".member").count() >= 1
    watched.check()


def test_a_large_report_is_ready_within_a_second(browser: Any, tmp_path: Path) -> None:
    """Hundreds of clusters in the page: the first fifty are there at once, more on demand."""
    corpus = make_corpus(2500, seed=9)
    folder = write_generation(tmp_path, corpus)
    make_report(folder, corpus)
    watched = Watched(browser, address(tmp_path))
    start = time.perf_counter()
    watched.page.goto(address(tmp_path))
    assert watched.page.locator("[data-list=clusters] details").count() == 50
    assert time.perf_counter() - start < 5  # a loaded machine; bench/report.py measures
    watched.page.locator("[data-list=clusters] + button.more").click()
    assert watched.page.locator("[data-list=clusters] details").count() == 100
    watched.check()


def test_without_scripts_the_numbers_stand(tame_clean: Path, browser: Any) -> None:
    """With JavaScript off the page still says what became of the documents, and where the lists are."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(tame_clean))
    text = page.inner_text("body")
    assert "400 documents came in" in text
    assert "need JavaScript" in text
    context.close()
