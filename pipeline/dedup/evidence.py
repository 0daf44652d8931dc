"""What is written down about each dropped document: the exact figures, and what the kept one does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup.coverage import RETOLD_SHARE, cover, units
from pipeline.dedup.near import intersections, node_rows
from pipeline.dedup.overlap import read_texts, take_units
from pipeline.dedup.parts import Store, load
from pipeline.dedup.rarity import Rarity
from pipeline.dedup.words import Words, split

LOST_SENTENCES = 20  # listed of each dropped document; all are counted
LOST_WORDS = 50  # numbers, and names, listed
BLOCK = 1_000  # dropped nodes worked on at a time

SCHEMA = pa.schema(
    [
        ("document", pa.int64()),
        ("canonical", pa.int64()),
        ("relation", pa.string()),
        ("jaccard", pa.float64()),
        ("coverage", pa.float64()),
        ("coverage_back", pa.float64()),
        ("containment", pa.float64()),
        ("shared_shingles", pa.int64()),
        ("lost_sentences", pa.list_(pa.string())),
        ("lost_sentence_count", pa.int32()),
        ("lost_numbers", pa.list_(pa.string())),
        ("lost_names", pa.list_(pa.string())),
        ("cluster", pa.int64()),
        ("why", pa.string()),
    ]
)


def find_losses(folder: Path, group: int) -> pa.Table:
    """Step: the evidence of a group's dropped nodes (`dropped.npy`: node and centre, ascending by node).

    Columns `node`, `jaccard`, `coverage`, `coverage_back`, `containment`, `shared_shingles` and those that name what
    is lost. Both texts are compared as they were cleaned; shingles as in the near step.
    """
    nodes, document = node_rows(folder, group)
    dropped, centre = np.load(folder / "dropped.npy", mmap_mode="r")
    slot = np.searchsorted(nodes, dropped)
    mine = np.zeros(dropped.size, bool)
    inside = slot < nodes.size
    mine[inside] = nodes[slot[inside]] == dropped[inside]
    place = document[slot[mine]]
    order = np.argsort(place)
    mine_nodes, mine_centres, place = dropped[mine][order], centre[mine][order], place[order]
    tables = [
        _losses(folder, group, mine_nodes[i : i + BLOCK], mine_centres[i : i + BLOCK], place[i : i + BLOCK])
        for i in range(0, mine_nodes.size, BLOCK)
    ]
    return pa.concat_tables(tables) if tables else _losses(folder, group, mine_nodes, mine_centres, place)


def _losses(
    folder: Path, group: int, nodes: NDArray[np.int64], centres: NDArray[np.int64], place: NDArray[np.int64]
) -> pa.Table:
    """The evidence of some dropped nodes; `place`: their documents, ascending."""
    both = np.unique(np.concatenate((nodes, centres)))
    found = take_units(Store(folder, "evidence_units"), both)
    rarity = Rarity(load(folder / "rarity", "stem"), load(folder / "rarity", "weight"))
    x, y = np.searchsorted(both, nodes), np.searchsorted(both, centres)
    weights, all_count = rarity.of(found.word), np.ones(found.hash.size, bool)
    there = cover(found, x, y, weights, all_count)
    back = cover(found, y, x, weights, all_count)
    shared, in_x, in_y = intersections(Store(folder, "evidence_shingles"), nodes, centres)
    words = split(read_texts(folder, group, place))
    parts = units(words)
    lost, counts, numbers, names = [], [], [], []
    for i in range(nodes.size):
        gone = np.flatnonzero(there.share[there.first[i] : there.first[i + 1]] < RETOLD_SHARE) + parts.first[i]
        lost.append([_sentence(words, i, int(parts.start[k]), int(parts.end[k])) for k in gone[:LOST_SENTENCES]])
        counts.append(gone.size)
        theirs = found.word[found.word_first[found.first[y[i]]] : found.word_first[found.first[y[i] + 1]]]
        span = slice(int(words.first[i]), int(words.first[i + 1]))
        absent = np.flatnonzero((words.digit[span] | words.capital[span]) & ~np.isin(words.stem[span], theirs))
        absent += span.start
        numbers.append(_words(words, absent[words.digit[absent]]))
        inner = words.capital[absent] & ~words.digit[absent] & ~words.opens[absent]
        names.append(_words(words, absent[inner]))
    union = in_x + in_y - shared
    return pa.table(
        {
            "node": nodes,
            "jaccard": np.divide(shared, union, out=np.ones(nodes.size), where=union > 0),
            "coverage": there.coverage(RETOLD_SHARE),
            "coverage_back": back.coverage(RETOLD_SHARE),
            "containment": np.divide(shared, in_x, out=np.ones(nodes.size), where=in_x > 0),
            "shared_shingles": shared,
            "lost_sentences": pa.array(lost, pa.list_(pa.string())),
            "lost_sentence_count": pa.array(counts, pa.int32()),
            "lost_numbers": pa.array(numbers, pa.list_(pa.string())),
            "lost_names": pa.array(names, pa.list_(pa.string())),
        }
    )


def _words(words: Words, chosen: NDArray[np.int64]) -> list[str]:
    """These words as written, once each, at most `LOST_WORDS`."""
    seen = dict.fromkeys(words.text[words.start[i] : words.end[i]] for i in chosen.tolist())
    return list(seen)[:LOST_WORDS]


def _sentence(words: Words, document: int, start: int, end: int) -> str:
    """The text of a sentence with the stop and quotes that close it."""
    offset = int(words.offset[document])
    close = int(words.offset[document + 1]) if document + 1 < words.offset.size else len(words.text)
    at = offset + end
    while at < close and not words.text[at].isspace() and not words.text[at].isalnum():
        at += 1
    return words.text[offset + start : at].strip()
