"""Sentence debris: replaced where the right text is certain, removed where it cannot be a sentence, flagged elsewhere.

Which rules there are, what each leaves alone, and how often each fires on well-edited text: docs/garbled.md. The rules
look for suspicious places only, so clean text costs a handful of searches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.config import Garbled
from pipeline.document import Change, Document
from pipeline.stages.garbled_english import (
    glued_sentences,
    missing_subjects,
    sentences_within,
    small_lines,
    small_starts,
    trailing_words,
)
from pipeline.stages.garbled_marks import (
    double_commas,
    double_stops,
    empty_brackets,
    keyboard_junk,
    lost_characters,
    noise,
    spaced_marks,
)
from pipeline.stages.garbled_suspects import strange_words, suspects
from pipeline.stages.garbled_text import Passage

STAGE = "garbled"
Rule = Callable[[Passage], Iterator[Change]]
# Where two rules change the same characters, the one listed first wins; the other sees the text in the next pass.
RULES: tuple[Rule, ...] = (
    small_starts,
    lost_characters,
    keyboard_junk,
    double_stops,
    double_commas,
    spaced_marks,
    empty_brackets,
    sentences_within,
    suspects,
    glued_sentences,
    small_lines,
    trailing_words,
    missing_subjects,
    strange_words,
    noise,
)
# One mended place can lay open the next. Real text needs two passes; what still changes after eight stays as it was.
MAX_PASSES = 8


def mend_garbled(document: Document, settings: Garbled) -> Document:
    """Mend, remove or flag what is garbled in `document`; the same object where nothing is.

    >>> mend = lambda text: mend_garbled(Document("a.txt", text, language="en"), Garbled()).text
    >>> mend("The tide turned in February.. The harbour was was empty, wbich is rare.")
    'The tide turned in February. The harbour was was empty, which is rare.'
    >>> mend("Wait.. what? That that is, is. She grew up in the U.S.. He did not.")
    'Wait.. what? That that is, is. She grew up in the U.S.. He did not.'
    """
    if document.kind == "html":
        return document
    done = document
    for _ in range(MAX_PASSES):
        proposed = find(done, settings)
        changes = [change for change in proposed if not change.flag]
        if not changes:
            return done.edited(STAGE, new_flags(done, proposed))
        done = done.edited(STAGE, changes)
    if any(not change.flag for change in find(done, settings)):
        return document
    return done


def new_flags(document: Document, flags: list[Change]) -> list[Change]:
    """Those flags that an earlier round did not record yet."""
    if not flags:
        return flags
    told = {(edit.rule, edit.before) for edit in document.edits if edit.action == "flagged" and edit.stage == STAGE}
    return [flag for flag in flags if (flag.rule, document.text[flag.start : flag.end]) not in told]


def find(document: Document, settings: Garbled) -> list[Change]:
    """Find what all rules propose for the text: changes that do not overlap, and one flag for a place."""
    passage = Passage(document.text, document.language)
    changes: list[Change] = []
    flags: dict[tuple[int, int], Change] = {}
    for rule in RULES:
        for change in rule(passage):
            if change.flag or (not settings.remove and not change.after and change.rule in REMOVALS):
                flags.setdefault(
                    (change.start, change.end), Change(change.start, change.end, "", change.rule, flag=True)
                )
            else:
                changes.append(change)
    kept: list[Change] = []
    changes.sort(key=lambda change: change.start)  # stable: at one place the rule listed first wins
    for change in changes:
        if not kept or (change.start >= kept[-1].end and change.start > kept[-1].start):
            kept.append(change)
    return [*kept, *(flags.values() if settings.flag else ())]


REMOVALS = frozenset({"debris", "lost-characters", "keyboard-junk"})
