"""What the rules for garbled text ask of a text: English or not, cased or not, where is code, where is a sentence."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pipeline.document import Change
from pipeline.stages.garbled_places import SuspiciousPlaces

CODE_BLOCK = re.compile(r"^ {0,3}(`{3,}+|~{3,}+).*?(?:^ {0,3}\1|\Z)", re.MULTILINE | re.DOTALL)
# Lines that are no running text: tables, headings, lists, indented code, prompts, speakers' names, key: value.
NOT_PROSE = re.compile(
    r"[ ]{4}|\t|[ ]*(?:[|#$%•·▪●◦*+–—-](?:\s|\||#)|\d{1,3}[.)]\s|[A-Z][\w .'’-]{0,24}:\s)|[ ]*[`{}<\[(/@\\]"
)
CODE_CHARACTERS = re.compile(r"[{}=<>\\`_|~^]|\(\s*\)|://|;$|->|::")
SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"”’»)\]]*+(?=\s)")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
AFTER_STOP = re.compile(r"\.[ \n]+([A-Za-z])(?=[a-z ])")
ABBREVIATION_LIST = (
    "approx dept corp co no prof govt assn univ incl excl resp tel vol est misc assoc etc fig figs refs ref eqs "
    "chap capt sgt rev mrs messrs inc ltd bros intl vs viz cf jr sr dr mr ms st ave blvd mt ft sq lb oz min max hr "
    "hrs jan feb mar apr jun jul aug sept sep oct nov eds trans pp gen gov sen rep pres supt adj adv conj prep"
)
ABBREVIATIONS = frozenset(ABBREVIATION_LIST.split())
COMMONEST = (
    "the of and to in a is that for on with as it was by are at be this from or an have not has which had were their "
    "its but they been he she we you his her would will can there one all more when who if about what"
)
STOPWORDS = frozenset(COMMONEST.split())
# Of running English text 35 to 50 % of the words are among these; of other languages in Latin script under 12 %.
ENGLISH_SHARE = 0.2
SAMPLE_WORDS = 400

PROSE_WORDS = 12  # a line of fewer words is a headline, a caption or an item
PROSE_MEAN = 8  # words a sentence: below, the line is dialogue or notes


@dataclass(frozen=True)
class Line:
    """One line of a text: its place and the places of its sentences, (start, end) in the text, ends without space."""

    text: str
    start: int
    end: int

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Places of the sentences; a stop after an abbreviation or an initial ends none."""
        found, begin = [], self.start
        for stop in SENTENCE_END.finditer(self.text, self.start, self.end):
            if stop[0][0] == "." and is_abbreviation(self.text, stop.start()):
                continue
            found.append((begin, stop.end()))
            begin = stop.end()
            while begin < self.end and self.text[begin].isspace():
                begin += 1
        if begin < self.end:
            found.append((begin, self.end))
        return found

    @cached_property
    def is_prose(self) -> bool:
        """Whether the line is a paragraph of whole sentences."""
        if self.is_code or NOT_PROSE.match(self.text, self.start, self.end):
            return False
        words = self.text.count(" ", self.start, self.end) + 1
        return words >= PROSE_WORDS and len(self.sentences) > 1 and words >= PROSE_MEAN * (len(self.sentences) - 1)

    @cached_property
    def is_code(self) -> bool:
        """Whether the line looks like code or is a row of a table."""
        line = self.text[self.start : self.end]
        return line.startswith(("    ", "\t", "|")) or len(CODE_CHARACTERS.findall(line)) > 2

    def sentence_at(self, at: int) -> tuple[int, int]:
        """(start, end) of the sentence that holds the character at `at`, or of the next one."""
        index = bisect_right(self.sentences, at, key=lambda sentence: sentence[1])
        return self.sentences[index] if index < len(self.sentences) else (self.start, self.end)


def is_abbreviation(text: str, stop: int) -> bool:
    """Whether the full stop at `stop` belongs to an abbreviation or an initial.

    >>> [is_abbreviation(text, len(text) - 1) for text in ("approx.", "J.", "the U.S.", "tide.")]
    [True, True, True, False]
    """
    start = stop
    while start and stop - start < 12 and (text[start - 1].isalpha() or text[start - 1] == "."):
        start -= 1
    word = text[start:stop]
    return len(word) == 1 or "." in word.strip(".") or word.lower() in ABBREVIATIONS


class Passage:
    """A text and what is known of its language, looked at only when a rule asks."""

    def __init__(self, text: str, language: str | None) -> None:
        self.text = text
        self.language = language
        self.lines: dict[int, Line] = {}

    @cached_property
    def suspicious(self) -> SuspiciousPlaces:
        """Where rules have to look."""
        return SuspiciousPlaces(self.text)

    @cached_property
    def english(self) -> bool:
        """Whether the text is English: stated, or, where nothing is stated, plainly so by its commonest words."""
        if self.language is not None:
            return self.language.lower().split("-")[0].split("_")[0] == "en"
        words = WORD.findall(self.text[:6000].lower())[:SAMPLE_WORDS]
        return bool(words) and sum(word in STOPWORDS for word in words) >= ENGLISH_SHARE * len(words)

    @cached_property
    def cased(self) -> bool:
        """Whether three sentences in four begin with capitals here, so that one that does not says something."""
        letters = AFTER_STOP.findall(self.text)
        lower = sum(letter.islower() for letter in letters)
        return len(letters) >= 3 and 4 * lower <= len(letters) + 1

    @cached_property
    def code(self) -> list[tuple[int, int]]:
        """Places of fenced code."""
        if "```" not in self.text and "~~~" not in self.text:
            return []
        return [found.span() for found in CODE_BLOCK.finditer(self.text)]

    @cached_property
    def line_starts(self) -> list[int]:
        """Where the lines begin."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def in_fence(self, at: int) -> bool:
        """Whether `at` stands in a fenced block."""
        block = bisect_right(self.code, at, key=lambda span: span[0]) - 1
        return block >= 0 and at < self.code[block][1]

    def in_code(self, at: int) -> bool:
        """Whether `at` stands in a fenced block, or on a line that looks like code or a table row."""
        return self.in_fence(at) or self.line_at(at).is_code

    def line_at(self, at: int) -> Line:
        """Give the line that holds `at`."""
        number = bisect_right(self.line_starts, at) - 1
        line = self.lines.get(number)
        if line is None:
            start = self.line_starts[number]
            end = self.line_starts[number + 1] - 1 if number + 1 < len(self.line_starts) else len(self.text)
            while end > start and self.text[end - 1].isspace():
                end -= 1
            line = self.lines[number] = Line(self.text, start, end)
        return line

    def stops_before(self, spaces: Iterable[int]) -> Iterator[int]:
        """Where the stops stand that come before `spaces`, with a closing mark and more spaces between or without."""
        for space in spaces:
            at = space - 1
            while at > 0 and self.text[at] == " ":
                at -= 1
            if self.text[at] in ')”"':
                at -= 1
            if at >= 0 and self.text[at] in ".!?":
                yield at

    def words(self, start: int, end: int) -> list[str]:
        """Give the words in text[start:end], as written."""
        return WORD.findall(self.text, start, end)

    def search(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Find `pattern` outside code."""
        return (found for found in pattern.finditer(self.text) if not self.in_code(found.start()))

    def places(self, pattern: re.Pattern[str], places: Iterable[int]) -> Iterator[re.Match[str]]:
        """Match `pattern` at those of `places` that are not in code."""
        return (found for found in self.matches(pattern, places) if not self.in_code(found.start()))

    def matches(self, pattern: re.Pattern[str], places: Iterable[int]) -> Iterator[re.Match[str]]:
        """Match `pattern` at each of `places`."""
        return filter(None, (pattern.match(self.text, at) for at in places))

    def flag(self, at: int, rule: str) -> Change:
        """Flag the sentence that holds `at`."""
        start, end = self.line_at(at).sentence_at(at)
        return Change(start, end, "", rule, flag=True)

    def prose_flag(self, at: int, rule: str) -> Iterator[Change]:
        """Flag the sentence that holds `at` if it stands in an English paragraph and is mostly in small letters."""
        if not self.english or not self.line_at(at).is_prose or self.in_code(at):
            return
        flagged = self.flag(at, rule)
        tokens = self.text[flagged.start : flagged.end].split()
        if len(tokens) > 4 and 10 * sum(token[0].islower() for token in tokens) >= 7 * len(tokens):
            yield flagged
