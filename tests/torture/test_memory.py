"""What all processes of a run hold together stays as it is while the input grows."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from bench.memory import watched, write_documents
from tests.run.corpora import sentence
from tests.torture.harness import settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PROMISED = 1_500  # MB of RSS, all processes together
A_DOCUMENT = 400  # bytes that the peak of memory grows by for each document, its edges included


def peaks(raw: Path, clean: Path, *options: str) -> dict[str, float]:
    """The peak of each measure over a run, in MB, all processes together."""
    _, looks = watched(raw, clean, ["--workers", "2", "--format", "jsonl", *options], every=0.1)
    return {name: max(held[name] for _, held in looks) for name in looks[0][1]}


def write_short(path: Path, documents: int) -> Path:
    """Many documents of one sentence: what is held for each document shows, what is held of its text does not."""
    rng = random.Random(9)
    path.mkdir()
    with (path / "feed.jsonl").open("w", encoding="utf-8") as feed:
        for number in range(documents):
            feed.write(json.dumps({"text": f"{sentence(rng)} Number {number} of {rng.random()}."}) + "\n")
    return path


def test_memory_does_not_grow_with_documents(tmp_path: Path) -> None:
    """Thirty thousand documents more: less than 1.5 KB for each. Holding them as Python objects takes several."""
    config = str(settings(tmp_path / "small.toml", reading={"batch_bytes": 100_000}))
    few = peaks(write_short(tmp_path / "few", 22_000), tmp_path / "clean-few", "--config", config)
    many = peaks(write_short(tmp_path / "many", 52_000), tmp_path / "clean-many", "--config", config)
    assert many["Rss"] < PROMISED
    assert many["Pss_Anon"] < 1.5 * few["Pss_Anon"]
    assert many["first process"] - few["first process"] < 45, "workers hold a batch each; this one hears of all"


@pytest.mark.torture
def test_two_gigabytes_in_a_gigabyte_and_a_half(tmp_path: Path) -> None:
    """2 GB of JSONL take no more than the promise: what is added for each document is its place in a few arrays."""
    found, documents = {}, {}
    for gigabytes in (0.25, 2):
        raw = tmp_path / f"raw{gigabytes}"
        raw.mkdir()
        documents[gigabytes] = write_documents(raw / "feed.jsonl", gigabytes)
        found[gigabytes] = peaks(raw, tmp_path / f"clean{gigabytes}")
        print(f"{gigabytes} GB, {documents[gigabytes]:,} documents: {found[gigabytes]}")
        (raw / "feed.jsonl").unlink()
    assert found[2]["Rss"] < PROMISED
    added = (found[2]["Pss_Anon"] - found[0.25]["Pss_Anon"]) * 2**20 / (documents[2] - documents[0.25])
    assert added < A_DOCUMENT
