"""Garbled English words: run together, split, misread by OCR, doubled; and where one sentence begins within another.

Everything here follows a space, so one search finds it all. The lists are closed classes of words, not topics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pipeline.document import Change
from pipeline.stages.garbled_places import WordTable
from pipeline.stages.garbled_text import Passage
from pipeline.stages.garbled_words import common_words, splits_into_words, words

HABIT = 3  # more doubled words in one text: it writes down how people speak

# With a capital in mid-sentence and a small letter after: one sentence broke off and the next began.
OPENERS = words(
    "There They However Although Because Therefore Moreover Are Is Was Were Do Does Did Has Have Had Will Would Can "
    "Could Should But And Or It He She We You This That These Those The In On At For With As By If When While Who Its "
    "Their"
)
QUESTIONS = words("Are Is Was Were Do Does Did Has Have Had Will Would Can Could Should If When While Who")
JOINED = {first + "the": f"{first} the" for first in words("of in to for on and with from by into that is was")}
MISREAD_AS = """
    the: tbe tlie thc tlic; that: tbat tliat; this: tbis tliis; they: tbey tliey; then: tben tlien; there: tbere tliere;
    their: tbeir tlieir; these: tbese tliese; which: wbich wliich wliicli whicli; when: wben wlien; what: wbat wliat;
    where: wbere wliere; while: wbile wliile; who: wlio; with: witb witli; have: bave liave; would: wouid; could: couid;
    should: sbould sliould shouid; been: bccn; from: frorn; some: sorne; time: tirne; more: rnore; most: rnost;
    and: anci; many: rnany; company: cornpany; people: peopie; between: betwcen bctween; through: tbrough;
    other: otber
"""
MISREAD = {wrong: right for right, wrongs in re.findall(r"(\w+): ([\w ]+)", MISREAD_AS) for wrong in wrongs.split()}
SPLIT_PIECES = "th e, t he, o f, a nd, w ith, wi th, wit h, wh ich, whi ch, fr om, t hat, tha t, th at, th is, t his"
SPLIT = {pieces: pieces.replace(" ", "") for pieces in SPLIT_PIECES.split(", ")}
DOUBLED_SURE = words("the a an of and")
DOUBLED = {f"{word} {word}": word for word in DOUBLED_SURE | words("to for with from be by our their this")}
CUT_ENDINGS = frozenset(f"{word}." for word in words("the an and or our their my your than because whose"))

MANY_LETTERS = 20  # in a million English words five are longer
MANY_CONSONANTS = 7
LONG_WORD = re.compile(rf" ([a-z]{{{MANY_LETTERS},}})(?=[ .,;\n])")
NO_VOWELS = re.compile(rf" ([bcdfghjklmnpqrstvwxz]{{{MANY_CONSONANTS},}})(?=[ .,;\n])")


def trie(pieces: Iterable[str]) -> str:
    """Build a pattern for any of `pieces` that branches letter by letter, which `re` runs far faster than a|b|c.

    >>> trie(["tbe", "tbat", "wbo"])
    '(?:tb(?:at|e)|wbo)'
    """
    branches: dict[str, list[str]] = {}
    for piece in sorted(pieces):
        branches.setdefault(piece[:1], []).append(piece[1:])
    ends = branches.pop("", None) is not None
    parts = [re.escape(first) + trie(rest) for first, rest in branches.items()]
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 and not ends else f"(?:{'|'.join(parts)})" + ("?" if ends else "")


SUSPECT = re.compile(f" ({trie([*JOINED, *MISREAD, *SPLIT, *DOUBLED, *CUT_ENDINGS, *OPENERS])})(?![\\w@/'’-]|\\.\\w)")
OPENINGS = (f"{opener} " for opener in OPENERS)  # only with a space behind: see `begins_within`
BEGINNINGS = WordTable([*JOINED, *MISREAD, *SPLIT, *DOUBLED, *CUT_ENDINGS, *OPENINGS])
SMALL_WORD = re.compile(r"[a-z]+(?:[’'-][a-z]+)*,?")


def suspects(passage: Passage) -> Iterator[Change]:
    """Put right what is certain: "wbich", "ofthe", "th e", "the the". Flag "to to", and sentences cut or begun within.

    "that that" and "had had" stay. A text that doubles words often writes down how people speak, and keeps them.
    """
    text = passage.text
    doubled: list[Change] = []
    last = 0
    for found in passage.matches(SUSPECT, suspect_places(passage)):
        word, start, end = found[1], found.start(1), found.end(1)
        if found.start() < last:
            continue
        last = end
        if word in OPENERS:
            if begins_within(text, found.start(), end):
                yield from passage.prose_flag(start, "capital-within")
            continue
        if not passage.english or passage.in_code(start):
            continue
        spaced = text[end : end + 1] == " "
        if word in CUT_ENDINGS:
            if (spaced or end == passage.line_at(start).end) and passage.line_at(start).is_prose:
                yield passage.flag(start, "cut-sentence")
        elif word in DOUBLED:
            if spaced and DOUBLED[word] in DOUBLED_SURE:
                doubled.append(Change(start, start + len(word) // 2 + 1, "", "doubled-word"))
            elif spaced:
                doubled.append(passage.flag(start, "doubled-word"))
        elif word in SPLIT:
            if spaced and (text[start - 2].islower() or text[start - 2] == ","):
                yield Change(start, end, SPLIT[word], "split-word")
        elif word in JOINED:
            yield Change(start, end, JOINED[word], "joined-words")
        else:
            yield Change(start, end, MISREAD[word], "misread-word")
    if len(doubled) <= HABIT:
        yield from doubled


def suspect_places(passage: Passage) -> list[int]:
    """Spaces in order that something of `SUSPECT` may follow: a word of a list, or a capital within a sentence."""
    suspicious = passage.suspicious
    places: list[int] = suspicious.not_after_end(BEGINNINGS.after_spaces(suspicious)).tolist()
    return places


def begins_within(text: str, at: int, end: int) -> bool:
    """Whether the capitalised word after the space at `at` stands between small words, or between a comma and one.

    Two small words before: not a title ("The World as Will and …"), nor a label ("Note The …").
    """
    if not (text[at - 1].islower() or text[at - 1] == ",") or text[end : end + 1] != " ":
        return False
    if not text[end + 1 : end + 2].islower():
        return False
    start = max(text.rfind("\n", max(0, at - 60), at) + 1, at - 60)
    before = text[start:at].split()[-2:]
    if before and before[-1].endswith(","):  # "asked the question, Does anybody …" is right
        return text[at + 1 : end] not in QUESTIONS and SMALL_WORD.fullmatch(before[-1]) is not None
    return len(before) == 2 and all(SMALL_WORD.fullmatch(word) for word in before)


def strange_words(passage: Passage) -> Iterator[Change]:
    """Flag the sentence of a word that is several run together, or has seven letters and no vowel."""
    for found in passage.matches(LONG_WORD, passage.suspicious.before_letters(MANY_LETTERS)):
        if passage.english and not passage.in_code(found.start()) and splits_into_words(found[1]):
            yield passage.flag(found.start(1), "run-together")
    for found in passage.matches(NO_VOWELS, passage.suspicious.before_consonants(MANY_CONSONANTS)):
        if passage.english and passage.line_at(found.start()).is_prose and found[1] not in common_words():
            yield passage.flag(found.start(1), "no-vowels")
