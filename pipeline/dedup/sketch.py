"""What matching needs to know of each document, computed for a batch in the worker that cleaned it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.dedup.lookup import distinct_runs
from pipeline.dedup.minhash import SCHEME, hash32, signatures
from pipeline.dedup.parts import column
from pipeline.dedup.shingles import combine, shingle_starts
from pipeline.dedup.words import Hashes, Positions, Words, normalise, sentence_hashes, sentence_starts, split_chunks

FRAC_WORDS = 2  # a retelling keeps pairs of words where it keeps no run of five


def schema(config: Config) -> pa.Schema:
    """The columns of a sketch; its metadata says how it was made, because hashes do not show it."""
    near, overlap = config.near, config.overlap
    stated = {
        "scheme": SCHEME,
        "permutations": near.permutations,
        "seed": near.seed,
        "shingle_words": near.shingle_words,
        "frac_words": FRAC_WORDS,
        "frac_scale": overlap.scale,
    }
    return pa.schema(
        [
            pa.field("text_hash", pa.binary(16), nullable=False),
            pa.field("signature", pa.list_(pa.uint32(), near.permutations), nullable=False),
            pa.field("shingles", pa.list_(pa.uint64()), nullable=False),
            pa.field("frac", pa.list_(pa.uint64()), nullable=False),
            pa.field("sentences", pa.list_(pa.uint64()), nullable=False),
            pa.field("origins", pa.list_(pa.uint64()), nullable=False),
            pa.field("words", pa.int32(), nullable=False),
        ],
        metadata={name: str(value) for name, value in stated.items()},
    )


def sketch_batch(
    texts: Sequence[str], titles: Sequence[str | None], origins: Sequence[tuple[str, ...]], config: Config
) -> pa.Table:
    """One row for each document of a batch, with the columns of `schema`.

    `text_hash`: 128 bits of the text in NFC, whatever its spaces (of the title, if there is no text).
    `signature`: MinHash, all ones for a document of fewer words than a shingle. `shingles`: distinct, sorted.
    `frac`: FracMinHash (L. Irber et al., "Lightweight compositional analysis of metagenomes", 2022): the distinct
    2-word shingles whose hash lies under 2**64 / `frac_scale`, sorted; none without `overlap.find`.
    `sentences`: one hash a sentence unit. `origins`: a hash of each declared origin (url, videoId, guid, doi).
    `words`: how many.
    """
    near = config.near
    count = len(texts)
    hashes: list[bytes] = []
    chunks = []
    for normal, words in split_chunks(texts):
        hashes += _text_hashes(normal, titles[len(hashes) : len(hashes) + len(normal)], words)
        chunks.append(_sketch_chunk(words, config))
    columns: list[pa.Array] = [pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(b"".join(hashes))])]
    table = np.concatenate([chunk[0] for chunk in chunks]) if chunks else np.zeros((0, near.permutations), np.uint32)
    columns.append(pa.FixedSizeListArray.from_arrays(column(table.reshape(-1)), near.permutations))
    for i in (1, 2, 3):
        values = [chunk[i][0] for chunk in chunks]
        lengths = [chunk[i][1] for chunk in chunks]
        columns.append(_lists(values, lengths, count))
    declared = [
        np.array(sorted({xxhash.xxh3_64_intdigest(o.encode("utf-8", "surrogatepass")) for o in mine}), np.uint64)
        for mine in origins
    ]
    columns.append(_lists(declared, [np.array([len(mine)]) for mine in declared], count))
    lengths_in_words = np.concatenate([chunk[4] for chunk in chunks]) if chunks else np.zeros(0, np.int64)
    columns.append(column(lengths_in_words.astype(np.int32)))
    return pa.Table.from_arrays(columns, schema=schema(config))


def _text_hashes(texts: Sequence[str], titles: Sequence[str | None], words: Words) -> list[bytes]:
    """For each text 128 bits of its characters without the spaces, and of its words: equal for equal texts.

    Taking the spaces out and adding the words is ten times faster than joining the words with single spaces.
    """
    hashes = []
    for i, (text, title) in enumerate(zip(texts, titles, strict=True)):
        said = text.encode("utf-8", "surrogatepass").translate(None, b" \t\n\r\x0b\x0c")
        digest = xxhash.xxh3_128(said or f"\0{normalise(title or '')}".encode("utf-8", "surrogatepass"))
        digest.update(words.hash[words.first[i] : words.first[i + 1]].data)
        hashes.append(digest.digest())
    return hashes


def _lists(values: Sequence[Hashes], lengths: Sequence[Positions], count: int) -> pa.ListArray:
    """A list column from the values of all rows, one after the other, and how many each has."""
    offsets = np.zeros(count + 1, np.int32)
    if lengths:
        np.cumsum(np.concatenate(lengths), out=offsets[1:])
    flat = np.concatenate(values) if values else np.zeros(0, np.uint64)
    return pa.ListArray.from_arrays(column(offsets), column(flat))


_Column = tuple[Hashes, Positions]


def _sketch_chunk(words: Words, config: Config) -> tuple[NDArray[np.uint32], _Column, _Column, _Column, Positions]:
    """Signatures, the list columns (shingles, frac, sentences: values and their number in each row) and word counts."""
    near = config.near
    starts, offset = shingle_starts(words.first, near.shingle_words)
    shingles = combine(words.hash, near.shingle_words)[starts]
    table = signatures(hash32(shingles), offset, near.permutations, near.seed)
    sentences = sentence_starts(words)
    first = np.searchsorted(sentences, words.first)
    return (
        table,
        distinct_runs(shingles, offset),
        _frac(words, config),
        (sentence_hashes(words, sentences), np.diff(first)),
        np.diff(words.first),
    )


def _frac(words: Words, config: Config) -> _Column:
    """The kept 2-word shingles: none where no overlaps are sought."""
    if not config.overlap.find:
        return np.zeros(0, np.uint64), np.zeros(words.first.size - 1, np.int64)
    pairs, offset = shingle_starts(words.first, FRAC_WORDS)
    frac = combine(words.hash, FRAC_WORDS)[pairs]
    low = frac < np.uint64((1 << 64) // config.overlap.scale - 1) if config.overlap.scale > 1 else frac == frac
    return distinct_runs(frac[low], np.concatenate((np.zeros(1, np.int64), np.cumsum(low)))[offset])
