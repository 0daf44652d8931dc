"""Corpora and reports that the tests of report and review share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import open_browser
from tests.report.corpus import make_corpus, write_generation
from tests.report.made import make_report


@pytest.fixture(scope="module")  # not longer: while it is open, asyncio is taken in this thread
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def hostile_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published CLEAN folder whose every string tries to get out."""
    clean = tmp_path_factory.mktemp("hostile")
    corpus = make_corpus(60, seed=3, hostile=True)
    make_report(write_generation(clean, corpus), corpus)
    return clean


@pytest.fixture(scope="session")
def tame_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published CLEAN folder of 400 documents."""
    clean = tmp_path_factory.mktemp("tame")
    corpus = make_corpus(400, seed=5)
    make_report(write_generation(clean, corpus), corpus)
    return clean
