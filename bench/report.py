"""How long the report and the review's pages take: `python -m bench.report [--documents N] [--folder F]`.

Makes a seeded CLEAN folder (kept in F for the next time), writes its report, opens report.html in headless chromium
and asks every kind of review page a few times. Goals: report.html at 100,000 documents under 3 MB and interactive
within 1 s; review pages at 1,000,000 documents within 200 ms each.
"""

from __future__ import annotations

import argparse
import html
import re
import resource
import statistics
import tempfile
import time
from pathlib import Path

from starlette.testclient import TestClient

from pipeline.report import write_report
from pipeline.review.app import create_app
from tests.report.browser import open_browser
from tests.report.corpus import make_corpus, write_generation
from tests.report.made import compare, facts

ADDRESSES = (
    "/",
    "/clusters",
    "/clusters?relation=near&page=40",
    "/clusters?q=story-0000",
    "/clusters?site=le-phare.example",
    "/documents",
    "/documents?page=1500",
    "/documents?status=near&page=20",
    "/documents?q=story-0001",
    "/related",
    "/removed",
    "/rule?rule=boilerplate/ad-marker&page=700",
    "/rule?rule=garbled/ocr-noise",
    "/learned",
    "/decisions",
)
TRIES = 5


def measure_report(clean: Path, documents: int) -> None:
    start = time.perf_counter()
    corpus = make_corpus(documents, seed=1)
    folder = write_generation(clean, corpus)
    print(f"made {documents:,} documents in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    write_report(folder, facts(), corpus.text_of, compare)
    print(f"report written in {time.perf_counter() - start:.1f} s")


def measure_page(clean: Path) -> None:
    size = (clean / "report.html").stat().st_size
    with open_browser() as browser:
        seconds = []
        for _ in range(TRIES):
            page = browser.new_page()
            start = time.perf_counter()
            page.goto(f"file://{clean}/report.html")
            page.locator("[data-list=clusters] details").nth(1).click()
            seconds.append(time.perf_counter() - start)
            page.close()
    print(f"report.html: {size:,} bytes; opened and a cluster unfolded in {statistics.median(seconds):.2f} s (median)")


def measure_review(clean: Path) -> None:
    start = time.perf_counter()
    app = create_app(clean, "once")
    print(f"review opened in {time.perf_counter() - start:.1f} s")
    client = TestClient(app, base_url="http://127.0.0.1:1")
    client.get("/?token=once")
    addresses = list(ADDRESSES)
    for start_at in ("/clusters", "/documents?status=duplicate", "/documents?status=kept", "/related"):
        link = r'href="(/(?:cluster|document|related)\?(?:source|a)=[^"]*)"'
        addresses += [html.unescape(found) for found in re.findall(link, client.get(start_at).text)[3:5]]
    slowest = 0.0
    for address in addresses:
        seconds = []
        for _ in range(TRIES):
            start = time.perf_counter()
            answer = client.get(address)
            seconds.append(time.perf_counter() - start)
            assert answer.status_code == 200, address
        slowest = max(slowest, statistics.median(seconds))
        print(f"{1000 * seconds[0]:7.0f} ms first {1000 * statistics.median(seconds):7.0f} ms median  {address[:90]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest median {1000 * slowest:.0f} ms; peak memory {peak:,.0f} MiB")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    clean = given.folder or Path(tempfile.mkdtemp())
    if not (clean / "report.html").exists():
        measure_report(clean, given.documents)
    measure_page(clean)
    measure_review(clean)


if __name__ == "__main__":
    main()
