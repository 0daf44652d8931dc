"""Documents made up for benchmarks: Zipf-distributed words, some documents edited copies of others.

    python bench/generate.py 20000 corpus.jsonl --seed 1

Each line has `id`, `text` and `origin` (the id of the document it was copied from, or its own).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

VOCABULARY = 60_000
EXPONENT = 1.05  # of Zipf's law; English text lies near 1
WORDS = 300  # mean length of a document: 2 kB
COPIES = 0.3  # share of documents that are edited copies


def vocabulary(random: np.random.Generator) -> np.ndarray:
    """Made-up words of 2 to 12 letters, the frequent ones short, as in real text."""
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz", np.uint8)
    share = np.array([13, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 0.3, 0.3, 0.3, 0.3])
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        length = min(12, 2 + int(np.log1p(len(words)) * random.uniform(0.4, 1.0)))
        words.setdefault(bytes(random.choice(letters, length, p=share / share.sum())).decode())
    return np.array(list(words), dtype=object)


def documents(size: int, seed: int) -> Iterator[dict[str, str]]:
    """`size` documents; the same for the same seed."""
    random = np.random.default_rng(seed)
    words = vocabulary(random)
    weight = np.arange(1, VOCABULARY + 1) ** -EXPONENT
    limits = np.cumsum(weight / weight.sum())
    recent: list[tuple[int, list[str]]] = []
    for number in range(size):
        if recent and random.random() < COPIES:
            origin, source = recent[int(random.integers(len(recent)))]
            text = edit(source, words, random)
        else:
            origin = number
            length = max(30, int(random.lognormal(np.log(WORDS) - 0.18, 0.6)))
            drawn = np.minimum(np.searchsorted(limits, random.random(length)), VOCABULARY - 1)
            text = sentences(words[drawn].tolist(), random)
            recent.append((number, text))
            if len(recent) > 2_000:
                recent.pop(int(random.integers(len(recent))))
        yield {"id": str(number), "text": " ".join(text), "origin": str(origin)}


def sentences(words: list[str], random: np.random.Generator) -> list[str]:
    """The words with capitals and stops."""
    at = 0
    while at < len(words):
        end = min(len(words), at + int(random.integers(6, 30)))
        words[at] = words[at].capitalize()
        words[end - 1] += "."
        at = end
    return words


def edit(words: list[str], vocabulary: np.ndarray, random: np.random.Generator) -> list[str]:
    """A copy with words replaced, a passage cut, or a few words put in front."""
    copy, kind = list(words), int(random.integers(3))
    if kind == 0:
        rate = random.choice([0.002, 0.005, 0.01, 0.02, 0.04])
        for place in np.flatnonzero(random.random(len(copy)) < rate):
            copy[place] = str(vocabulary[int(random.integers(VOCABULARY))])
    elif kind == 1:
        count = int(len(copy) * random.choice([0.03, 0.06, 0.12]))
        at = int(random.integers(len(copy) - count + 1))
        del copy[at : at + count]
    else:
        copy[:0] = [str(vocabulary[int(i)]) for i in random.integers(VOCABULARY, size=int(random.integers(1, 9)))]
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for document in documents(options.size, options.seed):
            file.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
