"""Garbled in any language: doubled punctuation, space before it, lost characters, keyboard junk, OCR noise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from pipeline.document import Change
from pipeline.stages.garbled_places import COMMA_MARK, CYRILLIC_PAIR, KEYS, NOISE, OPEN_BRACKET, SPACED_MARK, TWO_STOPS
from pipeline.stages.garbled_text import Passage

STOPS = re.compile(r"(?<=[^\W\d_]{2})\.\.(?!\.)(?=\s*$|\s+[A-Z“\"])", re.MULTILINE)
ANY_STOPS = re.compile(r"(?<!\.)\.\.(?!\.)")
GOING_ON = re.compile(r" ?[a-z]")
COMMAS = re.compile(r"(?<=[^\W\d_]{2}),[ \t]?,(?=[ \t]+[^\W\d_])")
COMMA_STOP = re.compile(r"(?<=[^\W\d_]{2}),\.(?=\s|$)")
SPACED_COMMA = re.compile(r"(?<=[^\W\d_]{2})[ \t],(?=[ \t]+[^\W\d_])")
SPACED_STOP = re.compile(r"(?<=[^\W\d_]{2})[ \t]\.(?=[ \t]+[A-Z“\"][^\s.]|[ \t]*$)", re.MULTILINE)
TIGHT_MARK = re.compile(r"[^\W\d_][,.](?:[ \t\n]|\Z)")
HABIT = 8  # where one mark in so many is written this way, it is the habit of the author or of a tokeniser, no slip
EMPTY_BRACKETS = re.compile(r" \((?=[ ,;]*[,;])[ ,;]{2,}\)(?=[\s.,;:])")

KEY_RUNS = ("asdf", "fghj", "hjkl", "lkjh", "fdsa", "zxcv", "qwert")  # each holds one of `KEY_PAIRS`
CYRILLIC_KEY_RUNS = ("йцук", "фыва", "ячсм")
KEY_ROWS = "qwertyuiop asdfghjkl; zxcvbnm qwertzuiop azertyuiop йцукенгшщзхъ фывапролджэ ячсмитьбю"
NEIGHBOURS = frozenset(pair for row in KEY_ROWS.split() for a, b in pairwise(row) for pair in (a + b, b + a))
KEY_WORD = re.compile(r"[^\W\d_;]{4,}(?:;[^\W\d_;]+)*")
KEYBOARD_NAMES = frozenset({"qwerty", "qwertz", "azerty", "qwertyuiop", "asdf", "wasd", "zxcv", "hjkl", "asdfghjkl"})
JUNK_LETTERS = 8  # shorter runs along a row of keys are words: were, pop, trew

NOISE_MARKS = frozenset("~^|¦¬\\;:,.'’‘`´_-—»«<>*■•§°°\"!/")
NOISE_CHARACTERS = 15  # a shorter line of marks is an ornament or a smiley
NOISE_KINDS = 6
DRAWN = re.compile(r"=|->|(.)\1\1")  # formulas and lines of ornaments

APOSTROPHE = re.compile(  # don't, they're, I've: nothing else can have stood there
    r"\b(?:[A-Za-z]{2,}n\ufffd(?=t\b)|(?:[Tt]hey|[Ww]e|[Yy]ou)\ufffd(?=(?:re|ve|ll|d)\b)|I\ufffd(?=(?:m|ve|ll|d)\b))"
)
LOST_SHARE = 0.3  # of a sentence's characters: what is left cannot be read


def double_stops(passage: Passage) -> Iterator[Change]:
    """Two full stops at the end of a sentence become one.

    Certain after a whole word, where a sentence or the line ends. An ellipsis, "U.S..", `../`, "wait.. what" and a
    text in which two stops are a habit stay.
    """
    text = passage.text
    twos = [found.start() for found in passage.matches(ANY_STOPS, passage.suspicious.of(TWO_STOPS))]
    if not twos or any(GOING_ON.match(text, at + 2) for at in twos):
        return
    if len(twos) <= 1 + text.count(". ") // HABIT:
        for found in passage.places(STOPS, twos):
            yield Change(found.start(), found.end(), ".", "double-stop")


def double_commas(passage: Passage) -> Iterator[Change]:
    """Two commas become one, and a comma before a stop goes: "ebb,, flood", "ebb,."; `a,,b` and low quotes stay."""
    text = passage.text
    tight = passage.suspicious.of(COMMA_MARK)
    apart = [at - 1 for at in passage.suspicious.of(SPACED_MARK) if text[at - 1 : at] == "," == text[at + 1]]
    doubled = [at for at in tight if text[at + 1] == ","]
    if doubled or any(text[at + 1] == " " for at in apart):
        for found in passage.places(COMMAS, sorted(doubled + apart)):
            yield Change(found.start(), found.end(), ",", "double-comma")
    if len(tight) > len(doubled):
        for found in passage.places(COMMA_STOP, tight):
            if text[found.end() : found.end() + 1] != ".":
                yield Change(found.start(), found.end(), ".", "comma-stop")


def spaced_marks(passage: Passage) -> Iterator[Change]:
    """A space left before a comma or full stop goes, except in texts where it is the rule (tokenised text)."""
    text = passage.text
    spaced = passage.suspicious.of(SPACED_MARK)
    loose = sum(text[at] == " " for at in spaced)
    if not loose or (loose > 1 and not any(islice(TIGHT_MARK.finditer(text), HABIT * loose - 1, None))):
        return
    for pattern in (SPACED_COMMA, SPACED_STOP):
        for found in passage.places(pattern, spaced):
            yield Change(found.start(), found.end(), found[0].strip(), "space-before-mark")


def empty_brackets(passage: Passage) -> Iterator[Change]:
    """Brackets with nothing but commas in them, where links or foreign script were taken out, go; `call()` stays."""
    opened = passage.suspicious.of(OPEN_BRACKET)
    for found in passage.places(EMPTY_BRACKETS, (at - 1 for at in opened if at)):
        if passage.text[found.start() - 1 : found.start()].isalnum():
            yield Change(found.start(), found.end(), "", "empty-brackets")


def lost_characters(passage: Passage) -> Iterator[Change]:
    """Restore an apostrophe that became U+FFFD, in English; drop a sentence of little else; flag other sentences."""
    text = passage.text
    if "\ufffd" not in text:
        return
    restored: set[int] = set()
    if passage.english:
        for found in APOSTROPHE.finditer(text):
            restored.add(found.end() - 1)
            yield Change(found.end() - 1, found.end(), "’", "lost-apostrophe")
    told = 0
    for place in re.finditer("\ufffd", text):
        if place.start() in restored or place.start() < told:
            continue
        start, end = passage.line_at(place.start()).sentence_at(place.start())
        end = told = max(end, place.end())
        sentence = text[start:end]
        lost = sentence.count("\ufffd") / len("".join(sentence.split()))
        if lost >= LOST_SHARE and not any(start <= at < end for at in restored):
            yield Change(start, end, "", "lost-characters")
        else:
            yield Change(start, end, "", "lost-characters", flag=True)


def is_key_run(word: str) -> bool:
    """Whether a word was made by running along the keyboard.

    >>> is_key_run("asdfghjklkjh"), is_key_run("typewriter"), is_key_run("qwerty")
    (True, False, False)
    """
    letters = word.lower()
    if len(letters) < JUNK_LETTERS or letters in KEYBOARD_NAMES:
        return False
    pairs = [a + b for a, b in pairwise(letters)]
    return sum(pair in NEIGHBOURS or pair[0] == pair[1] for pair in pairs) >= 0.8 * len(pairs)


def keyboard_junk(passage: Passage) -> Iterator[Change]:
    """A line of nothing but key runs goes; a key run within a sentence is flagged."""
    text = passage.text
    near = (text[max(0, at - 3) : at + 5] for at in passage.suspicious.of(KEYS))
    latin = any(run in piece for piece in near for run in KEY_RUNS)
    cyrillic = passage.suspicious.seen & CYRILLIC_PAIR and any(run in text for run in CYRILLIC_KEY_RUNS)
    if not latin and not cyrillic:
        return
    told = 0
    for found in passage.search(KEY_WORD):
        if found.start() < told or not is_key_run(found[0]):
            continue
        line = passage.line_at(found.start())
        words = KEY_WORD.findall(passage.text, line.start, line.end)
        told = line.end
        alone = "".join(words) == "".join(passage.text[line.start : line.end].split()) and all(map(is_key_run, words))
        if alone:
            yield Change(line.start, line.end, "", "keyboard-junk")
        else:
            yield Change(*line.sentence_at(found.start()), "", "keyboard-junk", flag=True)


def noise(passage: Passage) -> Iterator[Change]:
    """Flag a line of scattered marks and single letters, as OCR makes of a stain or a picture."""
    told = 0
    for at in passage.suspicious.of(NOISE):  # in running text there are none; OCR makes them of specks and lines
        if at < told:
            continue
        line = passage.line_at(at)
        told = line.end
        content = passage.text[line.start : line.end]
        solid = "".join(content.split())
        marks = [character for character in solid if character in NOISE_MARKS]
        if len(solid) < NOISE_CHARACTERS or len(set(marks)) < NOISE_KINDS or 2 * len(marks) < len(solid):
            continue
        if passage.in_fence(line.start) or content.startswith(("    ", "\t", "|")) or DRAWN.search(content):
            continue
        tokens = content.split()
        if max(map(len, tokens)) <= 8 and not any(token.isalpha() and len(token) > 4 for token in tokens):
            yield Change(line.start, line.end, "", "noise", flag=True)
