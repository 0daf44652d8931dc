"""Phrases that give a line away, one TOML a language under `phrases/`.

A phrase is data: the words, the rule it is reported under, where it counts, an example that goes and one that stays.
`tests/stages/test_boilerplate_phrases.py` walks through all of them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pipeline.stages.lines import WORD, Line

Match = Literal["line", "start", "within"]
Where = Literal["anywhere", "edge", "sign"]

ANY = "*"  # stands for one to MOST_ANY words
MOST_ANY = 6
NEUTRAL = "neutral"  # the file for every language
_SEPARATORS = frozenset(":：|｜–—-»>")


@dataclass(frozen=True)
class Phrase:
    """One phrase.

    `match`: the words are the whole `line`, its `start`, or anywhere `within` it; the line has at most `most` words.
    `where`: `anywhere`; only at the `edge`, before or after all prose; or as a mere `sign` of navigation, which
    alone removes nothing.
    `opens`: link lines after it belong to it ("Also read" and the teasers below).
    `colon`: a colon, bar or dash must follow the words ("Read also: …").
    """

    words: tuple[str, ...]
    rule: str
    goes: str
    stays: str
    match: Match = "line"
    where: Where = "anywhere"
    most: int = 12
    opens: bool = False
    colon: bool = False

    def fits(self, words: tuple[str, ...], shown: str) -> bool:
        """Whether a line of these words, looking like `shown`, is this phrase."""
        if self.colon and not _separated(shown, len(self.words)):
            return False
        if self.match == "line":
            return _match_at(self.words, words, 0) == len(words)
        if len(words) > self.most:
            return False
        if self.match == "start":
            return _match_at(self.words, words, 0) >= 0
        return any(_match_at(self.words, words, at) >= 0 for at in range(len(words)))


def _match_at(form: tuple[str, ...], words: tuple[str, ...], at: int) -> int:
    """Where `form` ends when laid on `words` from `at`, or -1. `*` takes as few words as it can, at least one."""
    for position, wanted in enumerate(form):
        if wanted == ANY:
            rest = form[position + 1 :]
            if not rest:
                left = len(words) - at
                return len(words) if 1 <= left <= MOST_ANY else -1
            for skip in range(1, MOST_ANY + 1):
                if (end := _match_at(rest, words, at + skip)) >= 0:
                    return end
            return -1
        if at >= len(words) or words[at] != wanted:
            return -1
        at += 1
    return at


def _separated(shown: str, count: int) -> bool:
    """Whether a colon, bar or dash follows the first `count` words."""
    ends = [match.end() for match, _ in zip(WORD.finditer(shown), range(count), strict=False)]
    return len(ends) == count and shown[ends[-1] :].lstrip()[:1] in _SEPARATORS


class PhraseBook:
    """The phrases that count in one language, found by their first word."""

    def __init__(self, phrases: list[Phrase]) -> None:
        self.phrases = phrases
        self._first: dict[str, tuple[Phrase, ...]] = {}
        self._within: list[tuple[str, Phrase]] = []
        for phrase in phrases:
            if phrase.match == "within":
                self._within.append((" ".join(phrase.words), phrase))
            else:
                self._first[phrase.words[0]] = (*self._first.get(phrase.words[0], ()), phrase)
        self._most = max((phrase.most for phrase in phrases), default=0)

    def find(self, line: Line) -> Phrase | None:
        """Look a line up: one phrase that acts comes before a mere sign. None: it is no phrase."""
        if line.size > 2 * self._most:
            return None
        lower = line.shown.casefold()
        if "’" in lower:
            lower = lower.replace("’", "'")
        head = WORD.search(lower)
        if head is None:
            return None
        # The first word decides for nearly every line that nothing can fit, before the line is cut into words.
        likely = self._first.get(head[0], ())
        for held, phrase in self._within:
            if held in lower:
                likely = (*likely, phrase)
        if not likely:
            return None
        found = [phrase for phrase in likely if phrase.fits(line.words, line.shown)]
        return min(found, key=lambda phrase: (phrase.where == "sign", not phrase.opens), default=None)


@cache
def load_phrases(language: str) -> tuple[Phrase, ...]:
    """Phrases of one file; none where there is no such file."""
    path = files("pipeline.stages").joinpath("phrases", f"{language}.toml")
    if not path.is_file():
        return ()
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["phrases"]
    return tuple(_phrase(row) for row in rows)


def _phrase(row: dict[str, object]) -> Phrase:
    """One phrase from its TOML row: `line`, `start` or `within` names the words."""
    values = dict(row)
    match = next(kind for kind in ("line", "start", "within") if kind in values)
    words = tuple(str(values.pop(match)).split())
    if match == "line":
        values.setdefault("most", max(12, len(words) + MOST_ANY * words.count(ANY)))
    return Phrase(words=words, match=match, **values)  # type: ignore[arg-type]


@cache
def phrase_book(language: str | None) -> PhraseBook:
    """Phrases for a document in `language` (a code such as `en` or `pt-BR`; None: English), and the neutral ones."""
    code = (language or "en").split("-")[0].split("_")[0].lower()
    return PhraseBook([*load_phrases(code), *load_phrases(NEUTRAL)])
