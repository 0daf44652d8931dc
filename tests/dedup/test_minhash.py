"""Signatures against datasketch's own, bands against the formula."""

from __future__ import annotations

import random

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.dedup import sketch_batch
from pipeline.dedup.minhash import EMPTY, SCHEME, Bands, band_keys, choose_bands, hash32, signatures
from pipeline.dedup.parts import lists
from tests.dedup.corpora import edited, invent


def theirs(hashes: list[int], count: int, seed: int) -> np.ndarray:
    """What datasketch makes of the same 32-bit hashes."""
    signature = MinHash(count, seed, hashfunc=lambda value: value, scheme=SCHEME)
    if hashes:
        signature.update_batch(hashes)
    return signature.hashvalues


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=40), min_size=1, max_size=6),
    st.sampled_from([1, 16, 128]),
    st.integers(0, 2**32 - 1),
)
def test_signatures_equal_datasketch(documents: list[list[int]], count: int, seed: int) -> None:
    """For any hashes, number of permutations and seed, every bit is datasketch's, also of empty documents."""
    offset = np.concatenate(([0], np.cumsum([len(d) for d in documents])))
    ours = signatures(np.array([value for hashes in documents for value in hashes], np.uint32), offset, count, seed)
    for row, hashes in zip(ours, documents, strict=True):
        assert (row == theirs(hashes, count, seed)).all()


def test_signatures_of_text_equal_datasketch() -> None:
    """What a sketch stores is what datasketch gives for the shingles that it stores, whatever their length."""
    rng = random.Random(1)
    texts = [" ".join(invent(rng, words)) for words in (5, 80, 3, 40_000, 700)]
    config = Config()
    table = sketch_batch(texts, [None] * 5, [()] * 5, config)
    values, offset = lists(table, "shingles")
    stored = table["signature"].combine_chunks().flatten().to_numpy().reshape(5, -1)
    for i, row in enumerate(stored):
        hashes = hash32(values[offset[i] : offset[i + 1]]).tolist()
        assert (row == theirs(hashes, config.near.permutations, config.near.seed)).all()
    assert (stored[2] == EMPTY).all()
    assert table.schema.metadata[b"scheme"] == b"affine32"
    assert table.schema.metadata[b"seed"] == b"1"


def test_stored_signatures_work_in_datasketch_lsh() -> None:
    """A stored signature loads into `MinHashLSH`, which then finds the candidates that our band keys give."""
    rng = random.Random(2)
    texts = []
    for _ in range(60):
        words = invent(rng, 120)
        texts += [" ".join(words), " ".join(edited(rng, words, rng.randrange(12)))]
    table = sketch_batch(texts, [None] * len(texts), [()] * len(texts), Config())
    stored = table["signature"].combine_chunks().flatten().to_numpy().reshape(len(texts), -1)
    bands = choose_bands(0.8, 0.99, 128)
    index = MinHashLSH(num_perm=128, params=(bands.bands, bands.rows))
    loaded = [MinHash(hashvalues=row, scheme=SCHEME) for row in stored]
    for i, signature in enumerate(loaded):
        index.insert(i, signature)
    keys = band_keys(stored, bands)
    for i, signature in enumerate(loaded):
        ours = {j for j in range(len(texts)) if (keys[:, i] == keys[:, j]).any()}
        assert set(index.query(signature)) == ours


def test_the_expected_recall_is_what_happens() -> None:
    """Of many pairs at one Jaccard, about the stated share agree in a band."""
    rng = np.random.default_rng(3)
    bands, shared, own = Bands(8, 6), 140, 30  # Jaccard 0.7
    hits = 0
    for _ in range(300):
        both = rng.integers(0, 2**32, shared, dtype=np.uint32)
        pair = np.concatenate(
            [both, rng.integers(0, 2**32, own, np.uint32), both, rng.integers(0, 2**32, own, np.uint32)]
        )
        keys = band_keys(signatures(pair, np.array([0, shared + own, 2 * (shared + own)]), 128, 1), bands)
        hits += int((keys[:, 0] == keys[:, 1]).any())
    assert abs(hits / 300 - bands.recall(0.7)) < 0.09


@pytest.mark.parametrize(("threshold", "bands", "rows"), [(0.8, 21, 6), (0.9, 12, 10), (0.5, 42, 3), (0.05, 128, 1)])
def test_bands_are_the_widest_that_reach_the_recall(threshold: float, bands: int, rows: int) -> None:
    """Most rows first, because rows are what keeps chance pairs out; single rows if nothing reaches it."""
    assert choose_bands(threshold, 0.99, 128) == Bands(bands, rows)
