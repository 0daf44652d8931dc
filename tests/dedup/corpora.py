"""Made-up corpora and a matching without worker processes, for the tests of `pipeline.dedup`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.dedup import DocumentColumns, Matching, SketchPart, match, sketch_batch

WORD = re.compile(r"\w+")


class Here:
    """Runs every step in this process, in turn."""

    def map(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Call `function` with each tuple of arguments."""
        return (function(*some) for some in arguments)


def write_parts(
    texts: Sequence[str], folder: Path, config: Config, batch: int = 100, origins: Sequence[str | None] | None = None
) -> list[SketchPart]:
    """Sketch `texts` in batches and write sketch and document files, as a run does."""
    parts = []
    for number, low in enumerate(range(0, len(texts), batch)):
        some = list(texts[low : low + batch])
        declared = [(name,) if name else () for name in (origins or [None] * len(texts))[low : low + batch]]
        table = sketch_batch(some, [None] * len(some), declared, config)
        sketch, documents = folder / f"sketch-{number}.arrow", folder / f"documents-{number}.parquet"
        with pa.OSFile(str(sketch), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        names = [str(low + i) for i in range(len(some))]
        pq.write_table(pa.table({"source": names, "title": [None] * len(some), "text": some}), documents)
        parts.append(SketchPart(str(sketch), str(documents)))
    return parts


def find(
    texts: Sequence[str],
    folder: Path,
    config: Config | None = None,
    *,
    order: Sequence[int] | None = None,
    batch: int = 100,
    dates: Sequence[str] | None = None,
    published: Iterable[int] = (),
    origins: Sequence[str | None] | None = None,
    **decisions: Any,
) -> Matching:
    """Match `texts`, ranked as they stand; `order` says in which order they lie in the parts."""
    config = config or Config()
    order = list(order) if order is not None else list(range(len(texts)))
    folder.mkdir(parents=True, exist_ok=True)
    listed = [origins[i] for i in order] if origins else None
    parts = write_parts([texts[i] for i in order], folder, config, batch, listed)
    rank = np.array(order, np.int64)
    date = np.array([(dates[i] if dates else "NaT") for i in order], "datetime64[s]")
    columns = DocumentColumns(
        rank,
        np.array([len(texts[i]) for i in order], np.int32),
        date,
        np.isin(rank, np.array(sorted(published), np.int64)),
    )
    scratch = folder / "matching"
    scratch.mkdir()
    values = {"never": set(), "always": set(), "prefer": set(), **decisions}
    return match(parts, columns, config, Here(), scratch, values["never"], values["always"], values["prefer"])


def shingles(text: str, size: int = 5) -> frozenset[tuple[str, ...]]:
    """The word shingles of a text by the textbook, one tuple at a time."""
    words = WORD.findall(text.lower())
    return frozenset(tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1)))


def jaccard(a: str, b: str) -> float:
    """The textbook's Jaccard of two texts."""
    one, other = shingles(a), shingles(b)
    return len(one & other) / len(one | other)


def invent(rng: random.Random, words: int, vocabulary: int = 3_000) -> list[str]:
    """Words that no other invented text shares many runs of."""
    return [f"w{int(vocabulary ** rng.random())}" for _ in range(words)]


def edited(rng: random.Random, words: list[str], changes: int) -> list[str]:
    """The words with some of them replaced."""
    copy = list(words)
    for _ in range(changes if words else 0):
        copy[rng.randrange(len(copy))] = f"x{rng.randrange(10**9)}"
    return copy
