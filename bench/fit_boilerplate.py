"""Fit the line model of the boilerplate stage, and say how good it is on pages it has not seen.

    python bench/fit_boilerplate.py PAGES --write pipeline/stages/weights.json

PAGES is a folder with `html/<id>.html` and `gold.jsonl` (fields `id`, `page_type`, `gold`, `title`), as the Web Content
Extraction Benchmark publishes. Every page is rendered to plain text by four tools; a line is content where its words
stand in the gold text. Needs the `bench` extra.

Two models: a logistic regression on a line and its near neighbours, then boosted trees that also see where the line
stands among the scores of the first. Pages are held out whole: no rendering of a held-out page is trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import html_text
import inscriptis
import lxml.html
import numpy as np
from resiliparse.extract.html2text import extract_plain_text
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from pipeline.stages.boilerplate_features import context_features, near_features, own_features
from pipeline.stages.boilerplate_phrases import phrase_book
from pipeline.stages.lines import split_lines

WORD = re.compile(r"\w+")
BLOCKS = frozenset(
    "address article aside blockquote body br button caption center dd details div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol option p pre section select summary "
    "table tbody td tfoot th thead title tr ul".split()
)
SILENT = frozenset("script style noscript template svg".split())
MIN_PAGES = 12  # a word is weighed when it stands in short lines of this many pages
MOST_WEIGHTS = 700
DEPTH = 6


@dataclass(frozen=True)
class How:
    """How to fit. `power`: a line weighs its words to this power; `articles`: weight of an article page, others 1."""

    trees: int = 70
    leaves: int = 24
    rate: float = 0.12
    power: float = 0.5
    articles: float = 2.0
    tools: tuple[str, ...] = ("html-text", "inscriptis", "blocks", "resiliparse")


@dataclass
class Text:
    """One rendering of one page, with its lines labelled."""

    page: str
    kind: str
    tool: str
    text: str
    gold: str
    lines: list = field(default_factory=list)
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))


def by_blocks(html: str) -> str:
    """Text of a page, one line a block element."""
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
    root = lxml.html.document_fromstring(html.encode(), parser=parser)
    pieces: list[str] = []
    skip = 0
    for event, element in lxml.etree.iterwalk(root, events=("start", "end", "comment")):
        block = element.tag in BLOCKS
        if event == "start":
            skip += element.tag in SILENT
            if not skip:
                pieces += ["\n"] * block + [re.sub(r"\s+", " ", element.text or "")]
        elif event == "end":
            skip -= element.tag in SILENT
            if not skip:
                pieces.append("\n" * block)
        if event != "start" and not skip:
            pieces.append(re.sub(r"\s+", " ", element.tail or ""))
    return "\n".join(line.strip() for line in "".join(pieces).split("\n") if line.strip())


TOOLS = {
    "html-text": html_text.extract_text,
    "inscriptis": inscriptis.get_text,
    "blocks": by_blocks,
    "resiliparse": extract_plain_text,
}


def render(pages: Path, cache: Path | None) -> Iterator[dict]:
    """Each page's gold row with `render`: tool -> text. `cache` is read if there, else written."""
    if cache and cache.exists():
        with cache.open(encoding="utf-8") as rows:
            yield from map(json.loads, rows)
        return
    rows = []
    for line in (pages / "gold.jsonl").read_bytes().splitlines():  # of text it would cut at U+2028 too
        row = json.loads(line)
        html = (pages / "html" / f"{row['id']}.html").read_bytes().decode("utf-8", "replace")
        row["render"] = {}
        for name, tool in TOOLS.items():
            try:
                row["render"][name] = tool(html)
            except Exception as error:
                print(f"{row['id']}: {name}: {error!r}", file=sys.stderr)
        rows.append(row)
        yield row
    if cache:
        cache.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def tokens(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def label(text: Text, title: str, how: How) -> None:
    """Say for each line whether it is content, and what it weighs: by its words, each page the same."""
    gold = tokens(text.gold)
    triples = set(zip(gold, gold[1:], gold[2:], strict=False))
    joined = " " + " ".join(gold) + " "
    gold_lines = {tuple(tokens(line)) for line in text.gold.split("\n")}
    lines = split_lines(text.text)
    words = [tokens(line.shown) for line in lines]
    labels = np.full(len(lines), -1)
    for index, line in enumerate(words):
        if len(line) >= 5:
            own = list(zip(line, line[1:], line[2:], strict=False))
            labels[index] = sum(triple in triples for triple in own) > len(own) / 2
    sure = np.flatnonzero(labels >= 0)
    for index, line in enumerate(words):
        if labels[index] >= 0:
            continue
        held = tuple(line) in gold_lines or (bool(line) and f" {' '.join(line)} " in joined)
        at = np.searchsorted(sure, index)
        near = [other for other in sure[max(at - 1, 0) : at + 1] if abs(other - index) <= 8]
        labels[index] = held and any(labels[other] == 1 for other in near)
        if not line and near:
            labels[index] = labels[near[0]]
    weights = np.array([min(len(line), 100) ** how.power for line in words])
    heading = tokens(title or "")
    for index, line in enumerate(words):
        if heading and line == heading and labels[index] != 1:
            content = np.flatnonzero(labels == 1)
            nearest = len(content) and index < content[0] and heading not in words[index + 1 : content[0]]
            labels[index], weights[index] = (1, weights[index]) if nearest else (0, 0.0)
    scale = (how.articles if text.kind == "article" else 1.0) / max(weights.sum(), 1e-9)
    text.lines, text.labels, text.weights = lines, labels, weights * scale


def texts_of(rows: Iterator[dict], how: How) -> list[Text]:
    """All renderings, and the gold text itself as a text where every line is content."""
    found = []
    for row in rows:
        kind = row.get("page_type") or row.get("type") or ""
        for tool, rendered in {**row["render"], "gold": row["gold"]}.items():
            if tool.replace("_", "-") not in (*how.tools, "gold"):
                continue
            text = Text(row["id"], kind, tool, rendered.replace("\r", ""), row["gold"])
            label(text, row["title"], how)
            if tool == "gold":
                text.labels[:] = 1
                text.weights *= 0.5
            if text.lines and text.labels.any():
                found.append(text)
    return found


def weigh_words(texts: list[Text]) -> dict[str, float]:
    """Log-odds (content : boilerplate) of the words of short lines, counted by page."""
    counts = (defaultdict(set), defaultdict(set))
    for text in texts:
        if text.tool == "gold":
            continue
        for line, content in zip(text.lines, text.labels, strict=True):
            if line.size <= 12:
                for word in set(line.words):
                    counts[int(content)][word].add(text.page)
    scored = {}
    for word in counts[0].keys() | counts[1].keys():
        bad, good = len(counts[0][word]), len(counts[1][word])
        if bad + good >= MIN_PAGES and not word.isdigit():
            scored[word] = round(math.log((good + 2) / (bad + 2)), 2)
    heavy = sorted(scored, key=lambda word: (-abs(scored[word]) * math.sqrt(len(counts[0][word]) + 1), word))
    return {word: scored[word] for word in sorted(heavy[:MOST_WEIGHTS])}


def fit(texts: list[Text], how: How, quick: bool) -> dict:
    """Both models and the word weights."""
    words = weigh_words(texts)
    book = phrase_book("en")
    own = [own_features(text.lines, [book.find(line) for line in text.lines], words) for text in texts]
    near = np.concatenate([near_features(one) for one in own])
    labels = np.concatenate([text.labels for text in texts])
    weights = np.concatenate([text.weights for text in texts])
    weights *= len(weights) / weights.sum()
    mean, scale = near.mean(axis=0), near.std(axis=0) + 1e-6
    linear = LogisticRegression(C=0.3, max_iter=60 if quick else 200)
    linear.fit((near - mean) / scale, labels, sample_weight=weights)
    coefficients = linear.coef_[0] / scale
    intercept = float(linear.intercept_[0] - (mean * coefficients).sum())
    features = []
    for one in own:
        local = (near_features(one) @ coefficients + intercept).astype(np.float32)
        features.append(context_features(one, np.clip(local, -6, 6)))
    boosted = HistGradientBoostingClassifier(
        max_iter=how.trees,
        max_leaf_nodes=how.leaves,
        max_depth=DEPTH,
        learning_rate=how.rate,
        min_samples_leaf=60,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=0,
    )
    boosted.fit(np.concatenate(features), labels, sample_weight=weights)
    return {"words": words, "coefficients": coefficients, "intercept": intercept, "boosted": boosted}


def predict(model: dict, lines: list) -> np.ndarray:
    """Log-odds that each line is content, by scikit-learn's own trees."""
    own = own_features(lines, [phrase_book("en").find(line) for line in lines], model["words"])
    local = (near_features(own) @ model["coefficients"] + model["intercept"]).astype(np.float32)
    return model["boosted"].decision_function(context_features(own, np.clip(local, -6, 6)))


def export(model: dict) -> dict:
    """The model as plain numbers: one array a column of the nodes of all trees, children as absolute indexes.

    A node goes right where its feature is above its threshold; the right child stands after the left; a leaf is its
    own left child.
    """
    feature, threshold, left, value, roots = [], [], [], [], []
    for (tree,) in model["boosted"]._predictors:
        nodes = tree.nodes
        root = len(feature)
        roots.append(root)
        place, queue = {0: root}, [0]
        for column in (feature, threshold, left, value):
            column.append(0)
        while queue:
            node = queue.pop(0)
            at, row = place[node], nodes[node]
            if row["is_leaf"]:
                feature[at], threshold[at], left[at], value[at] = 0, 3e38, at, round(float(row["value"]), 4)
                continue
            feature[at], threshold[at] = int(row["feature_idx"]), float(f"{row['num_threshold']:.6g}")
            left[at] = len(feature)
            for child in (int(row["left"]), int(row["right"])):
                place[child] = len(feature)
                queue.append(child)
                for column in (feature, threshold, left, value):
                    column.append(0)
    return {
        "about": "written by bench/fit_boilerplate.py",
        "words": model["words"],
        "coefficients": [float(f"{c:.5g}") for c in model["coefficients"]],
        "intercept": round(model["intercept"], 5),
        "baseline": round(float(model["boosted"]._baseline_prediction.ravel()[0]), 5),
        "depth": max(int(tree.nodes["depth"].max()) for (tree,) in model["boosted"]._predictors),
        "roots": roots,
        "feature": feature,
        "threshold": threshold,
        "left": left,
        "value": value,
    }


def article_f1(pairs: list[tuple[str, str]]) -> tuple[float, float, float]:
    """Precision, recall and F1 over 4-word shingles, each page weighing the same."""
    hits = misses = extras = 0.0
    for got, gold in pairs:
        a, b = grams(got), grams(gold)
        hit = sum((a & b).values())
        total = sum(a.values()) + sum(b.values()) - hit
        if total:
            hits, extras, misses = (
                hits + hit / total,
                extras + (sum(a.values()) - hit) / total,
                misses + (sum(b.values()) - hit) / total,
            )
    return hits / (hits + extras), hits / (hits + misses), 2 * hits / (2 * hits + extras + misses)


def grams(text: str) -> Counter:
    words = WORD.findall(text)
    return Counter(tuple(words[i : i + 4]) for i in range(max(1, len(words) - 3))) if words else Counter()


def held_out(texts: list[Text], folds: int, only: int, how: How) -> None:
    """Print the figures on pages that the model has not seen, for several thresholds."""
    pages = sorted({text.page for text in texts})
    fold_of = {page: index % folds for index, page in enumerate(pages)}
    got: dict[tuple[str, float], list[tuple[str, str]]] = defaultdict(list)
    survived, words_in = Counter(), 0
    for fold in range(only):
        model = fit([text for text in texts if fold_of[text.page] != fold], how, quick=True)
        for text in texts:
            if fold_of[text.page] != fold:
                continue
            odds = predict(model, text.lines)
            for cut in (-1.0, -0.5, 0.0, 0.5, 1.0):
                kept = "\n".join(line.shown for line, odd in zip(text.lines, odds, strict=True) if odd > cut)
                if text.tool == "gold":
                    survived[cut] += len(WORD.findall(kept))
                    words_in += len(WORD.findall(text.text)) if cut == 0.0 else 0
                else:
                    got[f"{text.kind} {text.tool}", cut].append((kept, text.gold))
                    got["all", cut].append((kept, text.gold))
            if text.tool != "gold":
                got[f"{text.kind} {text.tool}", math.inf].append((text.text, text.gold))
                ideal = "\n".join(line.shown for line, y in zip(text.lines, text.labels, strict=True) if y == 1)
                got[f"{text.kind} {text.tool}", 99].append((ideal, text.gold))
    for (name, cut), pairs in sorted(got.items()):
        if (name == "all" or name.startswith("article")) and abs(cut) < 9:
            print(f"{name:28} cut {cut:5}  P %.4f R %.4f F1 %.4f" % article_f1(pairs))
    print("gold texts, words kept:", {cut: round(kept / words_in, 5) for cut, kept in survived.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the renderings in this JSONL file")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, default=5, help="run so many of the folds")
    parser.add_argument("--trees", type=int, default=How.trees)
    parser.add_argument("--power", type=float, default=How.power)
    parser.add_argument("--leaves", type=int, default=How.leaves)
    parser.add_argument("--rate", type=float, default=How.rate)
    parser.add_argument("--articles", type=float, default=How.articles)
    parser.add_argument("--tools", default=",".join(How.tools))
    parser.add_argument("--pages-step", type=int, default=1, help="use every n-th page only")
    parser.add_argument("--write", type=Path, help="fit on every page and write the weights here")
    options = parser.parse_args()
    how = How(
        options.trees, options.leaves, options.rate, options.power, options.articles, tuple(options.tools.split(","))
    )
    rows = (row for n, row in enumerate(render(options.pages, options.cache)) if n % options.pages_step == 0)
    texts = texts_of(rows, how)
    print(len(texts), "texts,", sum(len(text.lines) for text in texts), "lines", flush=True)
    if options.only:
        held_out(texts, options.folds, options.only, how)
    if options.write:
        model = export(fit(texts, how, quick=False))
        options.write.write_text(json.dumps(model, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
