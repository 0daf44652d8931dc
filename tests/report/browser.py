"""A real browser for tests: chromium driven by playwright, watched for everything a hostile string might do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless chromium; skips the test, saying why, where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, and what it did that it should not: console errors, script errors, dialogs, requests elsewhere."""

    def __init__(self, browser: Any, allowed: str, width: int = 1280, scheme: str = "light") -> None:
        # Content-Security-Policy stays on: it is part of what is tested.
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.faults: list[str] = []
        self.allowed = allowed
        self.page.on("console", lambda said: self._console(said))
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("dialog", lambda dialog: self._dialog(dialog))
        self.page.on("request", lambda request: self._request(request.url))

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.faults.append(f"console {said.type}: {said.text}")

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        if not url.startswith(self.allowed):
            self.faults.append(f"request: {url}")

    def follow(self, what: Any) -> None:
        """Click a link or a button and wait for the page that it leads to; a click alone comes back before that."""
        with self.page.expect_navigation():
            what.click()

    def check(self) -> None:
        """Nothing ran, nothing was fetched, nothing was said."""
        assert self.page.evaluate("typeof window.pwned") == "undefined"
        assert self.faults == [], self.faults
        overflow = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"the page is {overflow} px wider than the screen"

    def accessible(self) -> None:
        """axe-core finds no serious or critical violation."""
        # evaluate() runs in the page but not under its policy, so axe needs no hole in it.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)"
        )
        grave = [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
        ]
        assert grave == [], grave
