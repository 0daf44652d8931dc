"""How likely each block is content: a forest of small decision trees over `extract_features`.

The trees are fitted with LightGBM by `bench/extraction.py fit` and stored in `extract_<voter>.json`; they are read
here with numpy alone. All trees are gone through at once, as in QuickScorer (Lucchese et al., SIGIR 2015): each
condition that fails rules out the leaves on its left, and the first leaf left over is the one reached.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stages.extract_features import Column

LEAVES = 16  # leaves of one tree at most: one bit each of an unsigned 16-bit number
# Measured on held-out pages; see docs/extraction.md. Where the best expected F1 is above CLEAR, a doubtful block is
# more likely a caption of a teaser than content: F-beta then leans to precision.
CLEAR = 0.8
CLEAR_BETA = 0.6
AGREEMENT = 0.5  # share of the chosen words that the voter chose too
SURE = 0.8
ROWS = 512  # blocks scored at a time, which bounds memory: 512 rows × 1,700 conditions × 2 bytes ≈ 2 MB


@dataclass(frozen=True, slots=True)
class Forest:
    """Conditions (`features[column] > threshold`) of all trees, tree after tree.

    `names` are the features asked for; `column` int64 (C,) says which of them, `threshold` float32 (C,),
    `keep` uint16 (C,): the leaves still possible when the condition holds;
    `starts` int64 (T,): the first condition of each tree; `values` float64 (T, LEAVES).
    """

    names: tuple[str, ...]
    column: NDArray[np.int64]
    threshold: NDArray[np.float32]
    keep: NDArray[np.uint16]
    starts: NDArray[np.int64]
    values: NDArray[np.float64]

    def score(self, columns: Mapping[str, Column]) -> NDArray[np.float64]:
        """The probability of content, float64 (N,), for the features of N blocks. Raises KeyError if one is missing."""
        table = np.stack([columns[name] for name in self.names], axis=1)
        return np.concatenate([self._score(table[at : at + ROWS]) for at in range(0, len(table), ROWS)])

    def _score(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        fails = table[:, self.column] > self.threshold
        left = np.where(fails, self.keep, np.uint16(0xFFFF))
        reached = _lowest_bit()[np.bitwise_and.reduceat(left, self.starts, axis=1)]
        total = self.values[np.arange(len(self.starts)), reached].sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-total)), dtype=np.float64)


def choose(scores: NDArray[np.float64], sizes: NDArray[np.float32], beta: float = 1.0) -> NDArray[np.bool_]:
    """Which blocks to keep: the set whose expected F-beta, over words, is best.

    `scores` are probabilities of content, float64 (N,), `sizes` the blocks' words, float32 (N,). The best set is always
    the k likeliest (Lewis, SIGIR 1995), so one sort finds it. A page that is hard to read keeps its doubtful blocks,
    where a fixed threshold would leave next to nothing of it.

    >>> choose(np.array([0.9, 0.3, 0.1]), np.array([50.0, 20.0, 30.0])).tolist()
    [True, False, False]
    >>> choose(np.array([0.2, 0.3, 0.1]), np.array([50.0, 20.0, 30.0])).tolist()
    [True, True, False]
    """
    order = np.argsort(-scores, kind="stable")
    found, taken = np.cumsum((scores * sizes)[order]), np.cumsum(sizes[order])
    if (2 * found / (found[-1] + taken + 1e-9)).max() > CLEAR:
        beta *= CLEAR_BETA
    expected = found / (beta**2 * found[-1] + taken + 1e-9)
    keep = np.zeros(len(scores), dtype=np.bool_)
    keep[order[: int(expected.argmax()) + 1]] = True
    return keep


def agree(
    keep: NDArray[np.bool_], votes: Column, scores: NDArray[np.float64], sizes: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Of `keep`, what the voter takes too or the model is sure of, if they agree on most of it; else `keep`.

    For pages that declare themselves articles, which is what the voter was made for.
    """
    both = keep & (votes > 0)
    if sizes[both].sum() <= AGREEMENT * sizes[keep].sum():
        return keep
    return both | (keep & (scores > SURE))


@lru_cache(maxsize=1)
def _lowest_bit() -> NDArray[np.uint8]:
    """For each 16-bit number the position of its lowest bit that is set."""
    table = np.zeros(1 << LEAVES, dtype=np.uint8)
    for bit in reversed(range(LEAVES)):
        table[(np.arange(1 << LEAVES) >> bit) & 1 == 1] = bit
    return table


@lru_cache(maxsize=4)
def load_forest(voter: str) -> Forest:
    """The forest fitted with the vote of `voter`."""
    stored = json.loads(Path(__file__).with_name(f"extract_{voter}.json").read_text(encoding="utf-8"))
    return make_forest(stored)


def make_forest(stored: dict[str, Any]) -> Forest:
    """A forest from `{"features": [names], "trees": [tree, …]}`.

    A tree is a leaf's value or `[feature, threshold, tree where ≤, tree where >]`.
    """
    column: list[int] = []
    threshold: list[float] = []
    keep: list[int] = []
    starts: list[int] = []
    values = np.zeros((len(stored["trees"]), LEAVES))
    for number, tree in enumerate(stored["trees"]):
        starts.append(len(column))
        leaves = 0
        # Leaves from left to right; an entry is a tree, or a condition that waits for its left side to be done.
        waiting: list[tuple[Any, int | None]] = [(tree, None)]
        while waiting:
            node, at = waiting.pop()
            if at is not None:  # the left side of condition `at` had the leaves from `node` to here
                keep[at] = 0xFFFF ^ ((1 << leaves) - (1 << node))
            elif isinstance(node, list):
                name, limit, low, high = node
                column.append(name)
                threshold.append(limit)
                keep.append(0)
                waiting += [(high, None), (leaves, len(column) - 1), (low, None)]
            else:
                values[number, leaves] = node
                leaves += 1
    return Forest(
        tuple(stored["features"]),
        np.array(column, dtype=np.int64),
        np.array(threshold, dtype=np.float32),
        np.array(keep, dtype=np.uint16),
        np.array(starts, dtype=np.int64),
        values,
    )
