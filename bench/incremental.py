"""A second run: nothing new, 1 % new, as shares of the first run's time.

    python bench/incremental.py [FOLDER_OF_PAGES] [--pages 10000]

Pages are made from those in the folder, round and round, each copy with words of its own in every paragraph (so that
they are no duplicates); without a folder from generated articles. The command line is run as a person would run it.
Where other work shares the machine, the shares by the processor say more than those by the clock (Linux).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.memory import processor, tree  # noqa: E402 - the checkout's own

NAMES = "Norwick Almhurst Tresson Veldbruck Saltby Oakmere Pinsley Garrow Hexley Dunmore".split()
THINGS = "harbour ferry library bridge orchard timetable school river market clinic theatre railway reservoir".split()
PARAGRAPH = re.compile(r"(<p[^>]*>)", re.IGNORECASE)


def sentence(rng: random.Random) -> str:
    """A made-up sentence."""
    return (
        f"The {rng.choice(THINGS)} in {rng.choice(NAMES)} was mended in {rng.randint(1900, 2024)} by "
        f"{rng.randint(2, 900)} people from {rng.choice(NAMES)}, who brought a {rng.choice(THINGS)} along."
    )


def generated(count: int) -> Iterator[str]:
    """Pages with navigation, an article and a footer."""
    for number in range(count):
        rng = random.Random(number)
        body = "".join(f"<p>{' '.join(sentence(rng) for _ in range(4))}</p>" for _ in range(8))
        links = "".join(f'<li><a href="/{n}">{rng.choice(THINGS)} {n}</a></li>' for n in range(40))
        yield (
            f"<!doctype html><html><head><title>{sentence(rng)}</title></head><body><nav><ul>{links}</ul></nav>"
            f"<article><h1>{rng.choice(THINGS)}</h1>{body}</article><footer>All rights reserved</footer></body></html>"
        )


def page_texts(folder: Path | None) -> list[str]:
    """The pages that copies are made from."""
    if folder is None:
        return list(generated(200))
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if path.with_suffix("").suffix == ".html" or path.suffix in (".html", ".htm"):
            texts.append(data.decode("utf-8", "replace"))
    return texts or sys.exit(f"{folder}: no HTML pages in it")


def edited(text: str, seed: int) -> str:
    """A copy that is another document: a sentence of its own at the start of every paragraph."""
    rng = random.Random(seed)
    return PARAGRAPH.sub(lambda tag: f"{tag[0]}{sentence(rng)} ", text)


def write_pages(folder: Path, pages: list[str], first: int, last: int) -> None:
    for number in range(first, last):
        home = folder / f"{number % 100:02d}"
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number:06d}.html").write_text(edited(pages[number % len(pages)], number), encoding="utf-8")


def run(raw: Path, clean: Path) -> tuple[float, float]:
    """Seconds of a run on the clock, and of the processor in all its processes (looked at every tenth of a second)."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "pipeline.cli", str(raw), str(clean), "--quiet"], cwd=ROOT)
    used: dict[int, float] = {}
    while process.poll() is None:
        processor(tree(process.pid), used)
        time.sleep(0.1)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, sum(used.values())


def shares(some: tuple[float, float], first: tuple[float, float]) -> str:
    """Seconds and shares of the first run, by the clock and by the processor."""
    return f"{some[0]:8.1f} s {some[0] / first[0]:6.1%}   processor {some[1]:8.1f} s {some[1] / first[1]:6.1%}"


def times(clean: Path) -> str:
    """The seconds of each pass of the last run."""
    seconds = json.loads((clean / ".state" / "run.json").read_text())["seconds"]
    return ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="HTML pages to make copies of (default: generated)")
    parser.add_argument("--pages", type=int, default=10_000)
    given = parser.parse_args()
    pages = page_texts(given.folder)
    home = Path(tempfile.mkdtemp(prefix="incremental-"))
    try:
        raw, clean = home / "raw", home / "clean"
        write_pages(raw, pages, 0, given.pages)
        megabytes = sum(p.stat().st_size for p in raw.rglob("*.html")) / 1e6
        print(f"{given.pages:,} pages, {megabytes:,.0f} MB")
        first = run(raw, clean)
        print(f"first run    {shares(first, first)}                       {times(clean)}", flush=True)
        again = run(raw, clean)
        print(f"nothing new  {shares(again, first)}   (goal: at most 5 %)", flush=True)
        write_pages(raw, pages, given.pages, given.pages + given.pages // 100)
        more = run(raw, clean)
        print(f"1 % new      {shares(more, first)}   (goal: at most 10 %)   {times(clean)}")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
