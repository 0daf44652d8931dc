"""What the model sees of a line: its own looks, its neighbours', and where it stands in the document.

Everything is relative and language-neutral where it can be. The main idea beside a line's own features is the
*maximum subsequence segmentation* of Pasternack and Roth (WWW 2009): give each line a score from its own looks, and
find the stretch of lines whose scores sum highest; that is where the article is.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pipeline.stages.boilerplate_phrases import Phrase
from pipeline.stages.lines import Line, trails_off

Floats = NDArray[np.float32]
Phrases = list[Phrase | None]

HEADING_SHARE = 0.5  # a line with this share of words in common with the first line (the page's title) is the headline
MOST_LOOKED_AT = 40  # words of a line that are looked at one by one

OWN = (
    "words",
    "characters",
    "stopped",
    "trails",
    "colon",
    "question",
    "commas",
    "function_share",
    "capital_share",
    "digit_share",
    "marks",
    "phrase",
    "sign",
    "word_weight",
    "bad_words",
    "gap",
    "listed",
    "copies",
    "lower_start",
    "address",
    "prose",
    "topic_share",
    "topic_depth",
    "heading_share",
)
AROUND = ("words", "stopped", "function_share", "capital_share", "sign", "word_weight", "gap", "prose")
OFFSETS = (-3, -2, -1, 1, 2, 3)
WINDOWS = (4, 10)
WINDOWED = ("prose", "sign", "word_weight", "function_share", "copies", "topic_share")

_MARKS = "|»·›©"
_first = itemgetter(0)


@cache
def function_words() -> frozenset[str]:
    """The function words of all languages together."""
    text = files("pipeline.stages").joinpath("phrases", "function_words.toml").read_text(encoding="utf-8")
    return frozenset(word for words in tomllib.loads(text).values() for word in words.split())


def own_features(lines: list[Line], phrases: Phrases, weights: dict[str, float]) -> Floats:
    """One row a line, one column for each name in `OWN`. `phrases` holds the phrase that each line is, or None."""
    common = function_words()
    is_common = common.__contains__
    copies: dict[str, int] = {}
    topics: dict[str, int] = {}  # in how many lines of prose a longer word stands
    own_topics = []
    for line in lines:
        copies[line.shown] = copies.get(line.shown, 0) + 1
        own = {word for word in line.words[:MOST_LOOKED_AT] if len(word) > 3 and word not in common}
        own_topics.append(own)
        if line.is_prose:
            for word in own:
                topics[word] = topics.get(word, 0) + 1
    heading = own_topics[0] if lines else set()
    rows = []
    before = -1
    for line, own, phrase in zip(lines, own_topics, phrases, strict=True):
        shown, words, size, prose = line.shown, line.words[:MOST_LOOKED_AT], line.size, line.is_prose
        count = len(words) or 1
        last = shown[-1]
        found = [weights[word] for word in words if word in weights]
        alone = 1 if prose else 0
        elsewhere = [topics.get(word, 0) - alone for word in own]
        weight = sum(found) / (len(found) + 1.0)
        size = size if size * 12 >= len(shown) else len(shown) // 6
        rows.append(
            (
                min(size, 120),
                min(len(shown), 600),
                line.stopped,
                trails_off(shown),
                last == ":",
                last == "?",
                min(shown.count(","), 10),
                sum(map(is_common, words)) / count,
                sum(map(str.isupper, map(_first, shown.split(None, MOST_LOOKED_AT)[:MOST_LOOKED_AT]))) / count,
                sum(map(str.isdigit, map(_first, words))) / count,
                sum(map(shown.count, _MARKS)) if not shown.isascii() else shown.count("|"),
                phrase is not None and phrase.where != "sign",
                phrase is not None,
                weight,
                sum([value for value in found if value < -0.5]),
                min(line.number - before - 1, 4),
                shown[0] in "-*•‣·+" or (shown[0].isdigit() and shown[1:3].strip(" 0123456789")[:1] in (".", ")")),
                min(copies[shown], 6),
                shown[0].islower(),
                "@" in shown or "://" in shown or "www." in shown,
                min(size, 80) if prose else 0,
                len([1 for lines_of in elsewhere if lines_of > 0]) / (len(own) + 1.0),
                sum([lines_of if lines_of < 8 else 8 for lines_of in elsewhere]) / (len(own) + 1.0),
                len(own & heading) / (len(own | heading) + 1.0),
            )
        )
        before = line.number
    return np.array(rows, dtype=np.float32).reshape(len(lines), len(OWN))


def _shifted(column: Floats, offset: int) -> Floats:
    """The column seen from `offset` lines away; -1 beyond the ends."""
    result = np.full_like(column, -1)
    if offset > 0:
        result[:-offset] = column[offset:]
    else:
        result[-offset:] = column[:offset]
    return result


def _window(column: Floats, half: int) -> Floats:
    """Mean over the `half` lines on either side and the line itself."""
    total = np.concatenate(([0], np.cumsum(column, dtype=np.float64)))
    at = np.arange(len(column))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(column))
    means: Floats = ((total[high] - total[low]) / (high - low)).astype(np.float32)
    return means


def best_stretch(scores: Floats) -> tuple[int, int]:
    """Start and end (not included) of the stretch with the highest sum; `(0, 0)` where no score is above 0.

    >>> best_stretch(np.array([-1, 2, -1, 3, -4, 1], dtype=np.float32))
    (1, 4)
    """
    total = np.concatenate(([0.0], np.cumsum(scores, dtype=np.float64)))
    lowest = np.minimum.accumulate(total)
    end = int(np.argmax(total - lowest))
    if total[end] <= lowest[end]:
        return 0, 0
    start = int(np.argmin(total[: end + 1]))
    return start, end


def context_features(own: Floats, local: Floats) -> Floats:
    """Columns that place each line: neighbours, windows, the best stretch, and the document as a whole.

    `own` is from `own_features`; `local` the log-odds that each line is content, by its own looks and near neighbours.
    """
    count = len(own)
    index = np.arange(count, dtype=np.float32)
    words = own[:, 0]
    columns = [own, local[:, None]]
    columns += [_shifted(local, offset)[:, None] for offset in (-2, -1, 1, 2)]
    columns += [_window(local, half)[:, None] for half in (2, 5, 12)]
    weighed = local * np.sqrt(np.minimum(words, 60))
    start, end = best_stretch(weighed)
    like_heading = np.flatnonzero(own[1:, OWN.index("heading_share")] >= HEADING_SHARE) + 1
    before_start = like_heading[like_heading <= max(start, 1) + 3]
    headline = int(before_start[-1]) if len(before_start) else -30
    prose = own[:, OWN.index("prose")]
    total = np.cumsum(prose)
    everything = max(float(total[-1]), 1.0)
    is_prose = prose > 0
    last = np.maximum.accumulate(np.where(is_prose, index, -50))
    following = np.minimum.accumulate(np.where(is_prose, index, count + 50)[::-1])[::-1]
    columns.append(
        np.stack(
            [
                np.clip(index - start, -40, 40),
                np.clip(end - 1 - index, -40, 40),
                (index >= start) & (index < end),
                np.full(count, (end - start) / count),
                np.clip(index - headline, -30, 60),
                total / everything,
                np.minimum(total, 2000),
                np.minimum(everything - total, 2000),
                np.minimum(index - last, 40),
                np.minimum(following - index, 40),
                index / count,
                np.minimum(index, 60),
                np.minimum(count - index, 60),
                np.full(count, min(count, 800)),
                np.full(count, everything / count),
                np.full(count, min(everything, 4000)),
                np.full(count, float(own[:, OWN.index("sign")].mean())),
                np.full(count, float(own[:, OWN.index("sign")].sum())),
                np.full(count, float(is_prose.mean())),
                np.full(count, float(local.mean())),
            ],
            axis=1,
        ).astype(np.float32)
    )
    for name in ("words", "gap", "sign", "word_weight", "stopped", "copies", "capital_share", "topic_share"):
        column = own[:, OWN.index(name)]
        columns += [_shifted(column, offset)[:, None] for offset in (-1, 1)]
    columns.append(_window(own[:, OWN.index("sign")], 8)[:, None])
    columns.append(_window(words, 8)[:, None])
    columns.append(_window(own[:, OWN.index("topic_share")], 3)[:, None])
    columns.append(_window(prose, 3)[:, None])
    return np.concatenate(columns, axis=1)


def near_features(own: Floats) -> Floats:
    """What the first, linear model sees: squashed columns of the line and of three lines on either side."""
    squashed = own.copy()
    for name, scale in (("words", 4.0), ("characters", 20.0), ("prose", 4.0)):
        at = OWN.index(name)
        squashed[:, at] = np.log1p(own[:, at] / scale)
    columns = [squashed, (own[:, :1] == 1), (own[:, :1] <= 3), (own[:, :1] >= 10) * squashed[:, 7:8]]
    for name in AROUND:
        column = squashed[:, OWN.index(name)]
        columns += [_shifted(column, offset)[:, None] for offset in OFFSETS]
    for name in WINDOWED:
        columns += [_window(squashed[:, OWN.index(name)], half)[:, None] for half in WINDOWS]
    return np.concatenate(columns, axis=1).astype(np.float32)
