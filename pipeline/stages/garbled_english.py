"""English sentences of which a piece is missing: no beginning, no subject, no end, or another sentence begun within.

Every rule here is for English and does nothing in other languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from pipeline.document import Change
from pipeline.stages.garbled_places import GLUED_COMMA, GLUED_STOP, SMALL_LINE
from pipeline.stages.garbled_suspects import OPENERS
from pipeline.stages.garbled_text import STOPWORDS, Passage
from pipeline.stages.garbled_words import common_words, is_third_person, words

AUXILIARIES = words(
    "am is are was were be been has have had do does did can could will would shall should may might must cannot"
)
FINITE = AUXILIARIES - words("be been am may") | words("became becomes")
# A word that opens or joins, and so is no sentence on its own.
CANNOT_STAND = AUXILIARIES | words(
    "become becomes became of the a an to from with by at for into onto upon and or nor than whose which that as "
    "because although though while whereas if unless until its their our your my his"
)
NO_TRAIL = STOPWORDS | words("of to for with by from in at on into and or the a an see")

# Patterns begin with a fixed character, without lookbehind: that makes a search ten to fifty times faster.
GLUED_SENTENCE = re.compile(r"\.(?=(?:The|This|These|However|They|There|But|And|We|She|He|It|In)[ ][a-z])")
GLUED_CLAUSE = re.compile(r",(?=(?:the|and|but|which|who|that|with|of)[ ][a-z])")
SMALL_START = re.compile(r"[.!?][)”\"]?[ ]+(?=([a-z]{2,}+)(?![\w@/:-]|\.\w))")
SMALL_BEGINNING = re.compile(r"\n([a-z]{2,})(?![\w@/:.-])")
NAMELESS = "There They However Are Is Was Were Has Have Do Does If Because Although While We He She You"
CUT_POSSESSIVE = re.compile(rf"['’]s (?:{NAMELESS.replace(' ', '|')}) [a-z]")
TRAILING_WORD = re.compile(r"\.[”\"]? ([A-Z][a-z]+)[ \t]*(?=\n|\Z)")
NO_SUBJECT = re.compile(r"\.[”\"]? ([A-Z][a-z]{2,}s) [a-z]+ [^.!?;:\n]{3,60}\.(?=[ \n]|\Z)")
NO_SUBJECT_WORDS = 8
MOST_DEBRIS_WORDS = 12  # a longer piece says something, whatever is wrong with it
PARAGRAPH_MEAN = 60  # characters a sentence: among shorter ones a short one says nothing


def glued_sentences(passage: Passage) -> Iterator[Change]:
    """Put back the space that is missing between two sentences or clauses: "tide.The sea", "tide,which rises"."""
    for pattern, kind in ((GLUED_SENTENCE, GLUED_STOP), (GLUED_CLAUSE, GLUED_COMMA)):
        for found in passage.matches(pattern, passage.suspicious.of(kind)):
            before = passage.text[max(0, found.start() - 3) : found.start()]
            whole = len(before) == 3 and before.isalpha() and before.islower()
            if whole and passage.english and not passage.in_code(found.start()):
                yield Change(found.start(), found.end(), found[0] + " ", "glued-sentences")


def small_starts(passage: Passage) -> Iterator[Change]:
    """Something after a full stop in a paragraph that begins with a small letter, where sentences begin with capitals.

    A single word that cannot stand alone ("became.") goes, and so does a piece without a subject that is broken in two
    more ways; the rest is flagged.
    """
    text = passage.text
    for found in passage.matches(SMALL_START, passage.stops_before(passage.suspicious.small_after_stop())):
        if not (text[found.start() - 1].isalnum() or text[found.start() - 1] in ')]”"’%'):
            continue
        line = passage.line_at(found.start())
        start, end = line.sentence_at(found.end())
        if start != found.end() or not line.is_prose or passage.in_code(start):
            continue  # the stop before was an abbreviation's, or this is no paragraph
        if not (passage.english and passage.cased):
            return
        if is_debris(text[start:end], at_line_end=end == line.end):
            while text[start - 1] == " ":
                start -= 1
            yield Change(start, end, "", "debris")
        elif found[0][0] == "." and (
            found[1] in CANNOT_STAND or found[1] in common_words()
        ):  # no names: "systemd starts"
            yield Change(start, end, "", "small-start", flag=True)


def small_lines(passage: Passage) -> Iterator[Change]:
    """Flag the first sentence of a paragraph that begins with a small letter, below a line that was finished."""
    text = passage.text
    for found in passage.matches(SMALL_BEGINNING, passage.suspicious.of(SMALL_LINE)):
        if not (passage.english and passage.cased) or passage.in_code(found.start(1)):
            continue
        line, above = passage.line_at(found.start(1)), passage.line_at(found.start())
        finished = above.start == above.end or text[above.end - 1] in '.!?”"'
        if finished and line.is_prose and (found[1] in CANNOT_STAND or found[1] in common_words()):
            yield passage.flag(found.start(1), "small-start")


def is_debris(piece: str, at_line_end: bool) -> bool:
    """Whether a piece that begins with a small letter after a full stop cannot be a sentence, nor part of one.

    >>> is_debris("became.", False), is_debris("were or will Does not tell", True)
    (True, True)
    >>> is_debris("cannot be known.", False), is_debris("lol.", False)
    (False, False)
    """
    tokens = piece.rstrip(".!?").split()
    if len(tokens) == 1:
        return tokens[0] in CANNOT_STAND
    chain = tokens[0] in AUXILIARIES and tokens[1] in ("or", "and", "nor") and not AUXILIARIES.isdisjoint(tokens[2:3])
    capital = any(before.islower() and token in OPENERS for before, token in pairwise(tokens))
    unfinished = at_line_end and piece[-1].isalnum()
    return tokens[0] in FINITE and len(tokens) <= MOST_DEBRIS_WORDS and chain + capital + unfinished >= 2


def sentences_within(passage: Passage) -> Iterator[Change]:
    """Flag a sentence that breaks off after a possessive: "while the harbour's There are no boats"."""
    for found in passage.matches(CUT_POSSESSIVE, passage.suspicious.capital_after_possessive()):
        yield from passage.prose_flag(found.start(), "possessive-cut")


def trailing_words(passage: Passage) -> Iterator[Change]:
    """Flag one capitalised word without a stop after the last sentence of a paragraph.

    Articles and the like are not: there the line was broken, and the sentence goes on below.
    """
    for found in TRAILING_WORD.finditer(passage.text):
        if found[1].lower() in NO_TRAIL or not passage.english:
            continue
        line = passage.line_at(found.start())
        if line.is_prose and sum(end - start > PARAGRAPH_MEAN for start, end in line.sentences) >= 2:
            yield Change(found.start(1), found.end(1), "", "trailing-word", flag=True)


def missing_subjects(passage: Passage) -> Iterator[Change]:
    """Flag a short sentence in a paragraph that begins with a verb in the third person and has no other.

    More than one in a text is its style ("Includes a charger. Fits most cars.").
    """
    flags = []
    for found in NO_SUBJECT.finditer(passage.text):
        lowered = [word.lower() for word in passage.words(found.start(1), found.end())]
        if len(lowered) > NO_SUBJECT_WORDS or not AUXILIARIES.isdisjoint(lowered) or not passage.english:
            continue
        line = passage.line_at(found.start(1))
        mean = (line.end - line.start) / len(line.sentences)
        if mean > PARAGRAPH_MEAN and line.is_prose and is_third_person(lowered[0]):
            flags.append(Change(found.start(1), found.end(), "", "missing-subject", flag=True))
    if len(flags) == 1:
        yield flags[0]
