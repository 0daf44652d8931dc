"""Whole matchings of small corpora against exact truth."""

from __future__ import annotations

import random
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config, make_config
from pipeline.dedup import Matching, parts
from pipeline.dedup.near import intersections
from pipeline.dedup.result import RELATIONS
from tests.dedup.corpora import edited, find, invent, jaccard


def corpus(seed: int, size: int) -> list[str]:
    """Invented documents, many of them edited copies of others or copies of copies."""
    rng = random.Random(seed)
    documents: list[list[str]] = []
    for _ in range(size):
        if documents and rng.random() < 0.5:
            documents.append(edited(rng, rng.choice(documents), rng.choice([0, 1, 2, 4, 8])))
        else:
            documents.append(invent(rng, rng.choice([0, 1, 3, 5, 12, 60, 150]), rng.choice([50, 3_000])))
    return [" ".join(words) for words in documents]


def by_text(found: Matching, texts: list[str], order: list[int]) -> list[tuple[int, str]]:
    """The relation of each document and the text of its canonical document, in a common order."""
    rows = [(int(found.relation[i]), texts[int(found.canonical[i])]) for i in range(len(texts))]
    return [rows[i] for i in np.argsort(order)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(2, 60))
def test_every_dropped_document_has_direct_exact_evidence(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    """No chains: a dropped document's Jaccard is the textbook's against the very document kept, and high enough."""
    texts = corpus(seed, size)
    found = find(texts, tmp_path_factory.mktemp("corpus"))
    for i, canonical in enumerate(found.canonical.tolist()):
        assert found.canonical[canonical] == canonical  # the kept document is kept
        kind = RELATIONS[found.relation[i]]
        if kind in ("near", "overlap"):
            assert found.jaccard[i] == pytest.approx(jaccard(texts[i], texts[canonical]), abs=1e-12)
        if kind == "near":
            assert found.jaccard[i] >= 0.8
        if kind == "exact":
            assert texts[i].split() == texts[canonical].split()
        if kind == "kept":
            assert np.isnan(found.jaccard[i])
    assert found.evidence.table()["document"].to_pylist() == np.flatnonzero(found.relation > 0).tolist()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_every_near_pair_shares_a_cluster_or_is_told(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Of the pairs at or above the threshold, those parted are parted by stars: one of the two stands elsewhere."""
    texts = corpus(seed, 40)
    found = find(texts, tmp_path_factory.mktemp("corpus"))
    told = set(zip(found.related["document_a"].to_pylist(), found.related["document_b"].to_pylist(), strict=True))
    for a in range(len(texts)):
        for b in range(a):
            long_enough = min(len(texts[a].split()), len(texts[b].split())) >= 5
            if long_enough and jaccard(texts[a], texts[b]) >= 0.8 and found.canonical[a] != found.canonical[b]:
                assert found.relation[a] > 0 or found.relation[b] > 0
                kept = [i for i in (a, b) if found.relation[i] == 0 and found.cluster[i] < 0]
                assert not kept or (b, a) in told


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 50))
def test_order_and_parts_change_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int, batch: int) -> None:
    """Documents spread otherwise over parts and groups, in another order there, give the same result by rank."""
    texts = corpus(seed, 50)
    order = random.Random(seed).sample(range(50), 50)
    one = find(texts, tmp_path_factory.mktemp("one"))
    with mock.patch.object(parts, "GROUP_SIZE", 7_000):
        other = find(texts, tmp_path_factory.mktemp("other"), order=order, batch=batch)
    assert one.evidence.table().equals(other.evidence.table())
    assert one.related.equals(other.related)
    assert (one.canonical == other.canonical).all()
    assert one.kept_why.equals(other.kept_why)


def test_short_and_empty_documents_are_duplicates_only_when_equal(tmp_path: Path) -> None:
    """Documents of fewer words than a shingle have no signature; they never all match each other."""
    texts = ["one two", "one  two", "three four", "one two!", "", "", "five six seven eight"]
    assert find(texts, tmp_path).canonical.tolist() == [1, 1, 2, 3, 4, 4, 6]  # the longer of the equal ones


def test_a_chain_of_edits_becomes_stars(tmp_path: Path) -> None:
    """Where each version is near to the next only, the ends are not put under one document."""
    rng = random.Random(5)
    words = invent(rng, 300)
    texts = []
    for step in range(7):
        texts.append(" ".join(words))
        for place in range(step * 40, step * 40 + 14):
            words[place] = f"new{step}x{place}"
    found = find(texts, tmp_path)
    assert (found.relation[found.relation > 0] == 2).all()
    dropped = np.flatnonzero(found.relation > 0)
    assert all(jaccard(texts[i], texts[found.canonical[i]]) >= 0.8 for i in dropped)
    assert np.unique(found.canonical).size >= 2


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("longest", 2), ("newest", 1), ("oldest", 0), ("first", 0)])
def test_keep_decides_who_stays(tmp_path: Path, keep: str, kept: int) -> None:
    """Each policy keeps its own of three near duplicates; a document without a date is neither newest nor oldest."""
    words = invent(random.Random(6), 200)
    texts = [" ".join(words), " ".join([*words[:-1], "changed"]), " ".join([*words, "longer", "by", "three"])]
    dates = ["2020-01-01", "2024-05-05", "NaT"]
    found = find(texts, tmp_path, make_config({"keep": keep}), dates=dates)
    assert found.canonical.tolist() == [kept] * 3
    assert found.kept_why[kept].as_py().startswith("kept: covers 2 of 2 others")


def test_a_person_decides_against_the_evidence(tmp_path: Path) -> None:
    """Equal texts said to be different both stay; different ones said to be equal go together; one is preferred."""
    rng = random.Random(7)
    one, two = " ".join(invent(rng, 80)), " ".join(invent(rng, 80))
    apart = find([one, one, one, two], tmp_path / "a", never={(0, 1)})
    assert apart.canonical.tolist() == [0, 1, 0, 3]
    together = find([one, two], tmp_path / "b", always={(0, 1)})
    assert sorted(together.relation.tolist()) == [0, 4]
    assert np.unique(together.canonical).size == 1
    preferred = find([one + " and more words", one, one + " or"], tmp_path / "c", prefer={2})
    assert preferred.canonical.tolist() == [2, 2, 2]


def test_what_was_published_is_not_displaced_by_its_equal(tmp_path: Path) -> None:
    """A slightly longer newcomer goes under last month's document; one with a fifth more text takes its place."""
    words = invent(random.Random(8), 200)
    old, little, much = (
        " ".join(words),
        " ".join([*words, "three", "more", "words"]),
        " ".join([*words, *(f"addition{i}" for i in range(40))]),
    )
    assert find([little, old], tmp_path / "a", published=[1]).canonical.tolist() == [1, 1]
    assert find([little, old], tmp_path / "b").canonical.tolist() == [0, 0]
    assert find([much, old], tmp_path / "c", published=[1]).canonical.tolist() == [0, 0]


def test_evidence_names_what_is_lost(tmp_path: Path) -> None:
    """The sentence, the number and the name that only the dropped document has are listed."""
    body = " ".join(f"Sentence number {w} tells of {w} and of {w}ness at length." for w in invent(random.Random(9), 30))
    texts = [body + " The end is the same for all readers here today.", body + " In 1987 only Marguerite objected."]
    found = find(texts, tmp_path)
    row = found.evidence.table().to_pylist()[0]
    assert row["document"] == 1 and row["relation"] == "near"
    assert row["lost_sentences"] == ["In 1987 only Marguerite objected."]
    assert row["lost_numbers"] == ["1987"] and row["lost_names"] == ["Marguerite"]
    assert row["coverage"] < 1.0 and row["lost_sentence_count"] == 1


def test_equal_and_one_line_documents_by_the_thousands(tmp_path: Path) -> None:
    """Copies of one page, and lines that differ in a word, cost linear time: seconds, not hours."""
    page = " ".join(invent(random.Random(10), 100))
    lines = [f"Ticket {i} was opened by the night shift and closed again" for i in range(3_000)]
    found = find([page] * 10_000 + lines, tmp_path, batch=5_000)
    assert (found.canonical[:10_000] == 0).all()
    assert (found.relation[10_000:] == 0).mean() > 0.9  # ten words, one differs: Jaccard is at most 0.75


def test_a_bucket_of_thousands_of_near_duplicates_is_settled(tmp_path: Path) -> None:
    """Thousands of pages from one template with a word of their own end in one star."""
    words = invent(random.Random(11), 150)
    texts = [" ".join([*words, f"page{i}"]) for i in range(3_000)]
    found = find(texts, tmp_path, batch=1_000)
    assert np.unique(found.canonical).size == 1
    assert found.counts["near"]["candidate_pairs"] < 40 * len(texts)


def test_the_recall_is_stated(tmp_path: Path) -> None:
    """The result says which bands were used and what they find at 0.7, 0.8, 0.9 and the threshold."""
    recall = find(["a"], tmp_path, Config()).recall
    assert (recall["bands"], recall["rows"]) == (21, 6)
    assert recall["expected"]["0.8"] == recall["expected"]["threshold"] == pytest.approx(0.998312)
    assert recall["expected"]["0.7"] < recall["expected"]["0.9"]


class Stored:
    """Shingles by node, as `pipeline.dedup.parts.Store` gives them."""

    def __init__(self, sets: list[list[int]]) -> None:
        self.sets = [np.array(sorted(some), np.uint64) for some in sets]

    def sizes(self, nodes: np.ndarray) -> np.ndarray:
        return np.array([self.sets[node].size for node in nodes.tolist()], np.int64)

    def take(self, nodes: np.ndarray, _: list[str]) -> list[np.ndarray]:
        found = [self.sets[node] for node in nodes.tolist()]
        return [np.cumsum([0, *(some.size for some in found)]), np.concatenate(found)]


@given(st.lists(st.sets(st.builds(lambda a, b: a << 32 | b, st.integers(0, 6), st.integers(0, 3)), min_size=1)))
def test_pairs_that_may_reach_the_threshold_are_counted_in_full(sets: list[set[int]]) -> None:
    """With a least Jaccard, pairs that reach it (also exactly) are told as without; hashes may share upper halves."""
    a, b = (np.array(side, np.int64) for side in np.triu_indices(len(sets), 1))
    store = Stored([sorted(some) for some in sets])
    exact, size_a, size_b = intersections(store, a, b)  # type: ignore[arg-type]
    for least in (0.25, 0.5, 0.8):
        told, *_ = intersections(store, a, b, least)  # type: ignore[arg-type]
        reached = exact >= least * (size_a + size_b - exact)
        assert (told[reached] == exact[reached]).all()
        assert ((told == exact) | (told == 0)).all()
