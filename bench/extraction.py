"""Extraction: F1 by page type and pages a second, ours against plain `trafilatura.extract` in the same process.

    python bench/extraction.py DATA                     measure both extractors
    python bench/extraction.py DATA --every 8           … on every eighth page
    python bench/extraction.py DATA --fit trafilatura   fit pipeline/stages/extract_trafilatura.json again

DATA is a folder with `html/<id>.html` and `gold.jsonl`, a line a page: `id`, `gold` (the text wanted) and, if known,
`page_type`. Fitting needs LightGBM (`pip install clean-corpus[bench]`), prints what five-fold cross-validation over
pages gives, and must never be run on a set that is used for measuring.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trafilatura
from numpy.typing import NDArray

from pipeline.config import Extract
from pipeline.document import Document
from pipeline.errors import DocumentError
from pipeline.stages import extract, extract_model
from pipeline.stages.extract_features import Column, features
from pipeline.stages.extract_metadata import read_metadata
from pipeline.stages.extract_page import parse_page

WORD = re.compile(r"\w+")
FOLDS = 5
GRAM = 4  # words in a row that must stand in the gold text, for a block to count as content there

# Small trees, many pages held out in each: 120 of them are as good as 300, and are gone through in 2 ms a page.
PARAMETERS = {
    "objective": "cross_entropy", "learning_rate": 0.12, "num_leaves": extract_model.LEAVES, "min_data_in_leaf": 60,
    "feature_fraction": 0.4, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5, "seed": 1,
    "deterministic": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip
TREES = 120


# ---------------------------------------------------------------- measures


def words(text: str) -> Counter[str]:
    return Counter(WORD.findall(text.lower()))


def f1(got: Counter[str], gold: Counter[str]) -> float:
    """F1 over the multisets of words."""
    hit = sum((got & gold).values())
    precision = hit / sum(got.values()) if got else 0.0
    recall = hit / sum(gold.values()) if gold else 0.0
    return 2 * precision * recall / (precision + recall) if hit else 0.0


def table(name: str, rows: Iterable[tuple[str, float]]) -> str:
    """One line: the mean of all, and of each page type."""
    by: dict[str, list[float]] = defaultdict(list)
    for kind, value in rows:
        by["all"].append(value)
        by[kind].append(value)
    return f"{name:24}" + "  ".join(f"{kind} {np.mean(values):.3f}" for kind, values in sorted(by.items()))


def load(data: Path, every: int) -> list[tuple[str, str, str]]:
    """(page type, gold text, HTML) of every `every`th page of a data folder."""
    with (data / "gold.jsonl").open(encoding="utf-8") as lines:  # not splitlines(): texts hold U+2028
        gold = [json.loads(line) for line in list(lines)[::every]]
    read: Callable[[str], str] = lambda name: (data / "html" / f"{name}.html").read_bytes().decode("utf-8", "replace")  # noqa: E731
    return [(row.get("page_type") or "page", row["gold"], read(row["id"])) for row in gold]


def ours(html: str, extractor: str) -> str:
    try:
        return extract.extract_html(Document("page.html", html, "html"), Extract(), extractor).text
    except DocumentError:
        return ""


def measure(data: Path, every: int) -> None:
    """Each way over every page in turn, so that what else the machine does hits all alike."""
    ways: dict[str, Callable[[str], str]] = {
        "trafilatura.extract": lambda html: trafilatura.extract(html) or "",
        "ours, trafilatura": lambda html: ours(html, "trafilatura"),
        "ours, resiliparse": lambda html: ours(html, "resiliparse"),
    }
    pages = load(data, every)
    for way in ways.values():  # imports, compiled patterns, the model
        way(pages[0][2])
    seconds: Counter[str] = Counter()
    scores: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for kind, gold, html in pages:
        for name, way in ways.items():
            start = time.process_time()
            text = way(html)
            seconds[name] += time.process_time() - start  # type: ignore[assignment]
            scores[name].append((kind, f1(words(text), words(gold))))
    for name in ways:
        print(table(name, scores[name]))
    plain = seconds["trafilatura.extract"]
    for name in ways:
        print(f"{name:24}{len(pages) / seconds[name]:7.1f} pages/s   {seconds[name] / plain:.2f} × trafilatura.extract")


# ---------------------------------------------------------------- fitting


@dataclass
class Example:
    """A page to learn from: its blocks' features, how much of each stands in the gold text, and their words."""

    kind: str
    columns: dict[str, Column]
    label: NDArray[np.float64]
    sizes: Column
    weight: NDArray[np.float64]
    bags: list[Counter[str]]
    gold: Counter[str]


def example(kind: str, gold: str, html: str, extractor: str) -> Example | None:
    """What one page teaches; None for a page whose text is in its JSON only."""
    try:
        tree = parse_page(html, 2_000)
    except DocumentError:
        return None
    metadata = read_metadata(tree)
    page, method = extract.find_blocks(tree, Extract(), extractor, 2_000)
    if not page.blocks or not method.endswith("-model"):
        return None
    vote = extract.vote_text(tree, html, extractor)
    sizes = np.array([block.words for block in page.blocks], dtype=np.float32)
    return Example(
        kind,
        features(page, vote, metadata.types),
        labels([block.text for block in page.blocks], gold),
        sizes,
        # A page weighs a little more the longer it is, a block as its words; the smallest still count.
        (sizes + 0.3) / (sizes.sum() + 1) ** 0.7 * 1_000,
        [words(block.text) for block in page.blocks],
        words(gold),
    )


def labels(texts: Sequence[str], gold: str) -> NDArray[np.float64]:
    """For each text the share of its words in a run of GRAM that stands in `gold`; a shorter one: a line there."""
    wanted = WORD.findall(gold.lower())
    grams = {tuple(wanted[at : at + GRAM]) for at in range(len(wanted) - GRAM + 1)}
    flat = f" {' '.join(wanted)} "
    lines = {" ".join(WORD.findall(line.lower())) for line in gold.splitlines()}
    shares = []
    for text in texts:
        found = WORD.findall(text.lower())
        line = " ".join(found)
        if len(found) < GRAM:
            # In the middle of a line it may be chance: half a case.
            shares.append(1.0 if line and line in lines else 0.5 if len(line) > 3 and f" {line} " in flat else 0.0)
            continue
        covered = np.zeros(len(found), dtype=bool)
        for at in range(len(found) - GRAM + 1):
            if tuple(found[at : at + GRAM]) in grams:
                covered[at : at + GRAM] = True
        shares.append(float(covered.mean()))
    return np.array(shares)


def train(examples: Sequence[Example]) -> Any:
    """The fitted LightGBM model."""
    import lightgbm

    names = list(examples[0].columns)
    rows = np.concatenate([np.stack([page.columns[name] for name in names], axis=1) for page in examples])
    label = np.concatenate([page.label for page in examples])
    weight = np.concatenate([page.weight for page in examples])
    return lightgbm.train(PARAMETERS, lightgbm.Dataset(rows, label, weight=weight, feature_name=names), TREES)


def stored(model: Any) -> dict[str, Any]:
    """The model as `extract_model.make_forest` reads it."""
    dump = model.dump_model()
    used = sorted({name for tree in dump["tree_info"] for name in _columns(tree["tree_structure"])})
    names = [model.feature_name()[column] for column in used]

    def convert(node: dict[str, Any]) -> Any:
        if "leaf_value" in node:
            return round(node["leaf_value"], 5)
        limit = float(np.float32(node["threshold"]))
        return [
            used.index(node["split_feature"]),
            float(f"{limit:.7g}"),
            convert(node["left_child"]),
            convert(node["right_child"]),
        ]

    return {"features": names, "trees": [convert(tree["tree_structure"]) for tree in dump["tree_info"]]}


def _columns(node: dict[str, Any]) -> Iterable[int]:
    if "split_feature" in node:
        yield node["split_feature"]
        yield from _columns(node["left_child"])
        yield from _columns(node["right_child"])


def fit(data: Path, every: int, extractor: str) -> None:
    """Cross-validate, fit on all pages, write the model beside the code that reads it."""
    examples = [page for row in load(data, every) if (page := example(*row, extractor))]
    rows = []
    for fold in range(FOLDS):
        seen = [page for number, page in enumerate(examples) if number % FOLDS != fold]
        forest = extract_model.make_forest(stored(train(seen)))
        for page in examples[fold::FOLDS]:
            chosen: Counter[str] = Counter()
            scores = forest.score(page.columns)
            keep = extract_model.choose(scores, page.sizes)
            if page.columns["is_article"][0]:
                keep = extract_model.agree(keep, page.columns["vote"], scores, page.sizes)
            for number in np.flatnonzero(keep):
                chosen.update(page.bags[number])
            rows.append((page.kind, f1(chosen, page.gold)))
    print(table("held out", rows), flush=True)
    target = Path(extract_model.__file__).with_name(f"extract_{extractor}.json")
    target.write_text(json.dumps(stored(train(examples)), separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th page only")
    parser.add_argument("--fit", choices=["trafilatura", "resiliparse"], help="fit the model that has this one's vote")
    given = parser.parse_args()
    if given.fit:
        fit(given.data, given.every, given.fit)
    else:
        measure(given.data, given.every)


if __name__ == "__main__":
    main()
