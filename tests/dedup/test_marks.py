"""Numbers and names: what a dropped text says and the kept one does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup import compare
from pipeline.dedup.marks import find_marks
from pipeline.dedup.words import split

FERRY = (
    "The night ferry carries 180 passengers and leaves Halden at 22.45 every evening.\n"
    "For the 1,420 people who live on the island the cancellation meant an evening in a hotel bed.\n"
    "The fare will be 95 kroner for an adult and 240 kroner for a car with its driver.\n"
    "The contract was signed on 2024-05-17 by the chairman of the cooperative, Tor Haugen.\n"
)


@pytest.mark.parametrize(
    ("old", "new", "numbers"),
    [
        ("1,420", "1,240", ("1,240",)),  # 240 stands elsewhere, and 1 does too
        ("180 passengers", "240 passengers", ("240",)),  # said of something else in the kept text
        ("95 kroner", "180 kroner", ("180",)),
        ("22.45", "22.54", ("22.54",)),
        ("2024-05-17", "2024-05-18", ("2024-05-18",)),
        ("180 passengers", "190 passengers", ("190",)),
        ("180 passengers", "95 passengers and 180 bicycles", ("95",)),
        # what must not be told: the numbers stand where they stood
        ("evening.", "evening of the week.", ()),
        ("Tor Haugen", "Ana Lund", ()),
        ("22.45", "22:45", ()),
        ("The fare will be", "From June on, the fare is going to be", ()),
    ],
)
def test_a_number_that_the_kept_text_lacks_is_told_whole(old: str, new: str, numbers: tuple[str, ...]) -> None:
    """A changed number is named as written, although its digits, or the number itself, stand elsewhere."""
    assert compare(FERRY.replace(old, new), FERRY).numbers_only_a == numbers


def test_sentences_in_another_order_lose_nothing() -> None:
    """The same sentences, the last first: no number or name is told."""
    turned = "\n".join(reversed(FERRY.strip().split("\n"))) + "\n"
    found = compare(turned, FERRY)
    assert (found.numbers_only_a, found.names_only_a) == ((), ())


def test_a_name_is_told() -> None:
    """A name that the other text does not have is named, one that stands there is not."""
    assert compare(FERRY.replace("Tor Haugen", "Tor Lund"), FERRY).names_only_a == ("Lund",)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It cost 1,240.50 crowns.", ["1,240.50"]),
        ("Version v1.2.3 of 3/4/2024", ["v1.2.3", "3/4/2024"]),
        ("rows 1, 2 and 3.", ["1", "2", "3"]),
        ("1. one\n2. two", ["1", "2"]),
        ("10–12 or 10'000", ["10–12", "10'000"]),
        ("seats A4 and B52.", ["A4", "B52"]),
        ("no number, at all", []),
    ],
)
def test_numbers_are_whole(text: str, numbers: list[str]) -> None:
    """Separators between digits belong to the number; a comma and a space, or a full stop at the end, do not."""
    found = find_marks(split(["Before 7.", text]))
    mine = np.flatnonzero(found.number & (found.owner == 1)).tolist()
    assert [text[found.start[i] : found.end[i]] for i in mine] == numbers


@given(st.lists(st.text(alphabet="ab 1,.\nÄ٣四", max_size=40), max_size=5))
def test_marks_of_a_batch_are_those_of_each_text(texts: list[str]) -> None:
    """Marks do not depend on the other texts of a batch."""
    together = find_marks(split(texts))
    for i, text in enumerate(texts):
        alone = find_marks(split([text]))
        mine = together.of(np.array([i]))
        for name in ("key", "start", "end", "number"):
            assert getattr(mine, name).tolist() == getattr(alone, name).tolist()
