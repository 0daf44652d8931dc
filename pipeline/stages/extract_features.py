"""Numbers that tell content from the rest: for each block of a page, under names that the model asks for.

Four sorts: what a block's text says by itself, where it stands, what its neighbours are, and how far another extractor
(the voter) took it, its neighbours and the boxes around it for content. All are plain measures of one page; nothing
is remembered from another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stages.extract_blocks import HINTS, INVISIBLE, PLACES, Block, Page

Column = NDArray[np.floating[Any]]
Index = NDArray[np.int64]

KINDS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "pre", "blockquote", "tr", "dt", "dd")
_HEADINGS = frozenset(KINDS[1:7])
_SENTENCE = re.compile(r"[.!?…。！？:;]['\"’”)\]]*(?:\s|$)")
_END = re.compile(r"[.!?…。！？]['\"’”)\]]*$")
_WORD = re.compile(r"\w+")
SAMPLE = 2_000  # characters of a block that are looked at: its manner does not change after that
SHORT = 4  # a block of fewer words may stand in another text by chance: it must be a line of its own there
NEAR = 3  # blocks on each side that count as the neighbourhood
PICKED_WORDS = 8  # a block of more words that the voter chose marks where the voter's text begins and ends


def features(page: Page, chosen: str, types: Iterable[str] = ()) -> dict[str, Column]:
    """Name → one number for each of the page's N blocks, float32 (N,). Raises ValueError for a page without blocks.

    `chosen` is the voter's text of the same page; `types` are the schema.org types that the page declares.
    """
    if not page.blocks:
        raise ValueError("a page without blocks has no features")
    words = _column(block.words for block in page.blocks)
    linked = _column(block.linked for block in page.blocks)
    votes = vote(page.blocks, chosen)
    boxes = _Boxes(page)
    columns = _own(page.blocks, words, linked)
    columns |= _position(page.blocks, words, linked)
    columns |= _surroundings(boxes, words)
    columns |= _alike(_places(page), words, linked, votes)
    columns |= _votes(boxes, words, votes)
    for way, step in (("before", 1), ("after", -1)):
        for name in ("words", "ends_sentence", "kind"):
            columns[f"{way}_{name}"] = _shift(columns[name], step)
    columns |= _names(page, boxes)
    for name, declared in declared_kind(types).items():
        columns[name] = np.full(len(words), declared, dtype=np.float32)
    return columns


def _column(values: Iterable[float]) -> Column:
    return np.array(list(values), dtype=np.float32)


def _own(blocks: Sequence[Block], words: Column, linked: Column) -> dict[str, Column]:
    """What the text of a block says by itself. Counts are logarithmic."""
    sizes = _column(len(block.text) for block in blocks)
    samples = [block.text[:SAMPLE] for block in blocks]
    seen = Counter(block.text for block in blocks)
    kinds = {kind: number for number, kind in enumerate(KINDS)}
    return {
        "words": np.log1p(words),
        "link_share": linked / np.maximum(words, 1),
        "length": np.log1p(sizes),
        "word_length": sizes / np.maximum(words, 1),
        "sentences": np.log1p(_column(len(_SENTENCE.findall(sample)) for sample in samples)),
        "ends_sentence": _column(_END.search(block.text) is not None for block in blocks),
        "digit_share": _column(sum(map(str.isdigit, sample)) / len(sample) for sample in samples),
        "upper_share": _column(sum(map(str.isupper, sample)) / len(sample) for sample in samples),
        "comma_share": _column(sample.count(",") for sample in samples) / np.maximum(words, 1),
        "same_text": _column(seen[block.text] for block in blocks),
        "level": _column(block.level for block in blocks),
        "kind": _column(kinds.get(block.kind, -1) for block in blocks),
    }


def _position(blocks: Sequence[Block], words: Column, linked: Column) -> dict[str, Column]:
    """Where on the page a block stands, and what page it is."""
    count, total = len(blocks), max(float(words.sum()), 1.0)
    order = np.arange(count, dtype=np.float32)
    page = {"page_words": np.log1p(total), "page_blocks": np.log1p(count), "page_links": float(linked.sum()) / total}
    return {
        "position": order / count,
        "from_end": (count - order) / count,
        "words_before": (np.cumsum(words) - words) / total,
        "since_heading": _since(np.array([block.kind in _HEADINGS for block in blocks])),
        "since_h1": _since(np.array([block.kind == "h1" for block in blocks])),
    } | {name: np.full(count, value, dtype=np.float32) for name, value in page.items()}


class _Boxes:
    """The page's boxes as columns, and for each block the boxes around it that hold more than it.

    A box with one block in it says nothing new: `parent` is the first that holds more, `grand` the first that holds
    more than that, `great` the next.
    """

    def __init__(self, page: Page) -> None:
        boxes = page.boxes
        self.home: Index = np.array([block.box for block in page.blocks], dtype=np.int64)
        self.above: Index = np.array([max(box.parent, 0) for box in boxes], dtype=np.int64)
        self.words = _column(box.words for box in boxes)
        self.linked = _column(box.linked for box in boxes)
        self.blocks = _column(box.blocks for box in boxes)
        self.depth = _column(box.depth for box in boxes)
        self.parent = self._wider(self.home, np.ones(len(self.home), dtype=np.float32))
        self.grand = self._wider(self.above[self.parent], self.blocks[self.parent])
        self.great = self._wider(self.above[self.grand], self.blocks[self.grand])

    def _wider(self, start: Index, least: Column) -> Index:
        """From each box in `start` up to the first that holds more blocks than `least`; box 0 holds all."""
        at = start.copy()
        while (move := (self.blocks[at] <= least) & (at > 0)).any():
            at = np.where(move, self.above[at], at)
        return at

    def sums(self, values: Column) -> Column:
        """For each box the sum of `values` (one a block) over the blocks in it, however deep."""
        totals = np.zeros(len(self.words), dtype=np.float64)
        np.add.at(totals, self.home, values)
        collected = totals.tolist()
        above = self.above.tolist()
        for number in range(len(collected) - 1, 0, -1):  # a box stands behind the box it is in
            collected[above[number]] += collected[number]
        return _column(collected)


def _surroundings(boxes: _Boxes, words: Column) -> dict[str, Column]:
    """How much text and how many links the boxes around a block hold."""
    columns = {"depth": boxes.depth[boxes.home], "main_share": boxes.words[boxes.great] / max(float(words.sum()), 1.0)}
    for name, box in (("parent", boxes.parent), ("grand", boxes.grand), ("great", boxes.great)):
        columns[f"{name}_words"] = np.log1p(boxes.words[box])
        columns[f"{name}_links"] = boxes.linked[box] / np.maximum(boxes.words[box], 1)
        columns[f"{name}_blocks"] = np.log1p(boxes.blocks[box])
    return columns


def _alike(places: Index, words: Column, linked: Column, votes: Column) -> dict[str, Column]:
    """Of all blocks that stand in boxes called alike: how many, how long, how many links, how far voted for."""
    count = np.bincount(places)
    total = np.maximum(np.bincount(places, words), 1)
    columns = {
        "same_place": np.log1p(count),
        "same_place_words": np.log1p(np.bincount(places, words) / count),
        "same_place_links": np.bincount(places, linked) / total,
        "vote_same_place": np.bincount(places, words * votes) / total,
    }
    return {name: column[places].astype(np.float32) for name, column in columns.items()}


def _votes(boxes: _Boxes, words: Column, votes: Column) -> dict[str, Column]:
    """How far the voter chose a block, its neighbours, the boxes around it and the page."""
    order, voted = np.arange(len(words)), words * votes
    share = boxes.sums(voted) / np.maximum(boxes.words, 1)
    picked = np.flatnonzero((votes > 0.5) & (words > PICKED_WORDS))
    span = np.zeros(len(words)) if not len(picked) else (order > picked[-1]) * 1.0 - (order < picked[0])
    return {
        "vote": votes,
        "vote_before": _shift(votes, 1),
        "vote_after": _shift(votes, -1),
        "vote_near": _window(voted) / np.maximum(_window(words), 1),
        "vote_parent": share[boxes.parent],
        "vote_grand": share[boxes.grand],
        "vote_great": share[boxes.great],
        "vote_page": np.full(len(words), voted.sum() / max(float(words.sum()), 1.0), dtype=np.float32),
        "vote_span": span.astype(np.float32),  # -1 before the voter's text, 1 behind it
    }


def _names(page: Page, boxes: _Boxes) -> dict[str, Column]:
    """What the tags and names of the boxes around a block speak of: 0 or 1."""
    bits = np.array([box.bits for box in page.boxes], dtype=np.int64)[boxes.home]
    names = [*(f"in_{name}" for name in HINTS), *(f"in_tag_{name}" for name in PLACES)]
    columns = {name: ((bits >> number) & 1).astype(np.float32) for number, name in enumerate(names)}
    return columns | {"in_invisible": ((bits & INVISIBLE) != 0).astype(np.float32)}


def declared_kind(types: Iterable[str]) -> dict[str, float]:
    """Whether the page declares itself an article, a product, a thread: 0 or 1.

    >>> declared_kind({"NewsArticle", "Organization"})
    {'is_article': 1.0, 'is_product': 0.0, 'is_thread': 0.0}
    """
    declared = {kind.lower() for kind in types}
    return {
        "is_article": float(any("article" in kind or "posting" in kind for kind in declared)),
        "is_product": float(any(kind.startswith(("product", "og:product", "offer")) for kind in declared)),
        "is_thread": float(any(kind in ("discussionforumposting", "qapage") for kind in declared)),
    }


def vote(blocks: Sequence[Block], chosen: str) -> Column:
    """For each block how much of it stands in `chosen`: 0, one half or 1; a short one only as a line of its own.

    >>> page = [Block("It rained all day.", "p", 0, 4, 0), Block("Home", "li", 0, 1, 1)]
    >>> vote(page, "It rained all day. Nobody stayed at home.").tolist()
    [1.0, 0.0]
    """
    flat = " ".join(["", *_WORD.findall(chosen.lower()), ""])
    lines = {" ".join(_WORD.findall(line.lower())) for line in chosen.splitlines()}
    shares = np.zeros(len(blocks), dtype=np.float32)
    for number, block in enumerate(blocks):
        found = _WORD.findall(block.text.lower())
        if len(found) < SHORT:
            shares[number] = bool(found) and " ".join(found) in lines
        else:
            halves = (found[: len(found) // 2], found[len(found) // 2 :])
            shares[number] = sum(f" {' '.join(half)} " in flat for half in halves) / 2
    return shares


def _places(page: Page) -> Index:
    """A number for each block: the same for blocks whose kind and boxes are called alike, three levels up."""
    seen: dict[tuple[str, ...], int] = {}
    paths: dict[int, tuple[str, ...]] = {}
    numbers = []
    for block in page.blocks:
        if (path := paths.get(block.box)) is None:
            names, at = [], block.box
            for _ in range(3):
                names += [page.boxes[at].tag, page.boxes[at].name]
                at = max(page.boxes[at].parent, 0)
            path = paths[block.box] = tuple(names)
        numbers.append(seen.setdefault((block.kind, *path), len(seen)))
    return np.array(numbers, dtype=np.int64)


def _window(values: Column) -> Column:
    """For each row the sum of the rows at most NEAR away, itself too."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    order = np.arange(len(values))
    until, since = np.minimum(order + NEAR + 1, len(values)), np.maximum(order - NEAR, 0)
    near: Column = (sums[until] - sums[since]).astype(np.float32)
    return near


def _since(marks: NDArray[np.bool_]) -> Column:
    """Blocks since the last mark, logarithmic; -1 before the first."""
    order = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, order, -1))
    return np.where(last >= 0, np.log1p(order - last), -1.0).astype(np.float32)


def _shift(values: Column, step: int) -> Column:
    """`values` moved by `step` rows; 0 where nothing moves in."""
    moved = np.zeros_like(values)
    if step > 0:
        moved[step:] = values[:-step]
    else:
        moved[:step] = values[-step:]
    return moved
