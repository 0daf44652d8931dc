"""What is written down about each dropped document: the exact figures, and what the kept one does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup.compare import sentence_text
from pipeline.dedup.coverage import RETOLD_SHARE, Cover, Units, cover, salt
from pipeline.dedup.near import intersections, node_rows
from pipeline.dedup.overlap import read_texts, take_units
from pipeline.dedup.parts import Store, column, load, ranges
from pipeline.dedup.rarity import Rarity
from pipeline.dedup.words import Positions, split

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
    lost, counts, numbers, names = _name_losses(folder, group, place, found, there, x, y)
    union = in_x + in_y - shared
    return pa.table(
        {
            "node": column(nodes),
            "jaccard": column(np.divide(shared, union, out=np.ones(nodes.size), where=union > 0)),
            "coverage": column(there.coverage(RETOLD_SHARE)),
            "coverage_back": column(back.coverage(RETOLD_SHARE)),
            "containment": column(np.divide(shared, in_x, out=np.ones(nodes.size), where=in_x > 0)),
            "shared_shingles": column(shared),
            "lost_sentences": pa.array(lost, pa.list_(pa.string())),
            "lost_sentence_count": pa.array(counts, pa.int32()),
            "lost_numbers": pa.array(numbers, pa.list_(pa.string())),
            "lost_names": pa.array(names, pa.list_(pa.string())),
        }
    )


def _name_losses(
    folder: Path, group: int, place: Positions, found: Units, there: Cover, x: Positions, y: Positions
) -> tuple[list[list[str]], list[int], list[list[str]], list[list[str]]]:
    """For each pair the sentences of x that y lacks (the first), how many, and the numbers and names that y lacks.

    Only the texts of documents that lose something are read.
    """
    pair = np.repeat(np.arange(x.size), np.diff(there.first))
    gone = np.flatnonzero(there.share < RETOLD_SHARE)
    counts = np.bincount(pair[gone], minlength=x.size).tolist()
    mine, mine_pair = _words_of(found, x)
    theirs, their_pair = _words_of(found, y)
    held = np.unique(found.word[theirs] ^ salt(their_pair))
    lacks = (found.number[mine] | found.name[mine]) & ~np.isin(found.word[mine] ^ salt(mine_pair), held)
    some = np.unique(np.concatenate((mine_pair[lacks], pair[gone])))
    lost: list[list[str]] = [[] for _ in range(x.size)]
    numbers: list[list[str]] = [[] for _ in range(x.size)]
    names: list[list[str]] = [[] for _ in range(x.size)]
    words = split(read_texts(folder, group, place[some]))
    number = np.full(x.size, -1)
    number[some] = np.arange(some.size)
    unit = gone - there.first[pair[gone]] + found.first[x[pair[gone]]]
    spans = zip(pair[gone].tolist(), found.start[unit].tolist(), found.end[unit].tolist(), strict=True)
    for i, start, end in spans:
        if len(lost[i]) < LOST_SENTENCES:
            lost[i].append(sentence_text(words, int(number[i]), start, end))
    owner = np.repeat(some, np.diff(words.first))
    marked = np.flatnonzero(words.digit | (words.capital & ~words.opens))
    absent = marked[~np.isin(words.stem[marked] ^ salt(owner[marked]), held)]
    for at, i, is_number in zip(absent.tolist(), owner[absent].tolist(), words.digit[absent].tolist(), strict=True):
        into = (numbers if is_number else names)[i]
        word = words.text[words.start[at] : words.end[at]]
        if len(into) < LOST_WORDS and word not in into:
            into.append(word)
    return lost, counts, numbers, names


def _words_of(found: Units, documents: Positions) -> tuple[Positions, Positions]:
    """The words of some documents, and which of the documents each belongs to."""
    start = found.word_first[found.first[documents]]
    length = found.word_first[found.first[documents + 1]] - start
    return ranges(start, length), np.repeat(np.arange(documents.size), length)
