"""The fitted model: how likely each line of a page is content.

A logistic regression scores every line by itself and its near neighbours; boosted trees then see those scores in place.
Weights come from `weights.json`, written by `bench/fit_boilerplate.py`; nothing but numpy is needed to use them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pipeline.stages.boilerplate_features import (
    Floats,
    Phrases,
    best_stretch,
    context_features,
    near_features,
    own_features,
)
from pipeline.stages.lines import Line

MOST_ODDS = 6.0  # the first model's log-odds are cut here; beyond it is sure anyway
MOST_COUNTED_WORDS = 60  # a longer line counts no more in a stretch
ONE_STRETCH = 0.7  # share of what the trees like that makes a page one article
FAR_ONE, FAR_MANY = 1.0, 0.1  # discount a natural logarithm of the distance in lines; fitted on held-out pages
BLOCK = 2_000  # lines that go through the trees at a time: bounds memory on huge files


@dataclass(frozen=True)
class Model:
    """Weights of both models.

    All trees are one flat list of nodes: the right child is the one after the left; a leaf is its own left child.
    """

    words: dict[str, float]
    coefficients: Floats
    intercept: float
    baseline: float
    depth: int
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    left: NDArray[np.int32]
    value: Floats


@cache
def load_model() -> Model:
    """The weights that are shipped."""
    raw = json.loads(files("pipeline.stages").joinpath("weights.json").read_text(encoding="utf-8"))
    return Model(
        words=raw["words"],
        coefficients=np.array(raw["coefficients"], dtype=np.float32),
        intercept=raw["intercept"],
        baseline=raw["baseline"],
        depth=raw["depth"],
        roots=np.array(raw["roots"], dtype=np.int32),
        feature=np.array(raw["feature"], dtype=np.int32),
        threshold=np.array(raw["threshold"], dtype=np.float32),
        left=np.array(raw["left"], dtype=np.int32),
        value=np.array(raw["value"], dtype=np.float32),
    )


def content_odds(lines: list[Line], phrases: Phrases) -> Floats:
    """Log-odds that each line is content, shape `(len(lines),)`; above 0 is more likely content than not."""
    if not lines:
        return np.zeros(0, dtype=np.float32)
    model = load_model()
    own = own_features(lines, phrases, model.words)
    local = near_features(own) @ model.coefficients + np.float32(model.intercept)
    features = context_features(own, np.clip(local, -MOST_ODDS, MOST_ODDS))
    pieces = [_boosted(model, features[start : start + BLOCK]) for start in range(0, len(features), BLOCK)]
    return discounted(np.concatenate(pieces), own[:, 0])


def discounted(odds: Floats, words: Floats) -> Floats:
    """Log-odds less a discount that grows with the distance from the best stretch of lines.

    An article is one stretch: what the trees like far below it is mostly the beginning of another one. Where the
    stretch does not hold most of what they like (a forum, a listing) distance says little, and the discount is small.
    """
    scores = odds * np.sqrt(np.minimum(words, MOST_COUNTED_WORDS))
    start, end = best_stretch(scores)
    liked = np.maximum(scores, 0)
    whole = float(liked.sum())
    one = whole > 0 and float(liked[start:end].sum()) > ONE_STRETCH * whole
    index = np.arange(len(odds))
    distance = np.maximum(np.maximum(start - index, index - end + 1), 0)
    return (odds - (FAR_ONE if one else FAR_MANY) * np.log1p(distance)).astype(np.float32)


def _boosted(model: Model, features: Floats) -> Floats:
    """Sum of the trees' leaf values for each row, all trees and rows walked together level by level."""
    count, width = features.shape
    flat = np.ascontiguousarray(features, dtype=np.float32).ravel()
    row = (np.arange(count, dtype=np.int32) * width)[:, None]
    at = np.broadcast_to(model.roots, (count, len(model.roots)))
    for _ in range(model.depth):
        seen = flat.take(model.feature.take(at) + row)
        at = model.left.take(at) + (seen > model.threshold.take(at))
    odds: Floats = (model.value.take(at).sum(axis=1) + np.float32(model.baseline)).astype(np.float32)
    return odds
