"""Corpora that would break a matching that is quadratic somewhere, or that keeps too much in memory."""

from __future__ import annotations

import multiprocessing
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.dedup import DocumentColumns, matching
from tests.dedup.corpora import find, invent, write_parts


class Workers:
    """Runs steps in a process of their own, so that what this process holds can be told from what steps need."""

    def __init__(self) -> None:
        self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def map(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of `arguments`."""
        return self.pool.map(function, *zip(*arguments, strict=True)) if arguments else iter(())


def tickets(count: int) -> list[str]:
    """One-line documents that differ in a word or two: ten words, so that none is near to another."""
    return [f"Ticket {i} was opened by the night shift and closed by number {i * 7}" for i in range(count)]


def test_work_grows_with_the_copies_not_with_their_pairs(tmp_path: Path) -> None:
    """Four times as many variants of a page: about four times the pairs that are compared, and the memory for it."""
    words = invent(random.Random(12), 60)

    def work(count: int) -> tuple[int, int]:
        texts = [" ".join([*words, f"page{i % (count // 2)}"]) for i in range(count)]
        tracemalloc.start()
        found = find(texts, tmp_path / str(count), batch=2_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.unique(found.canonical).size == 1
        return found.counts["near"]["candidate_pairs"], peak

    work(100)  # imports
    (few_pairs, few_bytes), (many_pairs, many_bytes) = work(1_000), work(4_000)
    assert many_pairs < 6 * few_pairs
    assert many_bytes < 6 * few_bytes


@pytest.mark.torture
def test_a_hundred_thousand_copies_of_one_page(tmp_path: Path) -> None:
    """They end under one document, and each was compared with few."""
    page = " ".join(invent(random.Random(13), 150))
    texts = [page if i % 2 else f"{page} page{i}" for i in range(100_000)]
    found = find(texts, tmp_path, batch=5_000)
    assert np.unique(found.canonical).size == 1
    assert found.counts["near"]["candidate_pairs"] < 40 * len(texts)


@pytest.mark.torture
def test_fifty_thousand_lines(tmp_path: Path) -> None:
    """Hardly any one-line document is taken for another, or compared with many."""
    found = find(tickets(50_000), tmp_path, batch=5_000)
    assert (found.relation == 0).mean() > 0.99
    assert found.counts["near"]["candidate_pairs"] < 40 * 50_000


@pytest.mark.torture
def test_memory_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While steps run elsewhere, matching holds less than 200 bytes for each document."""
    monkeypatch.setattr(matching, "SMALL_CHARACTERS", 0)
    count, config = 200_000, Config()
    parts = write_parts(tickets(count), tmp_path, config, 5_000)
    columns = DocumentColumns(
        np.arange(count),
        np.full(count, 60, np.int32),
        np.full(count, "NaT", "datetime64[s]"),
        np.zeros(count, bool),
    )
    (tmp_path / "matching").mkdir()
    workers = Workers()
    tracemalloc.start()
    matching.match(parts, columns, config, workers, tmp_path / "matching")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    workers.pool.shutdown()
    print(f"{peak / count:.0f} bytes a document at the peak")
    assert peak < 200 * count
