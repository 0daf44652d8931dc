"""What the tests of whole runs share."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.config import make_config
from pipeline.run import run
from tests.run.corpora import write_corpus

os.environ.setdefault("DO_NOT_TRACK", "1")


@pytest.fixture(scope="session")
def raw(tmp_path_factory) -> Path:
    """A mixed corpus; no test changes it."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "raw")


@pytest.fixture
def cleaned(tmp_path):
    """A function that runs RAW into a CLEAN folder under tmp_path and gives that folder."""

    def clean(raw: Path, name: str = "clean", workers: int = 2, **settings) -> Path:
        run(str(raw), str(tmp_path / name), make_config(settings), workers=workers)
        return tmp_path / name

    return clean


@pytest.fixture(scope="session")
def once(raw, tmp_path_factory) -> Path:
    """The corpus cleaned once with default settings; no test changes it."""
    clean = tmp_path_factory.mktemp("once") / "clean"
    run(str(raw), str(clean), make_config({}), workers=2)
    return clean


def rows(clean: Path, table: str = "manifest") -> list[dict]:
    """A published table."""
    return pq.read_table(clean / f"{table}.parquet").to_pylist()
