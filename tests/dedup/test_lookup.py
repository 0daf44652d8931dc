"""Looking up hashes: what a plain search gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.lookup import distinct, is_in, places

HASHES = st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40)), max_size=60)


@given(HASHES, HASHES)
def test_places_are_those_of_a_plain_search(wanted: list[int], known: list[int]) -> None:
    """Any numbers, evenly spread or crowded, present or not: the same as looking for each."""
    known = sorted(set(known))
    found = places(np.array(wanted, np.uint64), np.array(known, np.uint64))
    assert found.tolist() == [known.index(one) if one in known else -1 for one in wanted]


@given(HASHES, HASHES)
def test_is_in_and_distinct_are_those_of_a_set(wanted: list[int], among: list[int]) -> None:
    """Repeats and order of `among` do not matter."""
    assert is_in(np.array(wanted, np.uint64), np.array(among, np.uint64)).tolist() == [one in among for one in wanted]
    assert distinct(np.array(among, np.uint64)).tolist() == sorted(set(among))


@pytest.mark.parametrize("spread", [1, 2**40, 2**44])
def test_many_hashes(spread: int) -> None:
    """More keys than the table has places for, crowded into a corner or spread out."""
    known = np.arange(1, 300_001, dtype=np.uint64) * np.uint64(spread)
    wanted = np.concatenate((known[::7], known[::11] + np.uint64(1), np.array([0, 2**64 - 1], np.uint64)))
    place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    assert (places(wanted, known) == np.where(known[place] == wanted, place, -1)).all()
