"""Milliseconds and MB/s of each cleaning stage on each kind of text, against `ftfy.fix_text` and `trafilatura.extract`.

    python bench/cleaning.py [--documents 60] [--repeats 3] [--kinds english,russian] [--html PAGES.tar.xz] [--json]
                             [--texts FILE.jsonl:FIELD …]

Everything runs in one process, ours and theirs in turn, in seconds of the processor (not of the clock: others may be
at work on the machine), and the best of the repeats counts: read the ratios, not the times. Texts come from a seeded
generator; HTML pages from a tar file of `…/html/*.html` (default: the evaluation set beside the project, left out where
it is absent). A megabyte is 10^6 bytes of UTF-8 of what came in.
"""

from __future__ import annotations

import argparse
import json
import random
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ftfy
import trafilatura
from rich.console import Console
from rich.table import Table

from pipeline.config import Config
from pipeline.document import Document
from pipeline.errors import DocumentError
from pipeline.run.cleaning import Stopwatch, clean_document
from pipeline.stages.encoding import fix_encoding
from pipeline.stages.extract import extract_html

SEED = 7
CHARACTERS = 6_000  # of a generated document: a long news article
LONG = 4_000  # characters of a text of one's own, at least: shorter ones measure what each call costs
PAGES = Path(__file__).parents[2] / "shared" / "eval" / "data" / "wcxb_dev.tar.xz"

# Sentences of our own, a line each. {n} is a number, {p} a person, {t} a town: so that no two come out alike.
SENTENCES = {
    "english": """
“We won’t close the {t} station before {n},” {p} told reporters on Tuesday, “whatever the committee decides.”
The council’s plan, which residents of {t} have fought for {n} years, would cost about £{n} million.
{p} said she hadn’t seen the letter — and that it wouldn’t have changed her mind.
Nearly {n} people came to the meeting in {t}, although heavy rain had flooded the road from the coast.
It’s not clear who paid for the {n} tickets; the company’s lawyers didn’t answer questions from {p}.
By the end of the year the museum in {t} expects {n} visitors, twice as many as when {p} took over.
“That’s a ‘temporary’ bridge,” {p} laughed, pointing at the {n}-tonne structure behind the houses of {t}.
Prices rose by {n} per cent in the first half of the year, mostly because of what families in {t} pay for heating.
""",
    "russian": """
«Мы не закроем станцию {t} раньше {n} года», — сказал журналистам во вторник {p}, что бы ни решила комиссия.
План городского совета, с которым жители города {t} спорят уже {n} лет, обойдётся примерно в {n} миллионов рублей.
На собрание в городе {t} пришли почти {n} человек, хотя сильный дождь размыл дорогу от побережья.
По словам чиновника по имени {p}, письмо № {n} ничего бы не изменило: решение было принято ещё весной.
К концу года музей ожидает {n} посетителей — вдвое больше, чем тогда, когда его возглавил {p}.
Цены выросли на {n} процентов, прежде всего из-за того, сколько семьи в городе {t} платят за отопление.
""",
    "german": """
„Wir schließen den Bahnhof {t} nicht vor {n}“, sagte {p} am Dienstag, „ganz gleich, was der Ausschuss beschließt.“
Der Plan, gegen den sich die Bürger von {t} seit {n} Jahren wehren, würde rund {n} Millionen Euro kosten.
Fast {n} Menschen kamen zur Versammlung nach {t}, obwohl heftiger Regen die Straße von der Küste überflutet hatte.
{p} erklärte, sie habe den Brief nicht gesehen – und er hätte ihre Überzeugung ohnehin nicht geändert.
Bis zum Jahresende erwartet das Museum {n} Besucher, doppelt so viele wie zu der Zeit, als {p} es übernahm.
Die Preise stiegen um {n} Prozent, vor allem weil die Familien in {t} mehr fürs Heizen ausgeben müssen.
""",
    "chinese": """
{p}星期二对记者说：“无论委员会作出什么决定，我们在{n}年以前都不会关闭{t}车站。”
{t}的居民已经反对这项计划{n}年了，它大约需要{n}万元，而且没有人知道钱从哪里来。
尽管大雨冲毁了通往海边的公路，仍有将近{n}人来到{t}参加这次会议，{p}也在其中。
到今年年底，博物馆预计将接待{n}名参观者，是{p}上任时的两倍；门票价格不会改变。
今年上半年物价上涨了百分之{n}，主要是因为{t}的家庭要为取暖支付更多的钱。
""",
    "notes": """
## {t}, part {n}
- **{p}** explains why {n} of the samples were left out [{n}:12](https://video.example/watch?t={n})
- The model is trained on {n} pages from {t}, see [[{t} archive|the archive]] and `load(pages={n})`.
{p} asks whether the result holds for longer texts, and shows {n} examples from {t} that it does not hold for.
> It took {n} days to label them, and {p} would not do it again.
1. Read the {n} transcripts, 2. mark what {p} repeats, 3. compare with the notes from {t}.
""",
    "boilerplate": """
Advertisement
Share on Facebook
Also Read: {p} returns to {t} after {n} years
The council of {t} voted on Tuesday to keep the library open, a decision that {n} residents had asked for in a letter.
Follow us on Twitter and never miss a story from {t}
{p}, who has run the library for {n} years, said that the vote came as a surprise to everyone in the building.
Subscribe to our newsletter
Home > News > {t} > {n}
Tags: {t}, {p}, library
© {n} The {t} Post. All rights reserved.
""",
}
SENTENCES["mojibake"] = "\n".join(
    line.encode().decode("cp1252", "ignore") if number % 4 == 1 else line
    for number, line in enumerate(SENTENCES["english"].strip().split("\n"))
)
PEOPLE = [
    "Anna Berg",
    "Tom Okoro",
    "Leila Haddad",
    "Petra Novak",
    "Jonas Lind",
    "Mara Quist",
    "Ines Duarte",
    "Ravi Menon",
]
TOWNS = ["Ostheim", "Karvala", "Port Ellis", "Brackwater", "Linden", "Sorvik", "Halden Mill", "Tarn", "Weston Quay"]


@dataclass
class Timing:
    """Best processor seconds for one kind of text: ours by stage, and theirs."""

    kind: str
    documents: int
    size: int  # bytes of UTF-8
    stages: dict[str, float]
    total: float
    peer: str
    peer_stage: float  # seconds of our stage that does the peer's work
    peer_seconds: float
    equal: int  # documents where both gave the same text


class ProcessorWatch(Stopwatch):
    """Seconds of the processor by stage."""

    def run(self, name: str, step: Callable[[Document], Document], document: Document) -> Document:
        """`step(document)`, timed under `name`."""
        started = time.process_time()
        try:
            return step(document)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started


def make_texts(kind: str, count: int) -> list[Document]:
    """Seeded documents of one kind: sentences, four to a paragraph (in notes and boilerplate-heavy text, lines)."""
    randomness = random.Random(f"{SEED} {kind}")
    lines = SENTENCES[kind].strip().split("\n")
    separator = "" if kind == "chinese" else " "
    documents = []
    for number in range(count):
        paragraphs: list[str] = []
        while sum(map(len, paragraphs)) < CHARACTERS:
            made = [
                line.format(n=randomness.randint(3, 4_000), p=randomness.choice(PEOPLE), t=randomness.choice(TOWNS))
                for line in randomness.sample(lines, min(4, len(lines)))
            ]
            paragraphs += made if kind in ("notes", "boilerplate") else [separator.join(made)]
        documents.append(
            Document(f"{kind}/{number}", "\n\n".join(paragraphs), kind="markdown" if kind == "notes" else "text")
        )
    return documents


def read_texts(path: Path, field: str, count: int) -> list[Document]:
    """The first texts of a JSONL file that have some length."""
    documents = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            text = json.loads(line)[field or "text"]
            if len(text) >= LONG and len(documents) < count:
                documents.append(Document(f"{number}.txt", text, kind="text"))
    return documents


def read_pages(path: Path, count: int) -> list[Document]:
    """Pages spread evenly over a tar file."""
    with tarfile.open(path) as archive:
        members = sorted((m for m in archive.getmembers() if m.name.endswith(".html")), key=lambda m: m.name)
        chosen = {member.name for member in members[:: max(1, len(members) // count)][:count]}
        pages = [
            Document(Path(member.name).name, file.read().decode("utf-8", "replace"), kind="html")
            for member in archive
            if member.name in chosen and (file := archive.extractfile(member)) is not None
        ]
    return sorted(pages, key=lambda page: page.source)


def measure(kind: str, documents: list[Document], repeats: int) -> Timing:
    """Time every stage over the documents, and the peer over the same ones, in turn; the best of `repeats`."""
    config = Config()
    html = documents[0].kind == "html"
    peer: Callable[[str], Any] = trafilatura.extract if html else ftfy.fix_text
    own: Callable[[Document], Document] = (
        (lambda d: extract_html(d, config.extract, "trafilatura")) if html else fix_encoding
    )
    clean(documents[:2], config)  # loads models and tables
    peer(documents[0].text)
    stages: dict[str, float] = {}
    total = peer_seconds = stage_seconds = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        seconds = clean(documents, config)
        total = min(total, time.process_time() - started)
        for stage, taken in seconds.items():
            stages[stage] = min(stages.get(stage, taken), taken)
        started = time.process_time()
        theirs = [peer(document.text) for document in documents]
        peer_seconds = min(peer_seconds, time.process_time() - started)
        started = time.process_time()
        ours = [attempt(own, document) for document in documents]
        stage_seconds = min(stage_seconds, time.process_time() - started)
    equal = sum(one == other for one, other in zip(theirs, ours, strict=True))
    size = sum(len(document.text.encode("utf-8", "replace")) for document in documents)
    name = "trafilatura.extract" if html else "ftfy.fix_text"
    return Timing(kind, len(documents), size, stages, total, name, stage_seconds, peer_seconds, equal)


def attempt(stage: Callable[[Document], Document], document: Document) -> str | None:
    """What a stage makes of a document; None where it gives it up."""
    try:
        return stage(document).text
    except DocumentError:
        return None


def clean(documents: list[Document], config: Config) -> dict[str, float]:
    """Seconds by stage to clean the documents."""
    watch = ProcessorWatch()
    for document in documents:
        try:
            clean_document(document, config, watch)
        except DocumentError:
            continue
    return watch.seconds


def show(timings: list[Timing]) -> None:
    """Print milliseconds a document by stage, and the comparisons."""
    console = Console(width=150)
    names = list(dict.fromkeys(stage for timing in timings for stage in timing.stages))
    table = Table(title="milliseconds a document, by stage (all rounds)")
    for column in ("text", "KB", *names, "all", "MB/s"):
        table.add_column(column, justify="left" if column == "text" else "right")
    for timing in timings:
        each = [f"{1_000 * timing.stages.get(name, 0) / timing.documents:.3f}" for name in names]
        kilobytes = timing.size / timing.documents / 1_000
        overall = (f"{1_000 * timing.total / timing.documents:.2f}", f"{timing.size / timing.total / 1e6:.2f}")
        table.add_row(timing.kind, f"{kilobytes:.1f}", *each, *overall)
    console.print(table)
    table = Table(title="against others, the same texts in the same run")
    for column in ("text", "other", "its ms", "our stage's ms", "times as fast", "all our stages / it", "equal"):
        table.add_column(column, justify="left" if column in ("text", "other") else "right")
    for timing in timings:
        table.add_row(
            timing.kind,
            timing.peer,
            f"{1_000 * timing.peer_seconds / timing.documents:.3f}",
            f"{1_000 * timing.peer_stage / timing.documents:.3f}",
            f"{timing.peer_seconds / timing.peer_stage:.2f}",
            f"{timing.total / timing.peer_seconds:.2f}",
            f"{timing.equal}/{timing.documents}" if timing.kind != "html" else "",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=60, help="documents of each kind")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many runs counts")
    parser.add_argument("--kinds", default=",".join([*SENTENCES, "html"]), help="comma-separated")
    parser.add_argument("--html", type=Path, default=PAGES, help="tar file of HTML pages")
    parser.add_argument("--texts", nargs="*", default=[], metavar="FILE:FIELD", help="JSONL of texts of your own")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    timings = []
    for kind in given.kinds.split(","):
        if kind != "html":
            timings.append(measure(kind, make_texts(kind, given.documents), given.repeats))
        elif given.html.exists():
            timings.append(measure(kind, read_pages(given.html, given.documents), given.repeats))
        else:
            print(f"{given.html}: no such file; HTML is left out. Name a tar file of pages with --html.")
    for named in given.texts:
        path, _, field = named.partition(":")
        timings.append(measure(Path(path).stem, read_texts(Path(path), field, given.documents), given.repeats))
    if given.json:
        print(json.dumps([timing.__dict__ for timing in timings], indent=1))
    else:
        show(timings)


if __name__ == "__main__":
    main()
