"""Two texts side by side: what they share, and what would be lost if one stood for the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.dedup.coverage import CONTAINED_SHARE, RETOLD_SHARE, Cover, Units, cover, units
from pipeline.dedup.lookup import distinct
from pipeline.dedup.marks import find_marks, lost_marks
from pipeline.dedup.rarity import Rarity, background
from pipeline.dedup.shingles import shingle_hashes
from pipeline.dedup.words import Words, split

Match = Literal["same", "close", "retold", "only"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of one text and how it stands to the other text.

    `match`: `same` (word for word), `close` (at least 0.8 of its weight), `retold` (at least half), `only` (not there).
    `share` of its weight is found; `counterpart` is the number of the sentence in the other text that is nearest.
    `start` and `end` count code points in the NFC text.
    """

    text: str
    start: int
    end: int
    match: Match
    share: float
    counterpart: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    `coverage_a` is the share of A that B covers (retold counts), `coverage_b` the other way; `contained_a` counts
    only what stands in B nearly word for word. `numbers_only_a`: in A, not in B, or not where B says the same.
    """

    jaccard: float
    containment_a: float
    containment_b: float
    coverage_a: float
    coverage_b: float
    contained_a: float
    contained_b: float
    sentences_a: tuple[Sentence, ...]
    sentences_b: tuple[Sentence, ...]
    numbers_only_a: tuple[str, ...]
    numbers_only_b: tuple[str, ...]
    names_only_a: tuple[str, ...]
    names_only_b: tuple[str, ...]

    @property
    def only_a(self) -> tuple[str, ...]:
        """The sentences of A that B does not have: what would be lost if B were kept."""
        return tuple(sentence.text for sentence in self.sentences_a if sentence.match == "only")

    @property
    def only_b(self) -> tuple[str, ...]:
        """The sentences of B that A does not have."""
        return tuple(sentence.text for sentence in self.sentences_b if sentence.match == "only")

    @property
    def shared(self) -> tuple[str, ...]:
        """The sentences of A that B has too, in its own or in other words."""
        return tuple(sentence.text for sentence in self.sentences_a if sentence.match != "only")


def compare(
    text_a: str, text_b: str, *, shingle_words: int = 5, language: str | None = "en", rarity: Rarity | None = None
) -> Comparison:
    """Compare two texts sentence by sentence. Words weigh by `rarity` (default: a language's frequency list).

    >>> found = compare("The tram stops here. It was built in 1931.", "The tram stops here. It was built in 1932.")
    >>> found.only_a, found.numbers_only_a, found.numbers_only_b
    (('It was built in 1931.',), ('1931',), ('1932',))
    """
    words = split([text_a, text_b])
    parts = units(words)
    weights = (rarity or background(language)).of(parts.word)
    counts = np.ones(parts.hash.size, bool)
    found = cover(parts, np.array([0, 1]), np.array([1, 0]), weights, counts)
    retold, contained = found.coverage(RETOLD_SHARE), found.coverage(CONTAINED_SHARE)
    a, b = (distinct(shingle_hashes(words, i, shingle_words)) for i in (0, 1))
    shared = np.intersect1d(a, b, assume_unique=True).size
    lost = _lost_words(words, parts, found)
    return Comparison(
        jaccard=shared / max(1, a.size + b.size - shared),
        containment_a=shared / max(1, a.size),
        containment_b=shared / max(1, b.size),
        coverage_a=float(retold[0]),
        coverage_b=float(retold[1]),
        contained_a=float(contained[0]),
        contained_b=float(contained[1]),
        sentences_a=_sentences(words, parts, found, 0),
        sentences_b=_sentences(words, parts, found, 1),
        numbers_only_a=lost[0, True],
        numbers_only_b=lost[1, True],
        names_only_a=lost[0, False],
        names_only_b=lost[1, False],
    )


def _sentences(words: Words, parts: Units, found: Cover, document: int) -> tuple[Sentence, ...]:
    """The sentences of one of the two documents of `words`."""
    first, other = int(parts.first[document]), 1 - document
    rows = slice(int(found.first[document]), int(found.first[document + 1]))
    theirs = set(parts.hash[parts.first[other] : parts.first[other + 1]].tolist())
    offset = int(words.offset[document])
    whole = words.text[offset : int(words.offset[document + 1]) - 2 if document == 0 else None]
    sentences = []
    for i, (share, place) in enumerate(zip(found.share[rows].tolist(), found.place[rows].tolist(), strict=True)):
        start, end = int(parts.start[first + i]), int(parts.end[first + i])
        same = int(parts.hash[first + i]) in theirs
        match: Match = "same" if same else _match(share)
        text = sentence_text(whole, start, end)
        sentences.append(Sentence(text, start, end, match, 1.0 if same else share, None if place < 0 else place))
    return tuple(sentences)


def _match(share: float) -> Match:
    """The word for a share of a sentence's weight."""
    if share >= CONTAINED_SHARE:
        return "close"
    return "retold" if share >= RETOLD_SHARE else "only"


def sentence_text(text: str, start: int, end: int) -> str:
    """The sentence `text[start:end]` with the stop and quotes that close it.

    >>> sentence_text("«Come in!» She did.", 1, 8)
    'Come in!»'
    """
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    return text[start:end].strip()


def _lost_words(words: Words, parts: Units, found: Cover) -> dict[tuple[int, bool], tuple[str, ...]]:
    """What each of two documents (0, 1) would lose of its numbers (True) and names (False), as written, in order."""
    lost: dict[tuple[int, bool], tuple[str, ...]] = {}
    every = find_marks(words)
    here, there = np.array([0, 1]), np.array([1, 0])
    gone = lost_marks(every, every.of(there), parts, found, here, there)
    for document in (0, 1):
        offset = int(words.offset[document])
        for kind in (True, False):
            mine = np.flatnonzero(gone & (every.owner == document) & (every.number == kind)).tolist()
            spans = ((offset + int(every.start[i]), offset + int(every.end[i])) for i in mine)
            lost[document, kind] = tuple(dict.fromkeys(words.text[low:high] for low, high in spans))
    return lost
