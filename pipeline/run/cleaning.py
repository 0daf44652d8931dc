"""One document through the stages, in their order, and through those that work on lines in rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipeline import workers
from pipeline.config import Config
from pipeline.decisions import Decisions
from pipeline.document import Change, Document, plain_line
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.stages.boilerplate import strip_boilerplate
from pipeline.stages.encoding import fix_encoding
from pipeline.stages.extract import extract_html
from pipeline.stages.garbled import mend_garbled
from pipeline.stages.language import identify_language
from pipeline.stages.markup import strip_markup
from pipeline.stages.repeats import strip_repeats

ROUNDS = 3  # boilerplate → repeats → garbled run again while they change the text; more than two is rare
IN_ROUNDS = ("boilerplate", "repeats", "garbled")

NO_DECISIONS = Decisions()

Step = Callable[[Document], Document]


@dataclass
class Stopwatch:
    """Seconds by stage, in one worker, and the stage that it is in."""

    seconds: dict[str, float] = field(default_factory=dict)
    stage: str = ""

    def enter(self, name: str) -> None:
        """Names the stage that follows, for the row of a document that does not come out of it."""
        self.stage = name
        workers.doing(name)

    def run(self, name: str, step: Step, document: Document) -> Document:
        """`step(document)`, timed under `name`. What a stage raises becomes a reason that names the stage."""
        self.enter(name)
        start = time.perf_counter()
        try:
            return step(document)
        except DocumentFailed as error:
            raise DocumentFailed(f"{name}: {error.reason}") from None
        except (DocumentError, MemoryError):
            raise
        except RecursionError:
            raise DocumentFailed(f"{name}: nested too deep to be read") from None
        except Exception as error:
            raise DocumentFailed(f"{name}: {type(error).__name__}: {error}"[:500]) from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def clean_document(
    document: Document,
    config: Config,
    watch: Stopwatch | None = None,
    decisions: Decisions = NO_DECISIONS,
    path: str | None = None,
) -> Document:
    """One document through every stage that is switched on, without what is learned from the corpus.

    `path` is the file that it came in, relative to RAW. Raises DocumentRejected when nothing is left,
    DocumentFailed when a stage could not do its work.
    """
    watch = watch or Stopwatch()
    first: dict[str, Step] = {
        "extract": lambda d: extract_html(d, config.extract, config.extractor, config.limits.nesting),
        "encoding": fix_encoding,
        "markup": strip_markup,
    }
    for name, step in first.items():
        if name in config.stages:
            given, document = document, watch.run(name, step, document)
    if {"encoding", "markup"} <= set(config.stages) and document.text is not given.text:
        document = watch.run("encoding", fix_encoding, document)  # entities stay as they are where there are tags
    document = watch.run("language", identify_language, document)
    document = document.with_fields(site=site_of(document, path if path is not None else document.source))
    document = with_line_decisions(document, decisions)
    if document.source not in decisions.restored():
        return clean_in_rounds(document, config, frozenset(), watch)
    try:
        return clean_in_rounds(document, config, frozenset(), watch)
    except DocumentRejected:
        return document  # a person wants it as it is


def with_line_decisions(document: Document, decisions: Decisions) -> Document:
    """The document without the lines that a person wants removed, and armed against losing those to be kept."""
    if not decisions.touches_lines():
        return document
    document = document.with_fields(protected=decisions.kept_lines(document.source, document.site))
    unwanted = decisions.removed_lines(document.source, document.site)
    changes, start = [], 0
    for line in document.text.splitlines(keepends=True) if unwanted else ():
        if plain_line(line) in unwanted:
            changes.append(Change(start, start + len(line), "", "decided-line"))
        start += len(line)
    return document.edited("boilerplate", changes)


def clean_in_rounds(
    document: Document, config: Config, learned: frozenset[int], watch: Stopwatch | None = None
) -> Document:
    """The stages that work on lines and sentences, again and again until the text stays as it is.

    A flag belongs to the text it was raised on, so a new round drops the flags of the one before.
    """
    watch = watch or Stopwatch()
    steps: dict[str, Step] = {
        "boilerplate": lambda d: strip_boilerplate(d, config.boilerplate, learned),
        "repeats": lambda d: strip_repeats(d, config.repeats),
        "garbled": lambda d: mend_garbled(d, config.garbled),
    }
    for _ in range(ROUNDS):
        given = document
        flags = [edit for edit in given.edits if edit.action == "flagged" and edit.stage in IN_ROUNDS]
        if flags:
            document = replace(document, edits=tuple(edit for edit in given.edits if edit not in flags))
        for name, step in steps.items():
            if name in config.stages:
                document = watch.run(name, step, document)
        if config.stages:
            document = outer_blanks(document)  # inside: what was indented may be a headline now
        if document.text == given.text and document.title == given.title:
            break
    if not document.text.strip():
        what = sorted({f"{edit.stage}/{edit.rule}" for edit in document.edits if edit.action == "removed"})
        raise DocumentRejected("nothing left after cleaning" + (f" (removed by {', '.join(what[:5])})" if what else ""))
    return document


def outer_blanks(document: Document) -> Document:
    """The document without blank lines around its text, so that writing and reading it again changes nothing."""
    text = document.text
    inner = text.strip()
    if len(inner) == len(text) or not inner:
        return document
    start = text.index(inner)
    ends = ((0, start), (start + len(inner), len(text)))
    return document.edited("markup", [Change(a, b, "", "outer-blank") for a, b in ends if a < b])


def site_of(document: Document, path: str) -> str:
    """The site a document belongs to: its host, else the container or folder it lies in."""
    if document.site:
        return document.site
    return path if document.source != path else path.rpartition("/")[0]
