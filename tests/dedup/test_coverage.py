"""Sentence coverage of whole batches of pairs against the plain way of computing it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup import coverage
from pipeline.dedup.coverage import Units, cover, units, verbatim_shares
from pipeline.dedup.words import split


def invent(rng: random.Random) -> str:
    """Some sentences over few words, so that many recur: plain ones, names and numbers."""
    sentences = []
    for _ in range(rng.randrange(6)):
        words = [rng.choice(["crane", "quay", "Varno", "Maron", "17", "340", "herring", "pear"]) for _ in range(8)]
        sentences.append("The " + " ".join(words[: rng.randrange(1, 8)]) + ".")
    return " ".join(sentences)


def plain(found: Units, x: int, y: int, weights: list[int]) -> list[tuple[float, float]]:
    """For each unit of x: the share of its weight in the best two neighbouring units of y, strict and loose."""

    def words(unit: int) -> range:
        return range(int(found.word_first[unit]), int(found.word_first[unit + 1]))

    theirs = range(int(found.first[y]), int(found.first[y + 1]))
    windows = [{found.word[w] for u in theirs[i : i + 2] for w in words(u)} for i in range(len(theirs))]
    anywhere = {found.word[w] for u in theirs for w in words(u)}
    shares = []
    for unit in range(int(found.first[x]), int(found.first[x + 1])):
        mine, total = words(unit), sum(weights[w] for w in words(unit))
        if any(found.hash[unit] == found.hash[u] for u in theirs):
            shares.append((1.0, 1.0))
            continue
        names = [w for w in mine if found.name[w]]
        known = 2 * sum(found.word[w] in anywhere for w in names) >= len(names)
        numbers = {found.word[w] for w in mine if found.number[w]}
        held = [(sum(weights[w] for w in mine if found.word[w] in window), window) for window in windows]
        strict = [weight for weight, window in held if known and numbers <= window]
        loose = [weight for weight, _ in held]
        shares.append((max(strict, default=0) / max(total, 1), max(loose, default=0) / max(total, 1)))
    return shares


@pytest.mark.parametrize("cells", [7, 4_000_000], ids=["in many pieces", "at once"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_coverage_is_that_of_a_plain_loop(cells: int, seed: int) -> None:
    """Every unit of every pair has the share of the best window, however the product is cut."""
    rng = random.Random(seed)
    texts = [invent(rng) for _ in range(6)]
    found = units(split(texts))
    weights = np.array([1 + int(word % 200) for word in found.word.tolist()], np.int64)
    x, y = np.array([0, 1, 2, 5, 4]), np.array([1, 0, 3, 4, 4])
    every = np.ones(found.hash.size, bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage, "CELLS", cells)
        exact, quick = cover(found, x, y, weights, every), cover(found, x, y, weights, every, 0.5)
    expected = [share for a, b in zip(x, y, strict=True) for share in plain(found, int(a), int(b), weights.tolist())]
    assert np.allclose(exact.share, [strict for strict, _ in expected])
    assert np.allclose(exact.loose, [loose for _, loose in expected])
    assert np.array_equal(exact.coverage(0.5), quick.coverage(0.5))  # what is passed over could not have counted
    assert np.array_equal(exact.coverage(0.8), quick.coverage(0.8))
    assert np.array_equal(exact.verbatim(), verbatim_shares(found, x, y, weights, every))
