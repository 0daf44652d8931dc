"""Who stands for whom: stars, moves between them, components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.dedup.parts import array, column, load, load_all, save, string_lists
from pipeline.dedup.stars import (
    DECIDED,
    NEAR,
    OVERLAP,
    Edges,
    Nodes,
    both_ways,
    choose,
    components,
    join,
    move,
    strongest,
)


def edges(*rows: tuple[int, int, float], relation: int = NEAR) -> Edges:
    """Edges both ways between pairs of nodes of a given likeness."""
    a, b = np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.int64)
    alike = np.array([r[2] for r in rows])
    return both_ways(a, b, alike, alike, relation, alike)


def nodes(count: int, preferred: tuple[int, ...] = ()) -> Nodes:
    """Nodes that are all the same, the lower the better."""
    none = np.zeros(count, bool)
    marked = np.isin(np.arange(count), preferred)
    return Nodes(np.arange(count), np.ones(count, np.int64), np.full(count, 100), marked, none)


def stars(every: Edges, values: Nodes) -> list[int]:
    """The centre of each node after choosing and moving."""
    every = strongest(every)
    home: list[int] = move(every, values, *choose(every, values, True))[0].tolist()
    return home


# 0 takes 1, 2, 3, 4; 5 stays and takes 6; 4 was compared with 0 and with 5
BASE = [(0, 1, 0.9), (0, 2, 0.9), (0, 3, 0.9), (5, 6, 0.9)]


@pytest.mark.parametrize(
    ("to_first", "to_second", "home"),
    [(0.81, 0.97, 5), (0.97, 0.81, 0), (0.90, 0.91, 0)],
    ids=["clearly nearer", "farther", "nearer by a hair"],
)
def test_a_dropped_document_stands_under_the_most_alike_kept_one(to_first: float, to_second: float, home: int) -> None:
    """The star that takes a document first gives it up to one that is clearly more alike."""
    found = stars(join([edges(*BASE, (0, 4, to_first)), edges((5, 4, to_second))]), nodes(7))
    assert found == [0, 0, 0, 0, home, 5, 5]


def test_what_a_person_decided_does_not_move() -> None:
    """Said to be duplicates, two documents stay together though another is more alike; so does a preferred one."""
    said = join([edges(*BASE), edges((0, 4, 0.2), relation=DECIDED), edges((5, 4, 1.0))])
    assert stars(said, nodes(7))[4] == 0
    preferred = join([edges(*BASE, (0, 4, 0.81)), edges((5, 4, 0.99))])
    assert stars(preferred, nodes(7, (0,)))[4] == 0


def test_a_near_duplicate_is_nearer_than_an_overlap() -> None:
    """An overlap of .99 does not draw a document away from a near duplicate of .81."""
    assert stars(join([edges(*BASE, (0, 4, 0.81)), edges((5, 4, 0.99), relation=OVERLAP)]), nodes(7))[4] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_components_are_those_of_a_walk(pairs: list[tuple[int, int]]) -> None:
    """Two nodes share a component if a walk along edges leads from one to the other, and only then."""
    found = components(20, edges(*((a, b, 1.0) for a, b in pairs)))
    home = list(range(20))
    for _ in range(20):
        for a, b in pairs:
            home[a] = home[b] = min(home[a], home[b])
    assert found.tolist() == home


def test_a_long_chain_is_one_component() -> None:
    """Ten thousand nodes in a row, in random order, end in one component."""
    order = np.random.default_rng(1).permutation(10_000)
    chain = np.stack((order[1:], order[:-1]), axis=1)
    assert not components(10_000, edges(*((int(a), int(b), 1.0) for a, b in chain))).any()


def test_arrays_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    """Every type and shape, empty ones too."""
    arrays: dict[str, NDArray[Any]] = {
        "a": np.arange(5, dtype=np.uint64),
        "none": np.zeros(0, np.int32),
        "flags": np.array([True, False, True]),
        "table": np.arange(6, dtype=np.uint32).reshape(2, 3),
        "empty": np.zeros((0, 4)),
    }
    save(tmp_path / "deep" / "file", **arrays)
    back = load_all(tmp_path / "deep" / "file")
    assert list(back) == list(arrays)
    for name, values in arrays.items():
        assert back[name].dtype == values.dtype and back[name].shape == values.shape
        assert (load(tmp_path / "deep" / "file", name) == values).all()


def test_columns_are_what_pyarrow_would_make() -> None:
    """Numbers, flags, NaN as null and lists of texts, there and back, also of a slice."""
    numbers = np.array([1.5, np.nan, 3.0])
    assert column(numbers).equals(pa.array([1.5, None, 3.0]))
    assert column(np.array([True, False] * 9)).equals(pa.array([True, False] * 9))
    assert np.array_equal(array(column(numbers)), numbers, equal_nan=True)
    assert np.array_equal(array(column(numbers)[1:]), numbers[1:], equal_nan=True)
    assert array(pa.chunked_array([pa.array([1, 2]), pa.array([3])])).tolist() == [1, 2, 3]
    texts = [["a", "ß", ""], [], ["\ud800x"]]
    assert string_lists(texts).to_pylist() == [["a", "ß", ""], [], ["?x"]]
