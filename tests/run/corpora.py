"""Small made-up corpora for the tests of whole runs."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

NOUNS = (
    "harbour ferry baker council library bridge orchard timetable school river market clinic theatre railway garden "
    "reservoir workshop museum lighthouse quarry allotment station factory chapel meadow causeway"
).split()
VERBS = "opened closed repaired moved sold painted measured flooded cleared rebuilt promised refused counted".split()
PLACES = "Norwick Almhurst Tresson Veldbruck Saltby Oakmere Pinsley Garrow Hexley Dunmore".split()
TAILS = (
    "after a vote that lasted until midnight",
    "although the money had been set aside for something else",
    "because nobody had asked the people who live there",
    "before the autumn storms reached the coast",
    "while the old one was still being taken down",
    "and the work is expected to take another year",
)


def sentence(rng: random.Random) -> str:
    """One plausible sentence."""
    return (
        f"The {rng.choice(NOUNS)} in {rng.choice(PLACES)} was {rng.choice(VERBS)} in {rng.randint(1950, 2024)} "
        f"{rng.choice(TAILS)}, {rng.choice(NOUNS)} and {rng.choice(NOUNS)} included."
    )


def article(rng: random.Random, paragraphs: int = 4) -> str:
    """Some paragraphs under a headline."""
    body = [" ".join(sentence(rng) for _ in range(rng.randint(3, 5))) for _ in range(paragraphs)]
    return "\n\n".join([f"{rng.choice(PLACES)} {rng.choice(NOUNS)} {rng.choice(VERBS)} again", *body]) + "\n"


def write_corpus(folder: Path, seed: int = 1, articles: int = 24) -> Path:
    """A mixed RAW folder: text with ads, copies, JSONL, HTML, Markdown, and files that are no documents."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [article(rng) for _ in range(articles)]
    for number, text in enumerate(texts):
        site = folder / f"site{number % 3}"
        site.mkdir(exist_ok=True)
        lines = f"Advertisement\n\n{text}\nAdvertisement\n\nShare on Facebook\nSubscribe to the Norwick Courier today\n"
        (site / f"story {number:03d}.txt").write_text(lines, encoding="utf-8")
    (folder / "copies").mkdir(exist_ok=True)
    (folder / "copies" / "exact.txt").write_text(texts[0], encoding="utf-8")
    words = texts[1].split(" ")
    words[len(words) // 2] = "suddenly"
    (folder / "copies" / "near.md").write_text(" ".join(words), encoding="utf-8")
    with (folder / "feed.jsonl").open("w", encoding="utf-8") as feed:
        for number in range(8):
            feed.write(
                json.dumps(
                    {"id": f"r{number}", "text": article(rng, 3), "url": f"https://n{number % 2}.example/{number}"}
                )
                + "\n"
            )
        feed.write("{broken\n")
        feed.write(json.dumps({"id": "none", "title": "no text here"}) + "\n")
        feed.write(json.dumps({"id": "again", "text": texts[2]}) + "\n")
    paragraphs = "".join(f"<p>{p}</p>" for p in article(rng, 5).split("\n\n")[1:])
    (folder / "page.html").write_text(
        f"<html><head><title>Ferry news</title></head><body><nav><a href='/'>Home</a></nav><article><h1>Ferry news</h1>"
        f"{paragraphs}</article><footer>Copyright</footer></body></html>",
        encoding="utf-8",
    )
    (folder / "empty.txt").write_bytes(b"")
    (folder / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    (folder / "mojibake.txt").write_text(
        article(rng).replace("The ", "L\u00c3\u00a9a\u00e2\u20ac\u2122s "), encoding="utf-8"
    )
    return folder


def tree(folder: Path) -> dict[str, str]:
    """The published files of a CLEAN folder and the digests of their bytes."""
    published = folder / ".current"
    return {
        path.relative_to(published).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(published.resolve().rglob("*"))
        for path in [published / path.relative_to(published.resolve())]
        if path.is_file()
    }
